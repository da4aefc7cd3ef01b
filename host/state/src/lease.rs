//! Which host is alive: each holds the lock of a file of its own, and the system lets go of it when the
//! host is gone, however it went.
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use uuid::Uuid;

use crate::faults;

/// This host's sign of life.
#[derive(Debug)]
pub(crate) struct Lease {
    folder: PathBuf,
    id: Uuid,
    held: Mutex<Option<File>>,
}

impl Lease {
    /// The lease of a host with this database. The file is made when the first call is opened.
    pub(crate) fn beside(database: &Path) -> Self {
        let folder = database.with_extension("hosts");
        Self { folder, id: Uuid::new_v4(), held: Mutex::default() }
    }

    /// Takes the lock, unless it is held already; the id to write beside what this host opens.
    pub(crate) fn hold(&self) -> io::Result<String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            fs::create_dir_all(&self.folder)?;
            let file = File::create_new(self.path(&self.id.to_string()))?;
            faults::io("lease")?;
            file.lock()?;
            faults::io("lease-locked")?;
            *held = Some(file);
        }
        Ok(self.id.to_string())
    }

    /// Whether another host's lock can be had: then that host is gone.
    pub(crate) fn is_dead(&self, host: &str) -> io::Result<bool> {
        if host == self.id.to_string() {
            return Ok(false);
        }
        let file = match OpenOptions::new().read(true).write(true).open(self.path(host)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the file of a host that is gone.
    pub(crate) fn bury(&self, host: &str) -> io::Result<()> {
        fs::remove_file(self.path(host)).or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
        })
    }

    fn path(&self, host: &str) -> PathBuf {
        self.folder.join(format!("{host}.lock"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if held.is_none() {
            return;
        }
        // A file that stays behind unlocked is found dead by the next host, and removed there.
        if let Err(error) = self.bury(&self.id.to_string()) {
            tracing::debug!(%error, "the file of this host's lease stays behind");
        }
    }
}
