//! Whose static key is it?
//!
//! ```text
//! twk_ 16 digits of its id _ 64 digits of its secret, 8 of a checksum over all before
//! ```
use std::collections::BTreeSet;

use aws_lc_rs::{constant_time, rand};
use jiff::Timestamp;
use toolward_gate::{API_KEY_ISSUER, ApiKey, CapabilityName, Digest, Kind, Principal, Proven};
use zeroize::Zeroizing;

use super::{AuthnError, Records};

/// Who is to speak with a new key.
#[derive(Debug)]
pub struct KeyWanted {
    pub principal: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    pub scope: Option<BTreeSet<CapabilityName>>,
    /// Who makes it.
    pub by: String,
    pub now: Timestamp,
    pub ends_at: Timestamp,
}

/// A new key, and what is remembered of it. Its text is shown once, and kept nowhere.
#[expect(missing_debug_implementations, reason = "a key is not printed")]
pub struct IssuedKey {
    pub text: Zeroizing<String>,
    pub record: ApiKey,
}

impl IssuedKey {
    /// `None` where the machine has no random bytes.
    pub fn make(wanted: KeyWanted) -> Option<Self> {
        let (mut id, mut secret) = ([0_u8; 8], Zeroizing::new([0_u8; 32]));
        rand::fill(&mut id).ok()?;
        rand::fill(&mut *secret).ok()?;
        let (id, secret) = (hex::encode(id), Zeroizing::new(hex::encode(*secret)));
        let body = Zeroizing::new(format!("{PREFIX}{id}_{}", *secret));
        let KeyWanted { principal, kind, roles, scope, by, now, ends_at } = wanted;
        let record = ApiKey {
            id,
            hash: Some(Digest::of(secret.as_bytes())),
            principal,
            kind,
            roles,
            scope,
            by,
            created_at: now,
            ends_at,
            revoked_at: None,
        };
        Some(Self { text: Zeroizing::new(format!("{}{}", *body, checksum(&body))), record })
    }
}

/// Whether a text is meant as a key. No token (RFC 7515 section 7.1) begins like one.
pub(super) fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Who speaks with a key. `now` is in seconds since 1970.
pub(super) async fn principal(
    text: &str,
    records: &dyn Records,
    now: i64,
) -> Result<Principal, AuthnError> {
    let read = read(text).ok_or(AuthnError::ApiKey("it is not whole"))?;
    let found = records.api_key(read.id).await?;
    let hash = found.as_ref().and_then(|key| key.hash);
    // One that nobody knows is compared, too: an answer takes the same time.
    let expected = hash.unwrap_or(Digest::ZERO);
    let shown = Digest::of(read.secret.as_bytes());
    let same = constant_time::verify_slices_are_equal(shown.as_bytes(), expected.as_bytes());
    let key = found.filter(|_| hash.is_some() && same.is_ok());
    let key = key.ok_or(AuthnError::ApiKey("it is not known"))?;
    if key.revoked_at.is_some() {
        return Err(AuthnError::Denied);
    }
    if key.ends_at.as_second() <= now {
        return Err(AuthnError::ApiKey("it has ended"));
    }
    let (issuer, id) = (API_KEY_ISSUER.to_owned(), key.id.clone());
    let proven = Proven { issuer, id, issued_at: key.created_at };
    Ok(Principal::proven(key.identity(), vec![proven]))
}

struct Read<'a> {
    id: &'a str,
    secret: &'a str,
}

/// The checksum tells a key that was cut short or mistyped before anybody is asked about it.
fn read(text: &str) -> Option<Read<'_>> {
    let (body, sum) = text.split_at_checked(BODY)?;
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let lower_hex = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let whole = id.len() == ID && secret.len() == SECRET && lower_hex(id) && lower_hex(secret);
    (whole && sum == checksum(body)).then_some(Read { id, secret })
}

fn checksum(body: &str) -> String {
    hex::encode(Digest::of(body.as_bytes()).as_bytes()).chars().take(CHECKSUM).collect()
}

/// So that those who look for secrets in public places know one.
const PREFIX: &str = "twk_";
/// Hexadecimal digits.
const ID: usize = 16;
const SECRET: usize = 64;
const CHECKSUM: usize = 8;
const BODY: usize = PREFIX.len() + ID + 1 + SECRET;

#[cfg(test)]
mod tests;
