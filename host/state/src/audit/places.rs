//! Where checkpoints go: second places, which the one who changes the database cannot change as well.
use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use toolward_gate::{Unavailable, private_file};

use super::checkpoint::Checkpoint;
use crate::faults;

/// One place. What was put there is there when the call returns.
#[async_trait]
pub trait CheckpointPlace: Send + Sync {
    /// What an operator knows it by.
    fn name(&self) -> String;
    async fn put(&self, checkpoint: &Checkpoint) -> Result<(), Unavailable>;
    /// Every line that was put there; `None` where this host cannot read it back.
    async fn lines(&self) -> Result<Option<Vec<String>>, Unavailable>;
}

/// A file that lines are added to, for its owner alone; best on another disk or another machine's.
#[derive(Clone, Debug)]
pub struct FilePlace(PathBuf);

impl FilePlace {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

#[async_trait]
impl CheckpointPlace for FilePlace {
    fn name(&self) -> String {
        format!("the file `{}`", self.0.display())
    }

    async fn put(&self, checkpoint: &Checkpoint) -> Result<(), Unavailable> {
        faults::at("checkpoint")?;
        let (path, line) = (self.0.clone(), checkpoint.line());
        blocking(move || add(&path, &line)).await?;
        faults::at("checkpointed")
    }

    async fn lines(&self) -> Result<Option<Vec<String>>, Unavailable> {
        let path = self.0.clone();
        let read = move || match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        };
        let text = blocking(read).await?;
        Ok(Some(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()))
    }
}

/// Adds a line that begins on a line of its own, whatever a crash has left before it.
fn add(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let is_new = !path.exists();
    let mut file = options.open(path)?;
    let mut text = format!("{line}\n");
    if !ends_a_line(&mut file)? {
        text.insert(0, '\n');
    }
    // One write, so that the lines of two hosts do not mix.
    file.write_all(text.as_bytes())?;
    faults::io("checkpoint-written")?;
    file.sync_all()?;
    if is_new { private_file::sync_folder(path) } else { Ok(()) }
}

fn ends_a_line(file: &mut fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Unavailable> {
    let failed = |error: &dyn std::fmt::Display| Unavailable::new("the checkpoints", error);
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
