//! What things are called, and the digest a component is known by.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "`{0}` is not a capability name: write `service:resource:action`, in lower case letters, digits and `-`"
    )]
    Capability(String),
    #[error("`{0}` is not a tool name: use 1 to 64 letters, digits, `_` or `-`")]
    Tool(String),
    #[error("`{0}` is not a component name: use 1 to 64 letters, digits, `_` or `-`")]
    Component(String),
    #[error("`{0}` is not a credential name: use 1 to 64 letters, digits, `_` or `-`")]
    Credential(String),
    #[error("`{0}` is not a provider: write the first part of a capability's name, as in `github`")]
    Provider(String),
    #[error("`{0}` is not a digest: write `sha256:` and 64 hexadecimal digits")]
    Digest(String),
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $fits:path, $error:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                if $fits(text) { Ok(Self(text.to_owned())) } else { Err($error(text.to_owned())) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The unit of authority, `service:resource:action` as in `github:issues:write`. Never a wildcard.
    CapabilityName, fits_capability, NameError::Capability
);

name!(
    /// One callable function, unique in a host. 1 to 64 of `[A-Za-z0-9_-]`, which every model API accepts.
    ToolName, fits_plain, NameError::Tool
);
name!(
    /// What the operator calls a component in the configuration.
    ComponentName, fits_plain, NameError::Component
);
name!(
    /// What the operator calls a credential. Never its value.
    CredentialName, fits_plain, NameError::Credential
);

name!(
    /// The service that capabilities are of: the first part of their names.
    ProviderName, fits_part, NameError::Provider
);

impl CapabilityName {
    /// The service that it is of: the first part, as in `github` of `github:issues:write`.
    pub fn provider(&self) -> ProviderName {
        ProviderName(self.0.split(':').next().unwrap_or_default().to_owned())
    }
}

fn fits_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn fits_capability(text: &str) -> bool {
    text.len() <= 128 && text.split(':').count() == 3 && text.split(':').all(fits_part)
}

fn fits_part(part: &str) -> bool {
    (1..=128).contains(&part.len())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest that stands before the first record of a chain.
    pub const ZERO: Self = Self([0; 32]);

    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts, each with its length in front (8 bytes, big endian), so that no two
    /// lists of parts share an input.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(self.0).chars().take(12).collect()
    }
}

impl FromStr for Digest {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::Digest(text.to_owned());
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_named_by_service_resource_and_action() {
        let longest = format!("a:b:{}", "c".repeat(124));
        for right in ["github:issues:write", "s3:eu-central-1:read", "7:-:x2", &longest] {
            assert_eq!(right.parse::<CapabilityName>().unwrap().to_string(), right);
        }
        let longer = format!("{longest}c");
        for wrong in [
            "",
            "github",
            "github:issues",
            "github:issues:",
            "github::write",
            ":issues:write",
            "github:issues:write:all",
            "github:*:write",
            "GitHub:issues:write",
            "github:issues_all:write",
            "github:issues:write ",
            "github:b\u{fc}cher:read",
            &longer,
        ] {
            let error = wrong.parse::<CapabilityName>().unwrap_err();
            assert_eq!(error, NameError::Capability(wrong.to_owned()));
        }
    }

    #[test]
    fn a_provider_is_the_first_part_of_what_it_provides() {
        let of = |name: &str| name.parse::<CapabilityName>().unwrap().provider();
        assert_eq!(of("s3-eu2:objects:read"), "s3-eu2".parse().unwrap());
        assert_ne!(of("s3:objects:read"), of("objects:s3:read"));
        let (longest, longer) = ("a".repeat(128), "a".repeat(129));
        assert!(longest.parse::<ProviderName>().is_ok());
        for wrong in ["", "GitHub", "a:b", "a_b", "*", &longer] {
            assert!(wrong.parse::<ProviderName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_digest_is_shown_whole_or_by_its_first_digits() {
        const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(b"abc");
        assert_eq!(digest.short(), "ba7816bf8f01");
        assert_eq!((digest.to_string(), format!("{digest:?}")), (ABC.to_owned(), ABC.to_owned()));
        assert_eq!(ABC.parse::<Digest>(), Ok(digest));
        let (_, digits) = ABC.split_once(':').unwrap();
        for wrong in [digits, "sha256:", "sha256:ba7816bf8f01", &ABC.replace("256:", "512:")] {
            assert_eq!(wrong.parse::<Digest>(), Err(NameError::Digest(wrong.to_owned())));
        }
    }
}
