//! Tokens of the host itself: what they say, how long they live, and where there are none.
use tempfile::TempDir;

use super::*;
use crate::authn::{AuthnError, Shown, testing::authn};

fn place(environment: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toolward.toml");
    fs::write(&path, format!("environment = \"{environment}\"")).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let config = Config::load(&path).unwrap();
    (folder, config)
}

fn wanted() -> Wanted {
    Wanted {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: BTreeSet::from(["triage".to_owned()]),
        acts_for: vec!["orchestrator".to_owned(), "ana".to_owned()],
        scope: Some(BTreeSet::from(["github:issues:read".parse().unwrap()])),
        issued_at: crate::authn::now(),
        seconds: 600,
        audience: None,
    }
}

async fn refused(config: &Config, token: &str) -> String {
    authn(config).unwrap().identify(Some(Shown::bearer(token))).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_token_that_was_minted_is_taken_for_whom_it_says() {
    let (_folder, config) = place("development");
    let token = DevelopmentKey::open_or_make(&config).unwrap().mint(&wanted()).unwrap();
    let shown = Some(Shown::bearer(&token));
    let principal = authn(&config).unwrap().identify(shown).await.unwrap();
    assert_eq!((principal.id(), principal.kind()), ("agent-7", Kind::Agent));
    assert_eq!(principal.acts_for(), ["orchestrator", "ana"]);
    assert!(principal.roles().contains("triage"));
    assert!(principal.in_scope(&"github:issues:read".parse().unwrap()));
    assert!(!principal.in_scope(&"github:issues:write".parse().unwrap()));
    // The same key the next time, and another one on another host.
    DevelopmentKey::open_or_make(&config).unwrap();
    assert!(authn(&config).unwrap().identify(shown).await.is_ok());
    let (_other_folder, other) = place("development");
    refused(&other, &token).await;
    DevelopmentKey::open_or_make(&other).unwrap();
    refused(&other, &token).await;
}

#[tokio::test]
async fn a_token_lives_for_a_day_at_most() {
    let (_folder, config) = place("development");
    let key = DevelopmentKey::open_or_make(&config).unwrap();
    let long = Wanted { seconds: 7 * MAX_SECONDS, ..wanted() };
    let token = key.mint(&long).unwrap();
    let shown = Some(Shown::bearer(&token));
    let principal = authn(&config).unwrap().identify(shown).await.unwrap();
    assert_eq!(principal.ends_at().unwrap().as_second(), long.issued_at + MAX_SECONDS);
    let old = Wanted { issued_at: long.issued_at - 700, ..wanted() };
    refused(&config, &key.mint(&old).unwrap()).await;
}

#[test]
fn in_production_there_is_no_key_and_one_that_is_there_stops_the_start() {
    let (folder, config) = place("development");
    DevelopmentKey::open_or_make(&config).unwrap();
    let path = folder.path().join("toolward.toml");
    fs::write(&path, "environment = \"production\"").unwrap();
    let production = Config::load(&path).unwrap();
    assert!(matches!(
        authn(&production).err().unwrap(),
        AuthnError::Development(DevelopmentKeyError::Production)
    ));
    let (_folder, fresh) = place("production");
    assert!(authn(&fresh).is_ok());
    assert!(matches!(
        DevelopmentKey::open_or_make(&fresh).err().unwrap(),
        DevelopmentKeyError::Production
    ));
    assert!(!fresh.data.join("development-token.key").exists());
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, config) = place("development");
    DevelopmentKey::open_or_make(&config).unwrap();
    let path = config.data.join("development-token.key");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert!(authn(&config).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        authn(&config).err().unwrap(),
        AuthnError::Development(DevelopmentKeyError::Readable { mode: 0o640, .. })
    ));
}

#[test]
fn a_file_that_is_no_key_is_told_and_not_overwritten() {
    let (_folder, config) = place("development");
    let path = config.data.join("development-token.key");
    write_private(&path, b"something else").unwrap();
    for result in [DevelopmentKey::open(&config).err(), DevelopmentKey::open_or_make(&config).err()]
    {
        assert!(matches!(result.unwrap(), DevelopmentKeyError::NoKey { .. }));
    }
    assert_eq!(fs::read(&path).unwrap(), b"something else");
}
