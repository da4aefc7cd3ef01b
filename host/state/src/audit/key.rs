//! The key of the audit trail: it seals every record, and signs checkpoints that leave the host.
//!
//! One file of 32 random bytes beside the database, for its owner alone. Two keys are made of it, each under a
//! label of its own: one for HMAC-SHA256 (RFC 2104) over the hashes of the chain, one for Ed25519 (RFC 8032).
use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use aws_lc_rs::{
    hmac, rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use toolward_gate::{Digest, private_file};
use zeroize::Zeroizing;

use crate::{StateError, faults, sqlite};

/// The secret half. It is neither shown nor written anywhere but to its file.
pub(crate) struct AuditKey {
    file: PathBuf,
    seals: hmac::Key,
    signer: Ed25519KeyPair,
}

/// What checkpoints are verified with, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl AuditKey {
    /// The key of the database at `database`; made where there is none, if `fresh` says that there may be none.
    pub(crate) async fn beside(
        database: &Path,
        fresh: impl AsyncFnOnce() -> Result<bool, StateError>,
    ) -> Result<Self, StateError> {
        let path = path(database);
        // Asked before the file is looked for again: another host may make it, and write, in between.
        if !path.exists() && fresh().await? {
            make(&path).map_err(|error| failed(&path, &error))?;
        }
        Self::read(&path)
    }

    /// The key beside a database that is still to be made.
    pub(crate) fn made_beside(database: &Path) -> Result<Self, StateError> {
        let path = path(database);
        make(&path).map_err(|error| failed(&path, &error))?;
        Self::read(&path)
    }

    fn read(path: &Path) -> Result<Self, StateError> {
        sqlite::check_private(path)?;
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| failed(path, &error))?);
        let mut seed = Zeroizing::new([0; 32]);
        let digits = text.trim_end().strip_prefix(FORM).ok_or_else(|| not_a_key(path))?;
        hex::decode_to_slice(digits, seed.as_mut()).map_err(|_| not_a_key(path))?;
        Self::of(path, &seed).ok_or_else(|| not_a_key(path))
    }

    fn of(file: &Path, seed: &[u8; 32]) -> Option<Self> {
        let seed = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let part = |label: &[u8]| hmac::sign(&seed, label);
        let seals = hmac::Key::new(hmac::HMAC_SHA256, part(b"toolward-audit-seal-1").as_ref());
        let signer =
            Ed25519KeyPair::from_seed_unchecked(part(b"toolward-audit-sign-1").as_ref()).ok()?;
        Some(Self { file: file.to_owned(), seals, signer })
    }

    /// Copies the file to where the key of another database is; one that is there must be the same.
    pub(crate) fn copy_beside(&self, database: &Path) -> io::Result<()> {
        let (to, bytes) = (path(database), Zeroizing::new(fs::read(&self.file)?));
        put(&to, &bytes)?;
        if *Zeroizing::new(fs::read(&to)?) == *bytes {
            return Ok(());
        }
        Err(io::Error::other(format!("`{}` is the key of another trail", to.display())))
    }

    /// What shows that a link of this hash was written by somebody with the key.
    pub(crate) fn seal(&self, hash: Digest) -> String {
        hex::encode(hmac::sign(&self.seals, hash.as_bytes()))
    }

    /// Compares in constant time.
    pub(crate) fn is_seal(&self, hash: Digest, seal: &str) -> bool {
        hex::decode(seal)
            .is_ok_and(|seal| hmac::verify(&self.seals, hash.as_bytes(), &seal).is_ok())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        hex::encode(self.signer.sign(message))
    }

    pub(crate) fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.signer.public_key().as_ref());
        PublicKey(bytes)
    }
}

impl PublicKey {
    /// Whether the signature, in hexadecimal digits, is one of this message.
    pub(crate) fn signed(&self, message: &[u8], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|signature| {
            UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature).is_ok()
        })
    }
}

impl FromStr for PublicKey {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| "it is not a public key: write the 64 hexadecimal digits that `toolward audit key` prints")?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The file of the key of a database.
pub(crate) fn path(database: &Path) -> PathBuf {
    database.with_file_name("audit.key")
}

/// Makes a key where there is none. Of several who do so at once, one makes it and all use that one.
fn make(path: &Path) -> io::Result<()> {
    let mut seed = Zeroizing::new([0; 32]);
    rand::fill(seed.as_mut()).map_err(|_| io::Error::other("there are no random numbers"))?;
    let text = Zeroizing::new(format!("{FORM}{}\n", hex::encode(seed.as_ref())));
    put(path, text.as_bytes())
}

/// Puts a file there whole and for its owner alone, unless there is one.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    private_file::put_in_steps(path, bytes, faults::io).map(drop)
}

fn failed(path: &Path, error: &io::Error) -> StateError {
    if error.kind() == io::ErrorKind::NotFound {
        return StateError::KeyLost { path: path.to_owned() };
    }
    StateError::Key { path: path.to_owned(), cause: error.to_string() }
}

fn not_a_key(path: &Path) -> StateError {
    StateError::Key { path: path.to_owned(), cause: "it does not hold a key".to_owned() }
}

/// What the file begins with.
const FORM: &str = "toolward-audit-key-1:";
