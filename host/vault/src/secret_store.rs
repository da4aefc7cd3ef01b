//! Where secrets are kept: one file for each kind of store.
mod env;
mod file;
mod watched;

pub use env::EnvConfig;
pub use file::{FileConfig, Unlock};
pub(crate) use watched::watched;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;

use crate::{Secret, SecretName, WeakSecret};

/// Why a secret cannot be had or kept. It never repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretStoreError {
    #[error("there is no secret `{name}` in {place}; {hint}")]
    Missing { name: SecretName, place: String, hint: String },
    #[error(transparent)]
    Weak(#[from] WeakSecret),
    #[error("the secret file `{path}` can be read by others (mode {mode:03o}); run `chmod 600 {path}`", path = .path.display())]
    Readable { path: PathBuf, mode: u32 },
    #[error("the secret file `{}` is a symbolic link or no regular file; name the file itself", .0.display())]
    NotAFile(PathBuf),
    #[error("the secret file `{}` is not an age file; restore it from a backup, or move it away and set the secrets anew", .0.display())]
    NotAge(PathBuf),
    #[error("the passphrase does not open the secret file `{}`; try again, or check which file is configured", .0.display())]
    WrongPassphrase(PathBuf),
    #[error("the key in {key} does not open the secret file `{path}`; it was written with another key", path = .path.display())]
    WrongKey { path: PathBuf, key: String },
    #[error("the secret file `{}` was opened, but holds something else than secrets", .0.display())]
    Damaged(PathBuf),
    #[error("the key file `{}` does not hold one age identity (`AGE-SECRET-KEY-1…`)", .0.display())]
    NotAKey(PathBuf),
    #[error(
        "no passphrase was given ({0}); set `TOOLWARD_PASSPHRASE_FILE` to a file that holds it, or run on a terminal"
    )]
    NoPassphrase(String),
    #[error("the keyring of this machine cannot be used: {0}")]
    Keyring(String),
    #[error("{0} is read-only; set the variable where the host is started")]
    ReadOnly(String),
    #[error("`{path}` cannot be read or written: {cause}", path = .path.display())]
    Io { path: PathBuf, cause: String },
}

/// Keeps secrets.
#[async_trait]
pub trait SecretStore: Send + Sync {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError>;
    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError>;
    /// Keeps a value under a name, in place of an earlier one. A weak value is refused.
    async fn write(&self, name: &SecretName, value: Secret) -> Result<(), SecretStoreError>;
    /// `false` when there was none.
    async fn remove(&self, name: &SecretName) -> Result<bool, SecretStoreError>;
}

/// Asks for a passphrase: at a prompt, or wherever the operator put it.
pub trait PassphraseSource: Send + Sync {
    fn ask(&self, prompt: &str) -> Result<Secret, SecretStoreError>;
}

/// Has none: for a host whose stores are opened without one.
#[derive(Clone, Copy, Debug)]
pub struct NoPassphrase;

impl PassphraseSource for NoPassphrase {
    fn ask(&self, prompt: &str) -> Result<Secret, SecretStoreError> {
        Err(SecretStoreError::NoPassphrase(prompt.to_owned()))
    }
}

/// Every kind of store, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretStoreConfig {
    File(FileConfig),
    Env(EnvConfig),
}

impl SecretStoreConfig {
    /// Makes the store ready, without opening it. Paths are relative to `base`.
    ///
    /// Fails when a file is there and others can read it.
    pub fn open(
        &self,
        base: &Path,
        passphrases: Arc<dyn PassphraseSource>,
    ) -> Result<Arc<dyn SecretStore>, SecretStoreError> {
        match self {
            Self::File(config) => config.open(base, passphrases),
            Self::Env(config) => Ok(config.open()),
        }
    }
}

#[cfg(test)]
mod tests;
