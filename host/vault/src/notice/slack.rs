//! Did Slack send this, just now?
//!
//! It signs what it sends with an HMAC (RFC 2104) with SHA-256 over `VERSION:SECONDS:BODY`
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::Secret;

/// Why a signature is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("it has no timestamp, or one that is more than five minutes away")]
    Time,
    #[error("its signature is not the one that this host computes")]
    Signature,
}

/// Whether `signature`, as in `v0=HEX`, was made with this key over these bytes, as they came, at a time that is
/// within five minutes of `now`.
pub fn verify(
    key: &Secret,
    (version, timestamp, signature): (&str, &str, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let at = timestamp.parse::<i64>().ok().filter(|_| digits);
    let at = at.and_then(|at| Timestamp::from_second(at).ok()).ok_or(SignatureError::Time)?;
    if at.duration_since(now).abs() > WINDOW {
        return Err(SignatureError::Time);
    }
    let hex_digits = signature.strip_prefix(version).and_then(|rest| rest.strip_prefix('='));
    let claimed = hex_digits.and_then(|digits| hex::decode(digits).ok());
    let claimed = claimed.ok_or(SignatureError::Signature)?;
    // In constant time.
    let expected = mac(key, version, timestamp, body);
    expected.verify_slice(&claimed).map_err(|_| SignatureError::Signature)
}

fn mac(key: &Secret, version: &str, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length (RFC 2104 section 3): the empty one is never asked for.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in [version.as_bytes(), b":", seconds.as_bytes(), b":", body] {
        mac.update(part);
    }
    mac
}

const WINDOW: SignedDuration = SignedDuration::from_mins(5);
