//! One credential, one request, while the call lives.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header};
use toolward_gate::{Cause, HeaderScheme, Life, Slot};

use crate::{
    broker::Credential,
    check::Checked,
    scan::Scanner,
    secret::{Secret, WeakSecret},
};

/// A request that carries its credential. Only the transport reads it.
#[expect(missing_debug_implementations, reason = "a signed request holds a credential")]
pub struct Signed {
    pub(crate) checked: Checked,
    pub(crate) url: String,
    pub(crate) slot: Option<(HeaderName, HeaderValue)>,
}

impl Signed {
    /// A request that needs no credential.
    pub(crate) fn plain(checked: Checked) -> Self {
        let url = url(&checked, None);
        Self { checked, url, slot: None }
    }
}

/// Why a request was not signed.
#[derive(Debug)]
pub(crate) enum SignError {
    Over(Cause),
    /// For the operator's log; it never repeats the value.
    Unfit(&'static str),
}

/// A credential on loan for one request.
pub(crate) struct Lease {
    pub(crate) credential: Credential,
    pub(crate) slot: Slot,
    pub(crate) life: Life,
}

impl Lease {
    /// Puts the credential into its slot, and tells the scanner what must not come back.
    pub(crate) fn sign(self, checked: Checked) -> Result<(Signed, Scanner), SignError> {
        self.life.check().map_err(SignError::Over)?;
        let Credential::Token(secret) = &self.credential else {
            return Err(SignError::Unfit("the credential is of another kind than its slot"));
        };
        secret
            .check()
            .map_err(|_| SignError::Unfit("the secret is too weak, or has line breaks"))?;
        // The only line that exposes a credential.
        let value = secret.expose();
        let scanner = Scanner::for_values(&parts(&self.slot, value)?);
        let signed = match &self.slot {
            Slot::Query { name } => {
                let url = url(&checked, Some((name, value)));
                Signed { checked, url, slot: None }
            }
            Slot::Header { name, scheme } => {
                let url = url(&checked, None);
                Signed { checked, url, slot: Some(field(name, *scheme, value)?) }
            }
        };
        Ok((signed, scanner))
    }
}

/// Everything in a slot that would be a credential by itself.
fn parts<'a>(slot: &Slot, value: &'a str) -> Result<Vec<&'a str>, SignError> {
    match slot {
        Slot::Header { scheme: HeaderScheme::Basic, .. } => {
            let (_, password) = value
                .split_once(':')
                .ok_or(SignError::Unfit("the secret for `basic` is not `user:password`"))?;
            let weak = |_: WeakSecret| {
                SignError::Unfit("the password is too weak to be recognised when it comes back")
            };
            Secret::new(password).check().map_err(weak)?;
            Ok(vec![value, password])
        }
        Slot::Header { .. } | Slot::Query { .. } => Ok(vec![value]),
    }
}

fn field(
    name: &str,
    scheme: HeaderScheme,
    value: &str,
) -> Result<(HeaderName, HeaderValue), SignError> {
    let text = match scheme {
        HeaderScheme::Bearer => format!("Bearer {value}"),
        HeaderScheme::Basic => format!("Basic {}", STANDARD.encode(value)),
        HeaderScheme::Raw => value.to_owned(),
    };
    let text = zeroize::Zeroizing::new(text);
    let name = name.parse().map_err(|_| SignError::Unfit("the slot's header is not one"))?;
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| SignError::Unfit("the secret does not fit a header"))?;
    // Kept out of debug output and of HPACK tables (RFC 7541 section 7.1.3).
    value.set_sensitive(true);
    Ok((name, value))
}

fn url(checked: &Checked, key: Option<(&str, &str)>) -> String {
    let mut url = format!("{}{}", checked.destination, checked.target.path_and_query());
    if let Some((name, value)) = key {
        let mark = if checked.target.query.is_some() { '&' } else { '?' };
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        url = format!("{url}{mark}{name}={value}");
    }
    url
}

/// The header that says whose requests these are; some APIs require one (RFC 9110 section 10.1.5).
pub(crate) const USER_AGENT: (HeaderName, HeaderValue) =
    (header::USER_AGENT, HeaderValue::from_static(concat!("toolward/", env!("CARGO_PKG_VERSION"))));
