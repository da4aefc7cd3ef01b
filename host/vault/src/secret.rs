//! Bytes that only this crate can read.
use std::{collections::BTreeSet, fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::scan;

/// A secret value: wiped when it is dropped, never printed, compared or written out.
#[expect(missing_debug_implementations, reason = "a secret is not printed")]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A copy for a library that takes secrets in the same type.
    pub(crate) fn share(&self) -> SecretString {
        self.0.clone()
    }

    pub(crate) fn another(&self) -> Self {
        Self(self.0.clone())
    }

    /// Fails when the value cannot be kept: neither one line that can serve as a credential, nor certificates or
    /// a key in PEM form (RFC 7468), which no header holds.
    pub fn check_kept(&self) -> Result<(), WeakSecret> {
        if is_pem(self.expose()) { Ok(()) } else { self.check() }
    }

    /// Fails when the value cannot serve as a credential: a short or regular value could be guessed with
    /// the help of the response scan, and a line break could end a header.
    pub fn check(&self) -> Result<(), WeakSecret> {
        let value = self.expose();
        if value.bytes().any(|byte| byte.is_ascii_control()) || value.trim() != value {
            return Err(WeakSecret::Form);
        }
        if value.len() < MIN_BYTES || bits(value) < MIN_BITS || !scan::can_be_found(value) {
            return Err(WeakSecret::Short);
        }
        Ok(())
    }
}

/// Why a value is not taken as a secret. It never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    #[error(
        "the value has control characters or line breaks, or space at its ends; enter it again without them"
    )]
    Form,
    #[error(
        "the value is too short or too regular (under 64 bits); use at least 16 random characters"
    )]
    Short,
}

/// What a value can hold at most: each character as one of the different ones that occur.
fn bits(value: &str) -> u64 {
    let different = value.bytes().collect::<BTreeSet<_>>().len();
    let per_character =
        u64::from(usize::BITS.saturating_sub(different.saturating_sub(1).leading_zeros()));
    per_character.saturating_mul(u64::try_from(value.len()).unwrap_or(u64::MAX))
}

fn is_pem(value: &str) -> bool {
    let mut items = rustls_pki_types::pem::PemObject::pem_slice_iter(value.as_bytes());
    let first: Option<Result<Item, _>> = items.next();
    value.starts_with("-----BEGIN ")
        && first.is_some_and(|item| item.is_ok())
        && items.all(|item| item.is_ok())
}

/// Whatever stands in a PEM file.
type Item = (rustls_pki_types::pem::SectionKind, Vec<u8>);

const MIN_BITS: u64 = 64;
/// The response scan does not see less.
const MIN_BYTES: usize = scan::WINDOW;

/// What a secret is called in its store. Never its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a secret name: use 1 to 64 letters, digits, `_` or `-`")]
pub struct SecretNameError;

impl SecretName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;
    /// The text is not repeated in the error: people paste values where names belong.
    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(SecretNameError) }
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;
    fn try_from(text: String) -> Result<Self, SecretNameError> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_be_guessed_or_end_a_header_is_not_taken() {
        let check = |value: &str| Secret::new(value).check();
        assert_eq!(check("ghp_0123456789abcdef"), Ok(()));
        assert_eq!(check("password"), Err(WeakSecret::Short));
        assert_eq!(check("aB3-xY7_qW9+zK1"), Err(WeakSecret::Short));
        assert_eq!(check("aB3-xY7_qW9+zK1="), Ok(()));
        assert_eq!(check(&"a".repeat(200)), Err(WeakSecret::Short));
        for wrong in [
            "ghp_0123456789abcdef\n",
            " ghp_0123456789abcdef",
            "ghp_0123456789\r\nabcdef",
            "ghp_0123456789\0abcdef",
        ] {
            assert_eq!(check(wrong), Err(WeakSecret::Form), "{wrong:?}");
        }
    }
}
