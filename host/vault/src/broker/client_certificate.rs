//! A certificate and its key, for servers that ask who connects.
use crate::Secret;

/// Who the host is to a server (RFC 8446 section 4.4.2).
#[expect(missing_debug_implementations, reason = "it holds a private key")]
pub struct ClientCertificate {
    /// In PEM form; the host's own certificate comes first.
    pub chain_pem: String,
    /// In PEM form.
    pub key_pem: Secret,
}
