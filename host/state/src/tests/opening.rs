//! Which files are opened, and what is said about those that are not.
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use toolward_gate::{AuditLog as _, Switch, SwitchFeed as _, SwitchTarget};

use super::support::{Place, call, fault, opened, records};
use crate::{State, StateError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn refused(place: &Place) -> StateError {
    State::open(&place.path(), place.clock.clone()).await.unwrap_err()
}

fn said(place: &Place, error: &StateError) -> String {
    error.to_string().replace(place.path().to_str().unwrap(), "DATA/state.db")
}

/// A database of another program, for its owner alone.
async fn foreign(place: &Place) {
    place.run("CREATE TABLE audit (what TEXT); INSERT INTO audit VALUES ('kept')").await.unwrap();
    set_mode(&place.path(), 0o600);
}

async fn written_by_a_newer_version(place: &Place) {
    place.open().await.shut().await;
    let migration = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
         VALUES (9999, 'later', '2030-01-01', TRUE, x'00', 0)";
    place.run(migration).await.unwrap();
}

#[tokio::test]
async fn every_file_that_is_not_opened_is_told_with_what_to_do() {
    let mut told = Vec::new();

    let newer = Place::new();
    written_by_a_newer_version(&newer).await;
    let error = refused(&newer).await;
    assert!(matches!(error, StateError::Newer { version: 9999, .. }));
    told.push(said(&newer, &error));

    let text = Place::new();
    fs::write(text.path(), "Dear diary, today I was not a database.\n".repeat(100)).unwrap();
    set_mode(&text.path(), 0o600);
    let error = refused(&text).await;
    assert!(matches!(error, StateError::NotOurs { .. }));
    told.push(said(&text, &error));

    let other = Place::new();
    foreign(&other).await;
    let error = refused(&other).await;
    assert!(matches!(error, StateError::NotOurs { .. }));
    told.push(said(&other, &error));

    let readable = Place::new();
    readable.open().await.shut().await;
    set_mode(&readable.path(), 0o644);
    let error = refused(&readable).await;
    assert!(matches!(error, StateError::Readable { mode: 0o644, .. }));
    told.push(said(&readable, &error));

    let linked = Place::new();
    fs::write(linked.folder.path().join("elsewhere.db"), "").unwrap();
    symlink(linked.folder.path().join("elsewhere.db"), linked.path()).unwrap();
    let error = refused(&linked).await;
    assert!(matches!(error, StateError::Link { .. }));
    told.push(said(&linked, &error));

    let nowhere = Place::new();
    let path = nowhere.folder.path().join("missing").join("state.db");
    let error = State::open(&path, nowhere.clock.clone()).await.unwrap_err();
    assert!(matches!(error, StateError::Open { .. }));
    told.push(error.to_string().replace(path.to_str().unwrap(), "DATA/missing/state.db"));

    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_link_that_points_nowhere_is_refused_and_nothing_is_made_there() {
    let place = Place::new();
    let target = place.folder.path().join("elsewhere.db");
    symlink(&target, place.path()).unwrap();
    assert!(matches!(refused(&place).await, StateError::Link { .. }));
    assert!(!target.exists());
    fs::remove_file(place.path()).unwrap();
    place.open().await;
}

#[tokio::test]
async fn a_database_that_others_can_read_or_write_is_opened_once_they_cannot() {
    let place = Place::new();
    place.open().await.shut().await;
    for wide in [0o640, 0o620, 0o604, 0o602, 0o601] {
        set_mode(&place.path(), wide);
        assert!(matches!(refused(&place).await, StateError::Readable { mode, .. } if mode == wide));
    }
    set_mode(&place.path(), 0o600);
    place.open().await;
}

#[tokio::test]
async fn a_file_that_is_not_ours_stays_as_it_was() {
    let place = Place::new();
    foreign(&place).await;
    refused(&place).await;
    let mut connection = place.connect().await;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master ORDER BY name")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, ["audit"]);
    let kept: String =
        sqlx::query_scalar("SELECT what FROM audit").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn everything_the_database_is_made_of_is_its_owners_alone() {
    let place = Place::new();
    let state = place.open().await;
    state.throw(switch(&place)).await.unwrap();
    let files: Vec<_> =
        fs::read_dir(place.folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 1, "the log of the database is there, too: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

fn switch(place: &Place) -> Switch {
    Switch {
        target: SwitchTarget::Everything,
        reason: "a test".to_owned(),
        by: "ana".to_owned(),
        since: place.now(),
        expires_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_open_a_new_file_at_once_all_open_it() {
    for _ in 0..20 {
        let place = Place::new();
        let hosts = (0..8).map(|_| {
            let (path, clock) = (place.path(), place.clock.clone());
            tokio::spawn(async move { State::open(&path, clock).await.map(drop) })
        });
        for host in hosts.collect::<Vec<_>>() {
            host.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_host_that_opens_a_new_file_waits_while_another_holds_it() {
    let place = Place::new();
    let mut holder = place.connect().await;
    set_mode(&place.path(), 0o600);
    let hold = "BEGIN; SELECT count(*) FROM sqlite_master";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    let path = place.path();
    let mut opening = Box::pin(State::open(&path, place.clock.clone()));
    let moment = Duration::from_millis(100);
    assert!(
        tokio::time::timeout(moment, &mut opening).await.is_err(),
        "it neither opens nor fails"
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(opening.await.is_ok());
}

#[tokio::test]
async fn a_backup_is_a_whole_database_that_is_its_owners_alone() {
    let place = Place::new();
    let state = place.open().await;
    state.throw(switch(&place)).await.unwrap();
    let to = place.folder.path().join("backups").join("monday.db");
    state.backup(&to).await.unwrap();
    assert_eq!(mode(&to), 0o600);
    let copy = State::open(&to, place.clock.clone()).await.unwrap();
    assert_eq!(copy.read().await.unwrap(), state.read().await.unwrap());
    assert_eq!(records(&copy).await, records(&state).await);
    assert_eq!(fault(&copy).await, None);
}

#[tokio::test]
async fn a_backup_does_not_replace_a_file() {
    let place = Place::new();
    let state = place.open().await;
    let to = place.folder.path().join("monday.db");
    fs::write(&to, "precious").unwrap();
    assert!(matches!(state.backup(&to).await, Err(StateError::Open { .. })));
    assert_eq!(fs::read_to_string(&to).unwrap(), "precious");
    state.backup(&place.folder.path().join("tuesday.db")).await.unwrap();
}

#[tokio::test]
async fn a_backup_that_failed_leaves_no_file() {
    let place = Place::new();
    let state = place.open().await;
    let (kept, failed) = (place.folder.path().join("1.db"), place.folder.path().join("2.db"));
    state.backup(&kept).await.unwrap();
    state.clone().shut().await;
    assert!(state.backup(&failed).await.is_err());
    assert!(kept.exists() && !failed.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_come_and_go_do_not_disturb_one_that_writes() {
    let place = Place::new();
    let state = place.open().await;
    let guests = (0..3).map(|_| {
        let (path, clock) = (place.path(), place.clock.clone());
        tokio::spawn(async move {
            for _ in 0..5 {
                State::open(&path, clock.clone()).await.unwrap().shut().await;
            }
        })
    });
    let guests: Vec<_> = guests.collect();
    for _ in 0..20 {
        state.throw(switch(&place)).await.unwrap();
    }
    for guest in guests {
        guest.await.unwrap();
    }
    assert_eq!(records(&state).await.len(), 20);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn an_entry_that_a_copy_holds_open_belongs_to_no_host_that_lives_beside_it() {
    let place = Place::new();
    let state = place.open().await;
    state.append(&opened(&call("robo"))).await.unwrap();
    let to = place.folder.path().join("copy.db");
    state.backup(&to).await.unwrap();
    let copy = State::open(&to, place.clock.clone()).await.unwrap();
    assert_eq!(copy.close_interrupted().await.unwrap(), 1);
    let other = place.open().await;
    assert_eq!(other.close_interrupted().await.unwrap(), 0, "the original is still running");
}
