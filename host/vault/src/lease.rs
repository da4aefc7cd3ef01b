//! One credential, one request, while the call lives.
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use toolward_gate::{CredentialName, Life, Slot};
use zeroize::Zeroizing;

use crate::{
    broker::Credential,
    check::Checked,
    scan::{Registry, Scanner},
    sign::{self, Injection, SignError},
};

/// A request that carries its credential. Only the transport reads it.
#[expect(missing_debug_implementations, reason = "a signed request holds a credential")]
pub struct Signed {
    pub(crate) checked: Checked,
    pub(crate) injection: Injection,
}

impl Signed {
    /// A request that needs no credential.
    pub(crate) fn plain(checked: Checked) -> Self {
        Self { checked, injection: Injection::default() }
    }

    /// As it goes on the wire.
    pub(crate) fn url(&self) -> String {
        let Checked { destination, target, .. } = &self.checked;
        let url = format!("{destination}{}", target.path_and_query());
        match &self.injection.query {
            None => url,
            Some(pairs) => {
                let mark = if target.query.is_some() { '&' } else { '?' };
                format!("{url}{mark}{}", **pairs)
            }
        }
    }
}

/// A credential on loan for one request.
pub(crate) struct Lease {
    pub(crate) name: CredentialName,
    pub(crate) credential: Credential,
    pub(crate) registry: Registry,
    pub(crate) slot: Slot,
    pub(crate) life: Life,
    pub(crate) now: Timestamp,
}

impl Lease {
    /// Puts the credential into its slot, and tells the scanner what must not come back. A request that holds
    /// the credential already is refused: nobody but the host writes it.
    pub(crate) fn sign(self, checked: Checked) -> Result<(Signed, Scanner), SignError> {
        self.life.check().map_err(SignError::Over)?;
        self.credential
            .check()
            .map_err(|_| SignError::Unfit("the secret is too weak, or has line breaks"))?;
        // The only line that exposes a credential.
        let injection = sign::inject(&self.slot, &self.credential.expose(), &checked, self.now)?;
        let known = self.registry.register(&self.name, &texts(&injection.values));
        let scanner = self.registry.scanner().and(&texts(&injection.once));
        // Let go once the response is begun that looks for it.
        drop(known);
        if checked.texts().any(|text| scanner.finds(text)) {
            return Err(SignError::Carried);
        }
        Ok((Signed { checked, injection }, scanner))
    }
}

fn texts(values: &[Zeroizing<String>]) -> Vec<&str> {
    values.iter().map(|value| value.as_str()).collect()
}

/// The header that says whose requests these are; some APIs require one (RFC 9110 section 10.1.5).
pub(crate) const USER_AGENT: (HeaderName, HeaderValue) =
    (header::USER_AGENT, HeaderValue::from_static(concat!("toolward/", env!("CARGO_PKG_VERSION"))));
