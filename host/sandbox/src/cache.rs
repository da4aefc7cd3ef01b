//! What was compiled at an earlier start, and is it still what was written?
//!
//! A file holds machine code that this process will run, so it is not believed: it carries an HMAC under a key that
//! only this host's user can read, over the code and over what the code was made of.
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use toolward_gate::Digest;

use crate::{code::Fingerprint, engine::SandboxError};

/// The folder of compiled components, and the key for them.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; KEY],
}

/// What code was made of.
pub(crate) struct Entry {
    made_of: String,
}

impl Entry {
    pub(crate) fn new(component: Digest, fingerprint: &Fingerprint) -> Self {
        Self { made_of: format!("toolward code 1\n{component}\n{fingerprint}\n") }
    }

    fn file(&self) -> String {
        format!("{}.code", hex::encode(Sha256::digest(&self.made_of)))
    }
}

impl Cache {
    /// Opens the cache in the data directory; makes folder and key when they are not there.
    pub(crate) fn open(data: &Path) -> Result<Self, SandboxError> {
        let folder = data.join("cache");
        private_folder(&folder).map_err(|error| {
            let folder = folder.display();
            SandboxError::Cache(format!("the folder `{folder}` cannot be made: {error}"))
        })?;
        let path = data.join("cache.key");
        let key = key(&path).map_err(|error| {
            SandboxError::Cache(format!(
                "the key file `{}`: {error}; remove it, and components are compiled anew",
                path.display()
            ))
        })?;
        Ok(Self { folder, key })
    }

    /// What was written for this entry, and nothing else. A file that is not it is told, and counts as none.
    pub(crate) fn read(&self, entry: &Entry) -> Option<Vec<u8>> {
        let path = self.folder.join(entry.file());
        let checked = read_at_most(&path, MAX_BYTES).and_then(|bytes| {
            self.checked(entry, bytes).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "it is not what this host wrote")
            })
        });
        checked
            .inspect_err(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    let path = path.display();
                    tracing::warn!(%path, %error, "a compiled component is refused, and compiled anew");
                }
            })
            .ok()
    }

    /// Keeps code. What fails is told: the next start compiles again.
    pub(crate) fn write(&self, entry: &Entry, code: &[u8]) {
        let path = self.folder.join(entry.file());
        if let Err(error) = self.replace(&path, entry, code) {
            let path = path.display();
            tracing::warn!(%path, %error, "a compiled component cannot be kept");
        }
    }

    /// A whole file or none: a reader never sees half of it.
    fn replace(&self, path: &Path, entry: &Entry, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(code)?;
        file.write_all(&self.mac(entry, code).finalize().into_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn checked(&self, entry: &Entry, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let (code, mac) = bytes.split_last_chunk::<MAC>()?;
        // In constant time.
        self.mac(entry, code).verify_slice(mac).ok()?;
        bytes.truncate(bytes.len().checked_sub(MAC)?);
        Some(bytes)
    }

    fn mac(&self, entry: &Entry, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new((&self.key).into());
        // A text ends where the code begins: the length is told first.
        mac.update(&u64::try_from(entry.made_of.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(entry.made_of.as_bytes());
        mac.update(code);
        mac
    }
}

fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The key in this file; a fresh one when there is none.
fn key(path: &Path) -> io::Result<[u8; KEY]> {
    match fs::read(path) {
        Ok(bytes) => {
            refuse_if_open(path)?;
            let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it holds no key");
            bytes.try_into().map_err(|_| wrong())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_key(path)?;
            key(path)
        }
        Err(error) => Err(error),
    }
}

/// Writes a key file, unless another host of this directory does so in the same moment.
fn make_key(path: &Path) -> io::Result<()> {
    let mut key = [0; KEY];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn refuse_if_open(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let open = "others than its owner may read or write it";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, open))
}

#[cfg(not(unix))]
fn refuse_if_open(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A block of SHA-256: the key is used as it is.
const KEY: usize = 64;
const MAC: usize = 32;
/// An interpreter of 20 MiB compiles to 40 MiB.
const MAX_BYTES: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use toolward_gate::Digest;

    use super::{Cache, Entry};
    use crate::{code::Fingerprint, engine};

    fn entry(component: &[u8]) -> Entry {
        let fingerprint = Fingerprint::of(&engine::compiler().unwrap());
        Entry::new(Digest::of(component), &fingerprint)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_was_written_is_read_by_the_next_start_and_by_nobody_else() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path()).unwrap();
        assert!(cache.read(&entry(b"one")).is_none());
        cache.write(&entry(b"one"), b"code");
        let again = Cache::open(data.path()).unwrap();
        assert_eq!(again.read(&entry(b"one")).unwrap(), b"code");
        assert!(again.read(&entry(b"two")).is_none());
        assert_eq!(mode(&data.path().join("cache")), 0o700);
        assert_eq!(mode(&data.path().join("cache.key")), 0o600);
        assert_eq!(mode(&data.path().join("cache").join(entry(b"one").file())), 0o600);
    }

    #[test]
    fn a_file_in_which_any_byte_changed_or_is_missing_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path()).unwrap();
        cache.write(&entry(b"one"), b"code");
        let path = data.path().join("cache").join(entry(b"one").file());
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache.read(&entry(b"one")).is_none(), "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(cache.read(&entry(b"one")).is_none(), "cut at {at}");
        }
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert!(cache.read(&entry(b"one")).is_none());
        fs::write(&path, &good).unwrap();
        assert_eq!(cache.read(&entry(b"one")).unwrap(), b"code");
    }

    #[test]
    fn a_file_of_another_component_or_another_host_is_refused() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::open(data.path()).unwrap();
        cache.write(&entry(b"one"), b"code");
        let file = |entry: &Entry| data.path().join("cache").join(entry.file());
        fs::copy(file(&entry(b"one")), file(&entry(b"two"))).unwrap();
        assert!(cache.read(&entry(b"two")).is_none());
        let foreign = Cache::open(other.path()).unwrap();
        let name = entry(b"one").file();
        fs::copy(file(&entry(b"one")), other.path().join("cache").join(name)).unwrap();
        assert!(foreign.read(&entry(b"one")).is_none());
        assert_eq!(cache.read(&entry(b"one")).unwrap(), b"code");
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_told() {
        let data = tempfile::tempdir().unwrap();
        drop(Cache::open(data.path()).unwrap());
        let key = data.path().join("cache.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let told = Cache::open(data.path()).err().unwrap().to_string();
        assert!(told.contains("others than its owner"), "{told}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        drop(Cache::open(data.path()).unwrap());
        fs::write(&key, b"short").unwrap();
        assert!(Cache::open(data.path()).is_err());
    }
}
