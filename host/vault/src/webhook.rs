//! How does a webhook know that this host speaks?
//!
//! By the signature of Standard Webhooks (<https://www.standardwebhooks.com>, "Signature scheme"): `webhook-id`,
//! `webhook-timestamp` in seconds, and `webhook-signature`, which is `v1,` and the Base64 of an HMAC with SHA-256 over
//! `ID.TIMESTAMP.BODY`.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Secret;

/// Why a message cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    #[error("what follows `whsec_` is not Base64")]
    Encoding,
    #[error("it has no length that HMAC takes")]
    Length,
    #[error("a header cannot hold the id")]
    Id,
}

/// The header fields of one JSON text. Who hears the same `id` twice has heard it once. The key is any text, or
/// `whsec_` and Base64.
pub(crate) fn signed(
    key: &Secret,
    id: &str,
    at: Timestamp,
    json: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, UnfitKey> {
    let at = at.as_second().to_string();
    let signature = signature(&key_bytes(key.expose())?, id, &at, json)?;
    let text = |value: &str| HeaderValue::from_str(value).map_err(|_| UnfitKey::Id);
    Ok(vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("webhook-id"), text(id)?),
        (HeaderName::from_static("webhook-timestamp"), text(&at)?),
        (HeaderName::from_static("webhook-signature"), text(&signature)?),
    ])
}

fn signature(key: &[u8], id: &str, at: &str, body: &str) -> Result<String, UnfitKey> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| UnfitKey::Length)?;
    for part in [id, ".", at, ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn key_bytes(key: &str) -> Result<Zeroizing<Vec<u8>>, UnfitKey> {
    let Some(coded) = key.strip_prefix("whsec_") else {
        return Ok(Zeroizing::new(key.as_bytes().to_vec()));
    };
    STANDARD.decode(coded).map(Zeroizing::new).map_err(|_| UnfitKey::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the documentation of Standard Webhooks: secret, id, time, body and what must come out.
    #[test]
    fn a_signature_is_the_one_of_the_published_example() {
        let key = key_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(key_bytes("whsec_*"), Err(UnfitKey::Encoding));
        assert_eq!(key_bytes("plain").unwrap().as_slice(), b"plain");
    }
}
