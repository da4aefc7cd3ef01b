//! Tokens that this host signs for itself, to try things out. In `development` only.
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde::Serialize;
use serde_json::json;
use toolward_gate::{CapabilityName, Kind, private_file};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::config::{Config, Environment, IssuerConfig, KeysConfig};

/// `iss` of these tokens.
pub(super) const ISSUER: &str = "urn:toolward:development";
/// `aud` of these tokens, where they are for calls.
pub(super) const AUDIENCE: &str = "urn:toolward:host";
/// Seconds that one lives at most.
pub const MAX_SECONDS: i64 = 24 * 60 * 60;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentKeyError {
    #[error(
        "this host runs in `production`, where tokens come from an issuer whose key is not on this host; add `[issuer.\"https://…\"]`"
    )]
    Production,
    #[error("the key `{path}` cannot be read or written: {cause}", path = .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error(
        "others can read the key `{path}` (mode {mode:o}); remove it, and every token it signed ends", path = .path.display()
    )]
    Readable { path: PathBuf, mode: u32 },
    #[error("`{path}` is not a key that this host made; remove it for a new one", path = .path.display())]
    NoKey { path: PathBuf },
}

/// The key that signs them. It is beside the database, and only its owner reads it.
#[expect(missing_debug_implementations, reason = "a key is not printed")]
pub struct DevelopmentKey(EncodingKey);

/// What a token is to say.
#[derive(Debug)]
pub struct Wanted {
    pub id: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    /// For whom it acts, nearest first.
    pub acts_for: Vec<String>,
    pub scope: Option<BTreeSet<CapabilityName>>,
    pub issued_at: i64,
    pub seconds: i64,
    /// `aud`, where it is not for calls.
    pub audience: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<serde_json::Value>,
    kind: Kind,
    roles: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    iat: i64,
    exp: i64,
    jti: String,
}

impl DevelopmentKey {
    /// The key that is there.
    pub fn open(config: &Config) -> Result<Option<Self>, DevelopmentKeyError> {
        let path = path(config);
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(DevelopmentKeyError::File { path, cause }),
        };
        if config.environment == Environment::Production {
            return Err(DevelopmentKeyError::Production);
        }
        check_mode(&path, &found)?;
        let read = fs::read(&path).map(Zeroizing::new);
        let bytes =
            read.map_err(|cause| DevelopmentKeyError::File { path: path.clone(), cause })?;
        Self::of(&bytes).map(Some).ok_or(DevelopmentKeyError::NoKey { path })
    }

    /// The key that is there, or a new one.
    pub fn open_or_make(config: &Config) -> Result<Self, DevelopmentKeyError> {
        if config.environment == Environment::Production {
            return Err(DevelopmentKeyError::Production);
        }
        if let Some(key) = Self::open(config)? {
            return Ok(key);
        }
        let path = path(config);
        let failed = |cause| DevelopmentKeyError::File { path: path.clone(), cause };
        let no_key = || DevelopmentKeyError::NoKey { path: path.clone() };
        let made = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
        let bytes = made.map_err(|_| no_key())?;
        private_file::put(&path, bytes.as_ref()).map_err(failed)?;
        // Another host may have been first.
        Self::open(config)?.ok_or_else(no_key)
    }

    fn of(pkcs8: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        Some(Self(EncodingKey::from_ed_der(pkcs8)))
    }

    /// Signs a token. `None` where the key does not sign, which a key that was read does.
    pub fn mint(&self, wanted: &Wanted) -> Option<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        // The first that it acts for is the one who delegated to it; the last is the subject.
        let chain: Vec<&str> = std::iter::once(wanted.id.as_str())
            .chain(wanted.acts_for.iter().map(String::as_str))
            .collect();
        let (subject, actors) = chain.split_last()?;
        let act = nested(actors);
        let claims = Claims {
            iss: ISSUER,
            aud: wanted.audience.as_deref().unwrap_or(AUDIENCE),
            sub: subject,
            act,
            kind: wanted.kind,
            roles: &wanted.roles,
            scope: wanted.scope.as_ref().map(words),
            iat: wanted.issued_at,
            exp: wanted.issued_at.saturating_add(wanted.seconds.min(MAX_SECONDS)),
            jti: Uuid::new_v4().to_string(),
        };
        encode(&header, &claims, &self.0).ok()
    }

    /// The issuer whose only key this is.
    pub(super) fn issuer(&self, audience: &str) -> Option<IssuerConfig> {
        let key = Jwk::from_encoding_key(&self.0, Algorithm::EdDSA).ok()?;
        let text = json!({ "keys": [key] }).to_string();
        Some(IssuerConfig::usual(KeysConfig::Inline(text), vec![audience.to_owned()]))
    }
}

/// Who acts, as a claim (RFC 8693 section 4.1): the first of them speaks, for all that follow.
pub(super) fn nested(actors: &[&str]) -> Option<serde_json::Value> {
    actors.iter().rev().fold(None, |inner, sub| match inner {
        None => Some(json!({ "sub": sub })),
        Some(inner) => Some(json!({ "sub": sub, "act": inner })),
    })
}

/// A scope, as a claim (RFC 8693 section 4.2).
pub(super) fn words(scope: &BTreeSet<CapabilityName>) -> String {
    scope.iter().map(CapabilityName::as_str).collect::<Vec<_>>().join(" ")
}

fn path(config: &Config) -> PathBuf {
    config.data.join("development-token.key")
}

#[cfg(unix)]
pub(super) fn check_mode(path: &Path, found: &fs::Metadata) -> Result<(), DevelopmentKeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(DevelopmentKeyError::Readable { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
pub(super) fn check_mode(_path: &Path, _found: &fs::Metadata) -> Result<(), DevelopmentKeyError> {
    Ok(())
}

/// Writes a new file that only its owner reads; never over another one.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = private_file::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
