//! Who is the client? A statement that it signs, in place of a secret that it shows (RFC 7523 sections 2.2 and 3).
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use zeroize::Zeroizing;

use super::super::AskError;

/// RFC 7521 section 4.2.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Says who asks this endpoint, once and for a minute. The key is RSA, P-256, P-384 or Ed25519, in PEM form.
pub(super) fn signed(
    key: &str,
    key_id: Option<&str>,
    client: &str,
    endpoint: &str,
    now: Timestamp,
) -> Result<Zeroizing<String>, AskError> {
    let iat = now.as_second();
    let claims = Claims {
        iss: client,
        sub: client,
        aud: endpoint,
        iat,
        exp: iat.saturating_add(SECONDS),
        jti: once()?,
    };
    let sign = |(key, algorithm): (EncodingKey, Algorithm)| {
        let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
        encode(&header, &claims, &key).ok().map(Zeroizing::new)
    };
    readings(key.as_bytes()).into_iter().find_map(sign).ok_or(NO_KEY)
}

/// What the key may be: only one kind reads it, and only one curve signs with it.
fn readings(pem: &[u8]) -> Vec<(EncodingKey, Algorithm)> {
    let rsa = EncodingKey::from_rsa_pem(pem).map(|key| vec![(key, Algorithm::RS256)]);
    let edwards = || EncodingKey::from_ed_pem(pem).map(|key| vec![(key, Algorithm::EdDSA)]);
    let curves = || {
        let read = || EncodingKey::from_ec_pem(pem);
        Ok::<_, jsonwebtoken::errors::Error>(vec![
            (read()?, Algorithm::ES256),
            (read()?, Algorithm::ES384),
        ])
    };
    rsa.or_else(|_| edwards()).or_else(|_| curves()).unwrap_or_default()
}

/// No server takes a statement twice.
fn once() -> Result<String, AskError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| AskError::Request("the machine has no randomness"))?;
    Ok(hex::encode(bytes))
}

const NO_KEY: AskError = AskError::Request(
    "the client's key is no RSA, P-256, P-384 or Ed25519 key in PEM form (PKCS #8, without a passphrase)",
);
/// From when it is signed to when no server takes it.
const SECONDS: i64 = 60;
