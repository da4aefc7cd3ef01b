//! Why is a caller not known?
use toolward_gate::Unavailable;

use super::DevelopmentKeyError;

/// It says nothing of a token but what its sender may know. Doors say less: one answer for every fault.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    #[error(
        "nobody is named as the caller: add `[caller]` to the configuration, or set `TOOLWARD_TOKEN_FILE` to a file with a token"
    )]
    Nobody,
    #[error(
        "`[caller]` is for development; in `production`, set `TOOLWARD_TOKEN_FILE` to a file with a token"
    )]
    CallerInProduction,
    #[error(transparent)]
    Development(#[from] DevelopmentKeyError),
    #[error("the token is not one that a configured issuer signed for this host: {0}")]
    Token(&'static str),
    #[error("the token, key or certificate was revoked; ask for a new one")]
    Denied,
    #[error("API keys are not taken here; `api_keys = true` under `[authentication]` takes them")]
    NoApiKeys,
    #[error("the API key is not one of this host: {0}")]
    ApiKey(&'static str),
    #[error(
        "client certificates are not taken here; `[authentication.certificates]` says whose are"
    )]
    NoCertificates,
    #[error("the client certificate names nobody who is known here: {0}")]
    Certificate(&'static str),
    #[error(
        "the roots of client certificates cannot be read from `{place}`: {cause}; it must hold certificates in PEM"
    )]
    Roots { place: String, cause: String },
    #[error(
        "the key that signs exchanged tokens, `{place}`, cannot be used: {cause}; `openssl genpkey -algorithm ed25519` makes one"
    )]
    ExchangeKey { place: String, cause: String },
    #[error(
        "the keys of the issuer `{issuer}` cannot be read from {place}: {cause}; it must be a JSON Web Key Set (RFC 7517 section 5)"
    )]
    Keys { issuer: String, place: String, cause: String },
    /// What was revoked cannot be read: nobody is let in.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AuthnError {
    /// Whether it is for the caller to mend: `401`. The others are this host's: `503`.
    pub fn is_of_caller(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }
}
