//! What was compiled at an earlier start, and is it still what was written?
//!
//! A file holds machine code that this process will run, so it is not believed: it carries an HMAC under a key that
//! only this host's user can read, over the code and over what the code was made of.
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use toolward_gate::{Digest, private_file};

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
        let cache = Self { folder, key };
        cache.tidy(MOST_BYTES, UNUSED);
        Ok(cache)
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
            .inspect(|_| used(&path))
    }

    /// Keeps code. What fails is told: the next start compiles again.
    pub(crate) fn write(&self, entry: &Entry, code: &[u8]) {
        let path = self.folder.join(entry.file());
        if let Err(error) = self.replace(&path, entry, code) {
            let path = path.display();
            tracing::warn!(%path, %error, "a compiled component cannot be kept");
        }
        self.tidy(MOST_BYTES, UNUSED);
    }

    /// Removes what nobody used for long, and of the rest what was not used for longest, until no more than so many
    /// bytes are left. Whoever has a file open keeps it.
    fn tidy(&self, most_bytes: u64, unused: Duration) {
        let now = now();
        let mut kept_bytes = 0_u64;
        for Kept { path, bytes, used_at } in self.files() {
            // Where a clock was set back, nothing is old.
            let is_old = now.duration_since(used_at).is_ok_and(|age| age > unused);
            match kept_bytes.checked_add(bytes).filter(|sum| *sum <= most_bytes) {
                Some(sum) if !is_old => kept_bytes = sum,
                Some(_) | None => remove(&path),
            }
        }
    }

    /// What was used last comes first. A folder that cannot be read is told where it is used.
    fn files(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let kept = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let used_at = metadata.modified().ok()?;
            is_ours(name.to_str()?).then(|| Kept {
                path: entry.path(),
                bytes: metadata.len(),
                used_at,
            })
        };
        let mut files: Vec<Kept> = entries.filter_map(kept).collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.used_at));
        files
    }

    /// A whole file or none: a reader never sees half of it.
    fn replace(&self, path: &Path, entry: &Entry, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
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

/// A file of the cache.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used_at: SystemTime,
}

/// Only what this file writes is removed by it: code, and what a crash left of writing some.
fn is_ours(name: &str) -> bool {
    let is_code = name.strip_suffix(".code").is_some_and(|digest| {
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    is_code || name.starts_with(UNFINISHED)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let path = path.display();
            tracing::warn!(%path, %error, "an old compiled component cannot be removed");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Notes that a file was used; where that fails it counts as older than it is.
fn used(path: &Path) {
    let touched =
        fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now()));
    if let Err(error) = touched {
        let path = path.display();
        tracing::debug!(%path, %error, "the time of use cannot be noted");
    }
}

#[expect(clippy::disallowed_methods, reason = "the times of files are those of the system's clock")]
fn now() -> SystemTime {
    SystemTime::now()
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
            private_file::refuse_if_open(path)?;
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
    private_file::put(path, &key).map(drop)
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

/// A block of SHA-256: the key is used as it is.
const KEY: usize = 64;
const MAC: usize = 32;
/// An interpreter of 20 MiB compiles to 40 MiB.
const MAX_BYTES: u64 = 512 << 20;
/// Over all files.
const MOST_BYTES: u64 = 4 << 30;
/// How long a file is kept that nobody uses: a component that was removed, or an engine of an earlier version.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const UNFINISHED: &str = "unfinished-";

#[cfg(test)]
mod tests;
