//! Whose client certificate is it, and is a token bound to it? (RFC 8705)
use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use toolward_gate::{Identity, Kind, Principal, Proven};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate};

use super::AuthnError;
use crate::config::{AuthenticationConfig, CertificateName, CertificatesConfig};

/// Who is believed, and who is meant.
pub(super) struct Certificates {
    /// For the handshake: who shows no certificate may still show a token.
    optional: Arc<dyn ClientCertVerifier>,
    required: Arc<dyn ClientCertVerifier>,
    config: CertificatesConfig,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Certificates {
    pub(super) fn from_config(config: &AuthenticationConfig) -> Result<Option<Self>, AuthnError> {
        let Some(config) = config.certificates.clone() else { return Ok(None) };
        let failed = |cause: String| {
            let place = config.roots.display().to_string();
            AuthnError::Roots { place, cause }
        };
        let mut roots = RootCertStore::empty();
        let read = CertificateDer::pem_file_iter(&config.roots);
        for root in read.map_err(|error| failed(error.to_string()))? {
            let root = root.map_err(|error| failed(error.to_string()))?;
            roots.add(root).map_err(|error| failed(error.to_string()))?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
        let builder =
            || WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let required = builder().build().map_err(|error| failed(error.to_string()))?;
        let optional = builder().allow_unauthenticated().build();
        let optional = optional.map_err(|error| failed(error.to_string()))?;
        Ok(Some(Self { optional, required, config }))
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.optional.clone()
    }

    /// Who holds the first of these certificates. `now` is in seconds since 1970.
    pub(super) fn principal(
        &self,
        chain: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<Principal, AuthnError> {
        let (own, others) = chain.split_first().ok_or(AuthnError::Certificate("there is none"))?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unsigned_abs()));
        let checked = self.required.verify_client_cert(own, others, now);
        checked
            .map_err(|_| AuthnError::Certificate("its issuer, purpose or time does not hold"))?;
        let unread = AuthnError::Certificate("it cannot be read");
        let Ok(([], read)) = parse_x509_certificate(own) else { return Err(unread) };
        if read.is_ca() {
            return Err(AuthnError::Certificate("it is one that issues others"));
        }
        let validity = read.validity();
        let identity = self.identity(&read, time(validity.not_after.timestamp())?)?;
        let proven = Proven {
            issuer: ISSUER.to_owned(),
            id: hex::encode(Sha256::digest(own)),
            issued_at: time(validity.not_before.timestamp())?,
        };
        Ok(Principal::proven(identity, vec![proven]))
    }

    /// The first of its names that is known here.
    fn identity(
        &self,
        read: &X509Certificate<'_>,
        ends_at: Timestamp,
    ) -> Result<Identity, AuthnError> {
        let names = names(read)?;
        let known = names
            .iter()
            .find_map(|name| self.config.principals.get(name).map(|principal| (name, principal)));
        if let Some((name, principal)) = known {
            return Ok(Identity {
                id: principal.id.clone().unwrap_or_else(|| name.as_str().to_owned()),
                kind: principal.kind,
                roles: principal.roles.clone(),
                groups: principal.groups.clone(),
                acts_for: Vec::new(),
                scope: None,
                ends_at: Some(ends_at),
            });
        }
        let of_domain = names.into_iter().find_map(|name| match name {
            CertificateName::Spiffe(id) => self.is_of_domain(&id).then_some(id),
            CertificateName::Dns(_) | CertificateName::CommonName(_) => None,
        });
        let id = of_domain.ok_or(AuthnError::Certificate("none of its names is configured"))?;
        Ok(Identity {
            id,
            kind: Kind::Service,
            roles: [].into(),
            groups: [].into(),
            acts_for: Vec::new(),
            scope: None,
            ends_at: Some(ends_at),
        })
    }

    fn is_of_domain(&self, id: &str) -> bool {
        let domain = id.strip_prefix(SPIFFE).and_then(|rest| rest.split_once('/'));
        domain.is_some_and(|(domain, _)| self.config.trust_domain.as_deref() == Some(domain))
    }
}

/// What a certificate says of its holder. One with a SPIFFE id has no other URI (X.509-SVID section 2), and is
/// known by that alone.
fn names(read: &X509Certificate<'_>) -> Result<Vec<CertificateName>, AuthnError> {
    let twice = |_| AuthnError::Certificate("it has its alternative names twice");
    let (mut uris, mut names) = (Vec::new(), Vec::new());
    if let Some(extension) = read.subject_alternative_name().map_err(twice)? {
        for name in &extension.value.general_names {
            #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind of name is used")]
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::DNSName(name) => {
                    names.push(CertificateName::Dns(name.to_ascii_lowercase()));
                }
                _ => {}
            }
        }
    }
    if uris.iter().any(|uri| uri.starts_with(SPIFFE)) {
        return match uris.as_slice() {
            [id] if is_spiffe_id(id) => Ok(vec![CertificateName::Spiffe((*id).to_owned())]),
            _ => Err(AuthnError::Certificate("its SPIFFE id is not well formed, or not the only")),
        };
    }
    let common = read.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.extend(common.map(|name| CertificateName::CommonName(name.to_owned())));
    Ok(names)
}

/// `spiffe://trust-domain/path`, in the only form there is (SPIFFE-ID section 2).
fn is_spiffe_id(text: &str) -> bool {
    let Some((domain, path)) = text.strip_prefix(SPIFFE).and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let of_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let segment =
        |segment: &str| !["", ".", ".."].contains(&segment) && segment.bytes().all(of_path);
    text.len() <= MAX_SPIFFE_ID
        && (1..=MAX_DOMAIN).contains(&domain.len())
        && domain.bytes().all(of_domain)
        && path.split('/').all(segment)
}

/// Whether a token is bound to a certificate, and to nothing else that would have to be checked.
pub(super) fn is_bound_to_one_only(confirmation: &Value) -> bool {
    let members = confirmation.as_object();
    members.is_some_and(|members| members.len() == 1 && members.contains_key(THUMBPRINT))
}

/// A token that is bound to a certificate is good over a connection of that certificate only (RFC 8705 section
/// 3.1). One that is not, is good over any.
pub(super) fn check_bound(
    confirmation: &Value,
    chain: &[CertificateDer<'_>],
) -> Result<(), AuthnError> {
    let Some(thumbprint) = confirmation.get(THUMBPRINT) else { return Ok(()) };
    let own = chain.first().map(|own| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(own)));
    match own {
        Some(own) if thumbprint.as_str() == Some(own.as_str()) => Ok(()),
        _ => Err(AuthnError::Token("it is bound to a certificate, and came without it")),
    }
}

fn time(seconds: i64) -> Result<Timestamp, AuthnError> {
    Timestamp::from_second(seconds).map_err(|_| AuthnError::Certificate("its time is none"))
}

/// Who vouches for certificates, as [`Proven`] names it: the configured roots.
pub(super) const ISSUER: &str = "urn:toolward:certificates";
const SPIFFE: &str = "spiffe://";
/// Bytes (SPIFFE-ID section 2.3).
const MAX_SPIFFE_ID: usize = 2048;
const MAX_DOMAIN: usize = 255;
/// RFC 8705 section 3.1.
const THUMBPRINT: &str = "x5t#S256";

#[cfg(test)]
mod tests;
