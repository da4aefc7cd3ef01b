//! Secrets in one file, encrypted with age (https://age-encryption.org/v1).
//!
//! A passphrase, a key file or the keyring of the operating system opens it. Every write makes a whole new file
//! and moves it into place, so that a crash leaves the old one.
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use age::{Decryptor, Encryptor, scrypt, x25519};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{PassphraseSource, SecretStore, SecretStoreError};
use crate::{Secret, SecretName};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    pub path: PathBuf,
    pub unlock: Unlock,
}

/// What opens the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlock {
    Passphrase,
    /// A file with one age identity. It is made with the first secret, for its owner alone.
    KeyFile(PathBuf),
    /// An age identity in the keyring of the operating system. It is made with the first secret.
    Keyring,
}

impl FileConfig {
    pub(super) fn open(
        &self,
        base: &Path,
        passphrases: Arc<dyn PassphraseSource>,
    ) -> Result<Arc<dyn SecretStore>, SecretStoreError> {
        let path = base.join(&self.path);
        let unlock = match &self.unlock {
            Unlock::KeyFile(key) => Unlock::KeyFile(base.join(key)),
            other @ (Unlock::Passphrase | Unlock::Keyring) => other.clone(),
        };
        check_file(&path)?;
        if let Unlock::KeyFile(key) = &unlock {
            check_file(key)?;
        }
        let store = FileStore { path, unlock, passphrases, opened: Mutex::default() };
        Ok(Arc::new(store))
    }
}

struct FileStore {
    path: PathBuf,
    unlock: Unlock,
    passphrases: Arc<dyn PassphraseSource>,
    opened: Mutex<Opened>,
}

/// What is kept in memory, so that each request does not derive the key anew.
#[derive(Default)]
struct Opened {
    key: Option<Arc<Key>>,
    /// The secrets, and the file as it was when they were read.
    secrets: Option<(Stamp, Secrets)>,
}

/// Tells whether a file is still the one that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    length: u64,
}

type Secrets = BTreeMap<SecretName, Secret>;

enum Key {
    Passphrase(Secret),
    Identity { identity: x25519::Identity, place: String },
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u8,
    secrets: BTreeMap<SecretName, Zeroizing<String>>,
}

#[async_trait]
impl SecretStore for FileStore {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError> {
        let mut opened = self.opened.lock().await;
        let secrets = self.secrets(&mut opened)?;
        secrets.get(name).map(Secret::another).ok_or_else(|| SecretStoreError::Missing {
            name: name.clone(),
            place: format!("`{}`", self.path.display()),
            hint: format!("run `toolward secret set {name}`"),
        })
    }

    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError> {
        let mut opened = self.opened.lock().await;
        Ok(self.secrets(&mut opened)?.keys().cloned().collect())
    }

    async fn write(&self, name: &SecretName, value: Secret) -> Result<(), SecretStoreError> {
        value.check_kept()?;
        self.change(|secrets| drop(secrets.insert(name.clone(), value))).await
    }

    async fn remove(&self, name: &SecretName) -> Result<bool, SecretStoreError> {
        let mut there = false;
        self.change(|secrets| there = secrets.remove(name).is_some()).await?;
        Ok(there)
    }
}

impl FileStore {
    async fn change(
        &self,
        change: impl FnOnce(&mut Secrets) + Send,
    ) -> Result<(), SecretStoreError> {
        let mut opened = self.opened.lock().await;
        let lock = self.lock()?;
        // Another process may have written since: what is changed is the file as it is now.
        opened.secrets = None;
        let mut secrets: Secrets = self
            .secrets(&mut opened)?
            .iter()
            .map(|(name, value)| (name.clone(), value.another()))
            .collect();
        change(&mut secrets);
        let key = self.key(&mut opened, true)?;
        let file = seal(&key, &secrets).map_err(|error| self.io(&error))?;
        replace(&self.path, &file).map_err(|error| self.io(&error))?;
        opened.secrets = Some((self.stamp()?, secrets));
        drop(lock);
        Ok(())
    }

    /// Writers wait for each other.
    fn lock(&self) -> Result<fs::File, SecretStoreError> {
        let path = self.path.with_extension("lock");
        let lock = || {
            let file = private().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error: io::Error| SecretStoreError::Io {
            path: path.clone(),
            cause: error.to_string(),
        })
    }

    fn secrets<'a>(&self, opened: &'a mut Opened) -> Result<&'a Secrets, SecretStoreError> {
        check_file(&self.path)?;
        let stamp = self.stamp()?;
        if opened.secrets.as_ref().is_none_or(|(read, _)| *read != stamp) {
            opened.secrets = Some((stamp, self.unseal(opened)?));
        }
        opened
            .secrets
            .as_ref()
            .map(|(_, secrets)| secrets)
            .ok_or_else(|| SecretStoreError::Damaged(self.path.clone()))
    }

    fn unseal(&self, opened: &mut Opened) -> Result<Secrets, SecretStoreError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Secrets::new()),
            Err(error) => return Err(self.io(&error)),
        };
        let decryptor = Decryptor::new_buffered(bytes.as_slice())
            .map_err(|_| SecretStoreError::NotAge(self.path.clone()))?;
        let key = self.key(opened, false)?;
        let unsealed = unseal(&key, decryptor).map_err(|_| self.wrong(&key));
        if unsealed.is_err() {
            opened.key = None;
        }
        let damaged = || SecretStoreError::Damaged(self.path.clone());
        let content: Content = serde_json::from_slice(&unsealed?).map_err(|_| damaged())?;
        if content.version != VERSION {
            return Err(damaged());
        }
        Ok(content
            .secrets
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value.as_str())))
            .collect())
    }

    fn wrong(&self, key: &Key) -> SecretStoreError {
        match key {
            Key::Passphrase(_) => SecretStoreError::WrongPassphrase(self.path.clone()),
            Key::Identity { place, .. } => {
                SecretStoreError::WrongKey { path: self.path.clone(), key: place.clone() }
            }
        }
    }

    fn key(&self, opened: &mut Opened, make: bool) -> Result<Arc<Key>, SecretStoreError> {
        if let Some(key) = &opened.key {
            return Ok(key.clone());
        }
        let key = match &self.unlock {
            Unlock::Passphrase => Key::Passphrase(
                self.passphrases.ask(&format!("Passphrase of {}", self.path.display()))?,
            ),
            Unlock::KeyFile(path) => key_file(path, make)?,
            Unlock::Keyring => keyring(&self.path, make)?,
        };
        Ok(opened.key.insert(Arc::new(key)).clone())
    }

    fn stamp(&self) -> Result<Stamp, SecretStoreError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(Stamp { changed: found.modified().ok(), length: found.len() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Stamp { changed: None, length: 0 })
            }
            Err(error) => Err(self.io(&error)),
        }
    }

    fn io(&self, error: &io::Error) -> SecretStoreError {
        SecretStoreError::Io { path: self.path.clone(), cause: error.to_string() }
    }
}

fn seal(key: &Key, secrets: &Secrets) -> io::Result<Vec<u8>> {
    let secrets = secrets
        .iter()
        .map(|(name, value)| (name.clone(), Zeroizing::new(value.expose().to_owned())));
    let content = Zeroizing::new(serde_json::to_vec(&Content {
        version: VERSION,
        secrets: secrets.collect(),
    })?);
    let encryptor = match key {
        Key::Passphrase(passphrase) => {
            let mut recipient = scrypt::Recipient::new(passphrase.share());
            recipient.set_work_factor(WORK_FACTOR);
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        Key::Identity { identity, .. } => Encryptor::with_recipients(std::iter::once(
            &identity.to_public() as &dyn age::Recipient,
        )),
    };
    let mut sealed = Vec::new();
    let mut writer =
        encryptor.map_err(|error| io::Error::other(error.to_string()))?.wrap_output(&mut sealed)?;
    writer.write_all(&content)?;
    writer.finish()?;
    Ok(sealed)
}

fn unseal(key: &Key, decryptor: Decryptor<&[u8]>) -> Result<Zeroizing<Vec<u8>>, io::Error> {
    let reader = match key {
        Key::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(passphrase.share());
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        Key::Identity { identity, .. } => {
            decryptor.decrypt(std::iter::once(identity as &dyn age::Identity))
        }
    };
    let mut content = Zeroizing::new(Vec::new());
    reader.map_err(|error| io::Error::other(error.to_string()))?.read_to_end(&mut content)?;
    Ok(content)
}

fn key_file(path: &Path, make: bool) -> Result<Key, SecretStoreError> {
    let failed =
        |error: io::Error| SecretStoreError::Io { path: path.to_owned(), cause: error.to_string() };
    check_file(path)?;
    let place = format!("`{}`", path.display());
    if make && !path.exists() {
        let identity = x25519::Identity::generate();
        let text = Secret::new(secret_text(&identity));
        private()
            .create_new(true)
            .write(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "{}", text.expose()))
            .map_err(failed)?;
        return Ok(Key::Identity { identity, place });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let identity =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let identity = identity
        .and_then(|line| line.parse().ok())
        .ok_or_else(|| SecretStoreError::NotAKey(path.to_owned()))?;
    Ok(Key::Identity { identity, place })
}

fn keyring(path: &Path, make: bool) -> Result<Key, SecretStoreError> {
    let failed = |error: keyring_core::Error| SecretStoreError::Keyring(keyring_says(&error));
    let entry = keyring_entry(path).map_err(failed)?;
    let place = "the keyring".to_owned();
    match entry.get_password() {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let identity = text.parse().map_err(|_| {
                SecretStoreError::Keyring(
                    "it holds something else under this file's name".to_owned(),
                )
            })?;
            Ok(Key::Identity { identity, place })
        }
        Err(keyring_core::Error::NoEntry) if make => {
            let identity = x25519::Identity::generate();
            entry.set_password(Secret::new(secret_text(&identity)).expose()).map_err(failed)?;
            Ok(Key::Identity { identity, place })
        }
        Err(error) => Err(failed(error)),
    }
}

/// The kind of the failure; some kinds carry the bytes they failed on.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is open, and the other kinds carry bytes"
)]
fn keyring_says(error: &keyring_core::Error) -> String {
    match error {
        keyring_core::Error::NoEntry => "it holds no key for this file".to_owned(),
        keyring_core::Error::NoStorageAccess(_) => {
            "it is locked, or this session has none".to_owned()
        }
        keyring_core::Error::PlatformFailure(cause) => {
            format!("the operating system says: {cause}")
        }
        _ => "it refuses to hold or give this key".to_owned(),
    }
}

fn keyring_entry(path: &Path) -> keyring_core::Result<keyring_core::Entry> {
    if keyring_core::get_default_store().is_none() {
        keyring_core::set_default_store(platform_keyring()?);
    }
    let path = fs::canonicalize(path.parent().unwrap_or(path))
        .unwrap_or_default()
        .join(path.file_name().unwrap_or_default());
    keyring_core::Entry::new("toolward", &path.to_string_lossy())
}

#[cfg(target_os = "linux")]
fn platform_keyring() -> keyring_core::Result<Arc<keyring_core::CredentialStore>> {
    Ok(linux_keyutils_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn platform_keyring() -> keyring_core::Result<Arc<keyring_core::CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(target_os = "windows")]
fn platform_keyring() -> keyring_core::Result<Arc<keyring_core::CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// age hands the text of a key out in its own secret type.
fn secret_text(identity: &x25519::Identity) -> String {
    use secrecy::ExposeSecret as _;
    identity.to_string().expose_secret().to_owned()
}

/// A file that is there is a regular one, for its owner alone.
fn check_file(path: &Path) -> Result<(), SecretStoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(SecretStoreError::NotAFile(path.to_owned())),
        Ok(found) => check_mode(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SecretStoreError::Io { path: path.to_owned(), cause: error.to_string() }),
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, found: &fs::Metadata) -> Result<(), SecretStoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(SecretStoreError::Readable { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _found: &fs::Metadata) -> Result<(), SecretStoreError> {
    Ok(())
}

/// A new file for its owner alone.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = private().create(true).truncate(true).write(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

const VERSION: u8 = 1;
/// log2 of scrypt's work: about a quarter of a second.
const WORK_FACTOR: u8 = 17;
/// More would let a planted file keep the host busy.
const MAX_WORK_FACTOR: u8 = 20;
