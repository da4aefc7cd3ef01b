//! How does a file that is its owner's alone come to be there, whole or not at all?
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Puts it there with all of these bytes, on the disk before it has its name. Says whether it did: where there is one
/// already, that one stays, so that of several hosts that start at once all find the same.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    put_in_steps(path, bytes, |_| Ok(()))
}

/// The same, for those who test what a failure leaves behind: `step` is asked before each, by its name.
pub fn put_in_steps(
    path: &Path,
    bytes: &[u8],
    step: impl Fn(&'static str) -> io::Result<()>,
) -> io::Result<bool> {
    let unfinished = path.with_extension(format!("{}.new", uuid::Uuid::new_v4()));
    let written = create(&unfinished).and_then(|mut file| {
        step("file")?;
        file.write_all(bytes)?;
        step("file-written")?;
        file.sync_all()?;
        step("file-synced")?;
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        }
    });
    step("file-linked")?;
    let removed = fs::remove_file(&unfinished);
    let is_new = written?;
    removed?;
    sync_folder(path)?;
    Ok(is_new)
}

/// A new file that is its owner's alone; never one that is there, nor where a link points.
pub fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file that was made in a folder is there after a power failure once the folder is on the disk, too.
pub fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

/// Fails where others than its owner may read or write it.
#[cfg(unix)]
pub fn refuse_if_open(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let open = "others than its owner may read or write it";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, open))
}

/// Only Unix says who may read a file in a way that is looked at here.
#[cfg(not(unix))]
pub fn refuse_if_open(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_its_owners_alone_and_the_first_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        assert!(put(&path, b"one").unwrap());
        assert!(!put(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["a.key"]);
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn nothing_is_written_where_a_link_points() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        assert!(!put(&link, b"one").unwrap());
        assert!(create(&link).is_err() && !target.exists());
    }

    #[test]
    fn of_many_at_once_one_is_first_and_all_find_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let write = |number: u8| {
            let path = path.clone();
            std::thread::spawn(move || put(&path, &[number; 32]).unwrap())
        };
        let threads: Vec<_> = (0..8).map(write).collect();
        let first = threads.into_iter().map(|one| one.join().unwrap());
        assert_eq!(first.filter(|is_first| *is_first).count(), 1);
        let found = fs::read(&path).unwrap();
        assert!(found.len() == 32 && found.iter().all(|byte| *byte == found[0]));
        assert_eq!(names(folder.path()), ["a.key"]);
    }

    #[test]
    fn a_step_that_fails_leaves_no_file_of_that_name_that_is_not_whole() {
        for failing in ["file", "file-written", "file-synced", "file-linked"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.key");
            let step = |step| {
                if step == failing { Err(io::Error::other("the disk")) } else { Ok(()) }
            };
            assert!(put_in_steps(&path, b"one", step).is_err(), "{failing}");
            assert_eq!(path.exists(), failing == "file-linked", "{failing}");
            put(&path, b"one").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"one", "{failing}");
        }
    }

    #[test]
    fn a_file_that_cannot_have_its_name_is_not_taken_for_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("a.{}", "k".repeat(300)));
        let error = put(&path, b"one").unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn the_folder_that_goes_to_the_disk_is_the_one_that_the_file_is_in() {
        let folder = tempfile::tempdir().unwrap();
        sync_folder(&folder.path().join("a.key")).unwrap();
        sync_folder(Path::new("a.key")).expect("the folder where the host runs");
        let gone = sync_folder(&folder.path().join("gone").join("a.key")).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        put(&path, b"one").unwrap();
        refuse_if_open(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = refuse_if_open(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
        }
    }
}
