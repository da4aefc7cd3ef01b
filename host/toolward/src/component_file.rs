//! Which file is read as a component? A regular one of a size that a component can have.
use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::Path,
};

/// The bytes of a component's file. Fails, without reading on, where there is more than a component can be, or where
/// the path leads to something without an end: a device, or a pipe that nobody writes to.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe waits for who writes.
    check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    check(&file.metadata()?)?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= BYTES) {
        Ok(bytes)
    } else {
        Err(too_large())
    }
}

fn check(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    if found.len() > BYTES { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> io::Error {
    let message = format!("it is larger than {} MiB", BYTES >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

/// Three times an interpreter with the program it reads.
const BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{BYTES, read};

    ///
    #[test]
    fn a_file_that_is_huge_or_endless_or_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good"), b"\0asm").unwrap();
        assert_eq!(read(&path("good")).unwrap(), b"\0asm");
        for (name, bytes, taken) in
            [("most", BYTES, true), ("huge", BYTES + 1, false), ("vast", 1 << 40, false)]
        {
            // Holes: nothing is written.
            File::create(path(name)).unwrap().set_len(bytes).unwrap();
            assert_eq!(read(&path(name)).is_ok(), taken, "{name}");
        }
        read(folder.path()).unwrap_err();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/dev/zero", path("link")).unwrap();
            assert!(read(&path("link")).unwrap_err().to_string().contains("no regular file"));
            std::os::unix::fs::symlink(path("good"), path("other")).unwrap();
            assert_eq!(read(&path("other")).unwrap(), b"\0asm");
        }
    }
}
