use super::*;

/// Says the same passphrase to everybody.
struct Always(&'static str);

impl PassphraseSource for Always {
    fn ask(&self, _prompt: &str) -> Result<Secret, SecretStoreError> {
        Ok(Secret::new(self.0))
    }
}

const VALUE: &str = "ghp_0123456789abcdefghij";

fn store(
    base: &Path,
    unlock: Unlock,
    passphrase: &'static str,
) -> Result<Arc<dyn SecretStore>, SecretStoreError> {
    SecretStoreConfig::File(FileConfig { path: "secrets.age".into(), unlock })
        .open(base, Arc::new(Always(passphrase)))
}

fn keyed(base: &Path) -> Arc<dyn SecretStore> {
    store(base, Unlock::KeyFile("secrets.key".into()), "").unwrap()
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

/// The error's text, with the folder of the test taken out.
fn said<T>(base: &Path, result: Result<T, SecretStoreError>) -> String {
    result.err().unwrap().to_string().replace(&base.display().to_string(), "")
}

#[tokio::test]
async fn a_secret_is_kept_listed_replaced_and_removed() {
    let base = tempfile::tempdir().unwrap();
    let store = keyed(base.path());
    assert!(store.list().await.unwrap().is_empty());
    store.write(&name("github"), Secret::new(VALUE)).await.unwrap();
    store.write(&name("stripe"), Secret::new("sk_test_0123456789abcdef")).await.unwrap();
    let another = keyed(base.path());
    assert_eq!(another.read(&name("github")).await.unwrap().expose(), VALUE);
    assert_eq!(another.list().await.unwrap(), [name("github"), name("stripe")]);
    another.write(&name("github"), Secret::new("ghp_another_0123456789ab")).await.unwrap();
    assert_eq!(store.read(&name("github")).await.unwrap().expose(), "ghp_another_0123456789ab");
    assert!(store.remove(&name("stripe")).await.unwrap());
    assert!(!store.remove(&name("stripe")).await.unwrap());
    assert!(another.read(&name("stripe")).await.is_err());
}

#[tokio::test]
async fn what_is_on_the_disk_holds_no_value_and_is_for_its_owner_alone() {
    let base = tempfile::tempdir().unwrap();
    keyed(base.path()).write(&name("github"), Secret::new(VALUE)).await.unwrap();
    for entry in std::fs::read_dir(base.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(8).any(|window| window == &VALUE.as_bytes()[..8]),
            "{}",
            path.display()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn a_passphrase_opens_the_file_and_another_does_not() {
    let base = tempfile::tempdir().unwrap();
    let right = store(base.path(), Unlock::Passphrase, "correct horse battery").unwrap();
    right.write(&name("github"), Secret::new(VALUE)).await.unwrap();
    let again = store(base.path(), Unlock::Passphrase, "correct horse battery").unwrap();
    assert_eq!(again.read(&name("github")).await.unwrap().expose(), VALUE);
    let wrong = store(base.path(), Unlock::Passphrase, "wrong").unwrap();
    assert!(matches!(wrong.read(&name("github")).await, Err(SecretStoreError::WrongPassphrase(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn every_file_that_cannot_be_used_is_told_apart() {
    use std::os::unix::fs::PermissionsExt as _;
    let base = tempfile::tempdir().unwrap();
    let (file, key) = (base.path().join("secrets.age"), base.path().join("secrets.key"));
    let mut all = Vec::new();
    keyed(base.path()).write(&name("github"), Secret::new(VALUE)).await.unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };

    mode(&file, 0o644);
    all.push(said(base.path(), store(base.path(), Unlock::KeyFile("secrets.key".into()), "")));
    mode(&file, 0o600);
    mode(&key, 0o640);
    all.push(said(base.path(), store(base.path(), Unlock::KeyFile("secrets.key".into()), "")));
    mode(&key, 0o600);
    all.push(said(base.path(), keyed(base.path()).read(&name("gitlab")).await));
    all.push(said(
        base.path(),
        keyed(base.path()).write(&name("gitlab"), Secret::new("hunter2")).await,
    ));
    let other = tempfile::tempdir().unwrap();
    keyed(other.path()).write(&name("github"), Secret::new(VALUE)).await.unwrap();
    std::fs::copy(other.path().join("secrets.key"), &key).unwrap();
    all.push(said(base.path(), keyed(base.path()).read(&name("github")).await));
    std::fs::write(&key, "nonsense").unwrap();
    all.push(said(base.path(), keyed(base.path()).read(&name("github")).await));
    let locked = store(base.path(), Unlock::Passphrase, "wrong").unwrap();
    all.push(said(base.path(), locked.read(&name("github")).await));
    std::fs::write(&file, "not encrypted").unwrap();
    all.push(said(base.path(), keyed(base.path()).read(&name("github")).await));
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    all.push(said(base.path(), store(base.path(), Unlock::KeyFile("secrets.key".into()), "")));
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn the_environment_is_read_and_not_written() {
    // Cargo sets these for every test.
    let store = SecretStoreConfig::Env(EnvConfig { prefix: "CARGO_".to_owned() })
        .open(Path::new("."), Arc::new(Always("")))
        .unwrap();
    assert_eq!(
        store.read(&name("pkg-description")).await.err().map(|error| error.to_string()),
        None
    );
    let missing = store.read(&name("no-such-thing")).await.err().unwrap().to_string();
    assert!(missing.contains("CARGO_NO_SUCH_THING"), "{missing}");
    assert!(store.list().await.unwrap().contains(&name("pkg_name")));
    assert!(matches!(
        store.write(&name("a"), Secret::new(VALUE)).await,
        Err(SecretStoreError::ReadOnly(_))
    ));
    assert!(matches!(store.remove(&name("a")).await, Err(SecretStoreError::ReadOnly(_))));
}
