//! Which credential came back? Told by a fingerprint, which tells nobody what the credential is.
use std::{fmt, fs, io, path::Path};

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use toolward_gate::private_file;
use zeroize::Zeroizing;

use crate::Secret;

/// The key of this host's fingerprints: whoever has no key cannot try values out.
pub struct FingerprintKey(Zeroizing<[u8; KEY]>);

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}

/// An HMAC of a credential's value: `hmac-sha256:` and its first 32 hexadecimal digits. The same value has the
/// same fingerprint for as long as the host keeps its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FingerprintKey {
    /// The key in a file that only its owner can read; a fresh one where there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        loop {
            match fs::read(path).map(Zeroizing::new) {
                Ok(bytes) => {
                    private_file::refuse_if_open(path)?;
                    let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "it holds no key");
                    return bytes
                        .as_slice()
                        .try_into()
                        .map(|key| Self(Zeroizing::new(key)))
                        .map_err(wrong);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// A key that is gone with the process.
    pub fn passing() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(key.as_mut_slice()).map_err(io::Error::other)?;
        Ok(Self(key))
    }

    /// Of a value as it stands in its store; and, where it is `user:password`, of the password, which is a
    /// credential by itself.
    pub fn fingerprints(&self, secret: &Secret) -> Vec<Fingerprint> {
        let value = secret.expose();
        let password = value.split_once(':').map(|(_, password)| password);
        [Some(value), password].into_iter().flatten().map(|one| self.of(one.as_bytes())).collect()
    }

    pub(crate) fn of(&self, value: &[u8]) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        mac.update(PURPOSE);
        mac.update(value);
        let digits: String =
            hex::encode(mac.finalize().into_bytes()).chars().take(DIGITS).collect();
        Fingerprint(format!("hmac-sha256:{digits}"))
    }
}

/// Writes a key file. Another host of this directory may do so in the same moment: then its key is the one.
fn make(path: &Path) -> io::Result<()> {
    let FingerprintKey(key) = FingerprintKey::passing()?;
    private_file::put(path, key.as_slice()).map(drop)
}

/// A block of SHA-256: the key is used as it is.
const KEY: usize = 64;
/// Half of the HMAC: enough to tell values apart.
const DIGITS: usize = 32;
/// No other HMAC of this project begins like it.
const PURPOSE: &[u8] = b"toolward fingerprint 1\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str) -> Secret {
        Secret::new(value)
    }

    #[test]
    fn a_pair_has_a_fingerprint_of_its_password_too() {
        let key = FingerprintKey::passing().unwrap();
        let pair = key.fingerprints(&secret("ana:ghp_Zx81+kQ/7mW=0pLr5vTn"));
        assert_eq!(pair.len(), 2);
        assert_eq!(pair[1..], key.fingerprints(&secret("ghp_Zx81+kQ/7mW=0pLr5vTn")));
    }

    #[test]
    fn a_fingerprint_stays_with_its_key_and_tells_values_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        let before = FingerprintKey::open(&path).unwrap();
        let after = FingerprintKey::open(&path).unwrap();
        let (one, two) = (secret("ghp_Zx81+kQ/7mW=0pLr5vTn"), secret("ghp_Zx81+kQ/7mW=0pLr5vTm"));
        assert_eq!(before.fingerprints(&one), after.fingerprints(&one));
        assert_ne!(before.fingerprints(&one), before.fingerprints(&two));
        let other = FingerprintKey::open(&folder.path().join("other.key")).unwrap();
        assert_ne!(before.fingerprints(&one), other.fingerprints(&one), "another host's");
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["fingerprint.key", "other.key"], "no draft is left");
    }

    #[test]
    fn a_fingerprint_is_no_plain_hash_and_no_piece_of_the_value() {
        use sha2::Digest as _;
        let value = "ghp_Zx81+kQ/7mW=0pLr5vTn";
        let text = FingerprintKey::passing().unwrap().fingerprints(&secret(value))[0].to_string();
        let hash = hex::encode(Sha256::digest(value));
        let digits = text.strip_prefix("hmac-sha256:").unwrap();
        assert!(digits.len() == DIGITS && !hash.starts_with(digits), "{text}");
        assert!(!text.contains("ghp") && !text.contains("7mW"), "{text}");
    }

    #[test]
    fn two_hosts_that_start_at_once_agree_on_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        let text = |_| {
            let path = path.clone();
            let open = move || {
                FingerprintKey::open(&path).unwrap().fingerprints(&secret("x"))[0].to_string()
            };
            std::thread::spawn(open)
        };
        let threads: Vec<_> = (0..8).map(text).collect();
        let mut texts: Vec<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
        texts.dedup();
        assert_eq!(texts.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        FingerprintKey::open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(
            FingerprintKey::open(&path).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        FingerprintKey::open(&path).unwrap();
        fs::write(&path, b"short").unwrap();
        assert_eq!(FingerprintKey::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
