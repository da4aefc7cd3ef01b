use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use toolward_gate::Digest;

use super::{Cache, Entry, now};
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

/// A cache with three files that were used so many hours ago, and their names.
fn used_hours_ago(data: &Path, hours: [u64; 3]) -> (Cache, [String; 3]) {
    let cache = Cache::open(data).unwrap();
    let entries = [entry(b"one"), entry(b"two"), entry(b"three")];
    for (entry, hours) in entries.iter().zip(hours) {
        cache.write(entry, &[0; 968]);
        aged(&data.join("cache").join(entry.file()), hours);
    }
    (cache, entries.map(|entry| entry.file()))
}

fn aged(path: &Path, hours: u64) {
    let age = HOUR.saturating_mul(u32::try_from(hours).unwrap());
    let used_at = now().checked_sub(age).unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(used_at).unwrap();
}

fn left(data: &Path, names: &[String; 3]) -> [bool; 3] {
    names.each_ref().map(|name| data.join("cache").join(name).exists())
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn what_nobody_used_for_long_is_removed() {
    let data = tempfile::tempdir().unwrap();
    let (cache, names) = used_hours_ago(data.path(), [1, 5, 3]);
    cache.tidy(u64::MAX, 6 * HOUR);
    assert_eq!(left(data.path(), &names), [true, true, true]);
    cache.tidy(u64::MAX, 4 * HOUR);
    assert_eq!(left(data.path(), &names), [true, false, true]);
}

#[test]
fn what_was_not_used_for_longest_is_removed_until_the_rest_has_room() {
    let data = tempfile::tempdir().unwrap();
    // A thousand bytes each, with their MAC.
    let (cache, names) = used_hours_ago(data.path(), [5, 1, 3]);
    cache.tidy(3000, 9 * HOUR);
    assert_eq!(left(data.path(), &names), [true, true, true]);
    cache.tidy(2999, 9 * HOUR);
    assert_eq!(left(data.path(), &names), [false, true, true]);
    cache.tidy(1000, 9 * HOUR);
    assert_eq!(left(data.path(), &names), [false, true, false]);
}

#[test]
fn what_is_read_counts_as_used() {
    let data = tempfile::tempdir().unwrap();
    let (cache, names) = used_hours_ago(data.path(), [5, 5, 5]);
    cache.read(&entry(b"two")).unwrap();
    cache.tidy(u64::MAX, 4 * HOUR);
    assert_eq!(left(data.path(), &names), [false, true, false]);
}

#[test]
fn the_next_start_removes_what_is_old_and_what_a_crash_left_and_nothing_of_others() {
    let data = tempfile::tempdir().unwrap();
    let (_, names) = used_hours_ago(data.path(), [800, 1, 800]);
    let strange = ["notes.txt", "mine.code", "unfinished-abc"].map(str::to_owned);
    for name in &strange {
        let path = data.path().join("cache").join(name);
        fs::write(&path, "x").unwrap();
        aged(&path, 800);
    }
    Cache::open(data.path()).unwrap();
    assert_eq!(left(data.path(), &names), [false, true, false]);
    assert_eq!(left(data.path(), &strange), [true, true, false]);
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
