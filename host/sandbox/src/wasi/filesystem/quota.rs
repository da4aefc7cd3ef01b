//! How much may the calls that are lent a directory put into it?
//!
//! What is in the directory is measured when the first of the calls that have it at once is about to change it. From
//! then on, everything that could make it larger is counted before it is done, and nothing that makes it smaller:
//! there is never more in it than was counted, whatever calls do at the same time. What they freed has room again once
//! none of them has the directory any more.
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{sync::OnceCell, task::spawn_blocking};
use toolward_gate::DirectoryQuota;
use wasmtime_wasi::p2::{FsError, bindings::filesystem::types::ErrorCode};

/// What a call may still put into its directory.
#[derive(Clone)]
pub(in crate::wasi) struct Room {
    ledger: Arc<Ledger>,
    quota: DirectoryQuota,
}

/// What is in a directory, or will be soon: one for all calls of this process that have it.
struct Ledger {
    path: PathBuf,
    measured: OnceCell<()>,
    used: Mutex<Used>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    /// Of all files, as they say of themselves: holes count.
    bytes: u64,
    /// Files, folders and links.
    entries: u64,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory has reached its quota")]
pub(super) struct Full;

impl From<Full> for FsError {
    fn from(Full: Full) -> Self {
        ErrorCode::Quota.into()
    }
}

impl Room {
    pub(super) fn of(path: &Path, quota: DirectoryQuota) -> io::Result<Self> {
        Ok(Self { ledger: Ledger::of(fs::canonicalize(path)?), quota })
    }

    /// Finds out what is there. Nothing is counted before.
    pub(super) async fn measured(&self) -> Result<(), FsError> {
        let measure = || async {
            let (path, quota) = (self.ledger.path.clone(), self.quota);
            let found = spawn_blocking(move || measure(&path, quota)).await;
            *locked(&self.ledger.used) = found.map_err(|_| ErrorCode::Io)??;
            Ok::<(), FsError>(())
        };
        self.ledger.measured.get_or_try_init(measure).await?;
        Ok(())
    }

    /// Counts one more file, folder or link.
    pub(super) fn add_entry(&self) -> Result<(), Full> {
        self.add(Used { bytes: 0, entries: 1 })
    }

    /// Counts what a file will have more, of which `covered` bytes are counted and which will have `end`.
    pub(super) fn extend(&self, covered: u64, end: u64) -> Result<(), Full> {
        self.add(Used { bytes: end.saturating_sub(covered), entries: 0 })
    }

    fn add(&self, more: Used) -> Result<(), Full> {
        let mut used = locked(&self.ledger.used);
        let sum = used.and(more).filter(|sum| more == Used::default() || sum.fits(self.quota));
        *used = sum.ok_or(Full)?;
        Ok(())
    }
}

impl Used {
    fn and(self, more: Self) -> Option<Self> {
        let bytes = self.bytes.checked_add(more.bytes)?;
        Some(Self { bytes, entries: self.entries.checked_add(more.entries)? })
    }

    fn fits(self, quota: DirectoryQuota) -> bool {
        self.bytes <= quota.bytes && self.entries <= quota.entries
    }
}

impl Ledger {
    /// The one of the calls that have this directory now, or a new one.
    fn of(path: PathBuf) -> Arc<Self> {
        static SHARED: Mutex<BTreeMap<PathBuf, Weak<Ledger>>> = Mutex::new(BTreeMap::new());
        let mut shared = locked(&SHARED);
        shared.retain(|_, ledger| ledger.strong_count() > 0);
        if let Some(ledger) = shared.get(&path).and_then(Weak::upgrade) {
            return ledger;
        }
        let ledger = Arc::new(Self {
            path: path.clone(),
            measured: OnceCell::new(),
            used: Mutex::new(Used::default()),
        });
        shared.insert(path, Arc::downgrade(&ledger));
        ledger
    }
}

/// What is there; where that is more than there may be, how much more is not looked for.
fn measure(path: &Path, quota: DirectoryQuota) -> io::Result<Used> {
    let (mut used, mut folders) = (Used::default(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let bytes = if metadata.is_file() { metadata.len() } else { 0 };
            let over = || io::Error::other("it cannot be counted");
            used = used.and(Used { bytes, entries: 1 }).ok_or_else(over)?;
            if !used.fits(quota) {
                return Ok(used);
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(used)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use toolward_gate::DirectoryQuota;

    use super::{Full, Room};

    const QUOTA: DirectoryQuota = DirectoryQuota { bytes: 10, entries: 3 };

    #[tokio::test]
    async fn what_is_there_and_what_is_added_by_all_calls_count_together() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/one"), "1234").unwrap();
        let one = Room::of(folder.path(), QUOTA).unwrap();
        let other = Room::of(&folder.path().join("inner/.."), QUOTA).unwrap();
        one.measured().await.unwrap();
        one.extend(4, 8).unwrap();
        other.measured().await.unwrap();
        assert_eq!(other.extend(0, 3), Err(Full));
        other.extend(0, 2).unwrap();
        one.extend(8, 8).unwrap();
        assert_eq!(one.extend(8, 9), Err(Full));
        other.add_entry().unwrap();
        assert_eq!(one.add_entry(), Err(Full));
    }

    #[tokio::test]
    async fn what_was_freed_has_room_once_nobody_has_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of(folder.path(), QUOTA).unwrap();
        room.measured().await.unwrap();
        room.extend(0, 10).unwrap();
        let second = Room::of(folder.path(), QUOTA).unwrap();
        drop(room);
        assert_eq!(second.extend(0, 1), Err(Full));
        drop(second);
        let third = Room::of(folder.path(), QUOTA).unwrap();
        third.measured().await.unwrap();
        third.extend(0, 10).unwrap();
    }

    #[tokio::test]
    async fn a_directory_that_holds_too_much_already_takes_no_more_and_numbers_do_not_wrap() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("large"), [0; 11]).unwrap();
        let room = Room::of(folder.path(), QUOTA).unwrap();
        room.measured().await.unwrap();
        assert_eq!(room.add_entry(), Err(Full));
        assert_eq!(room.extend(0, u64::MAX), Err(Full));
        room.extend(11, 5).unwrap();
    }
}
