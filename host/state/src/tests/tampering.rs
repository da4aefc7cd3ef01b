//! What somebody does to the trail who has its files: every class is found, each at many places.
//!
//! Cases I-01 to I-06 and I-16 of the catalogue of attacks.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "small numbers and ASCII; what was injected and found is printed"
)]
use std::{fmt::Write as _, fs};

use sqlx::{Connection as _, Row as _};
use toolward_gate::{AuditLog as _, Change, Digest, Link};

use super::support::{Place, call, closed, opened};
use crate::{
    CheckpointPlace as _, Evidence, FilePlace, PublicKey, State, Verified,
    audit::{Checkpoint, CheckpointKind, key::AuditKey},
};

/// A trail of sixty, with checkpoints for 20, 40 and 60, and a copy of the database at 40.
struct Trail {
    place: Place,
    checkpoints: Vec<String>,
}

impl Trail {
    async fn of_sixty() -> Self {
        let place = Place::new();
        let state = place.open().await;
        let file = FilePlace::new(place.folder.path().join("checkpoints.jsonl"));
        for _ in 0..3 {
            for _ in 0..8 {
                let call = call("robo");
                state.append(&opened(&call)).await.unwrap();
                state.close(closed(&call, 1)).await.unwrap();
            }
            for number in 0..4 {
                state.record_change(change(&format!("tool-{number}"))).await.unwrap();
            }
            let last = state.last_link().await.unwrap();
            let point =
                Checkpoint::of(CheckpointKind::Running, last.as_ref(), place.now(), &state.key);
            file.put(&point).await.unwrap();
            if point.sequence == 40 {
                state.backup(&place.folder.path().join("older.db")).await.unwrap();
            }
        }
        let checkpoints = file.lines().await.unwrap().unwrap();
        state.shut().await;
        Self { place, checkpoints }
    }

    /// A copy for one who tampers.
    fn copied(&self) -> Copied {
        let place = Place::new();
        for file in ["state.db", "audit.key"] {
            fs::copy(self.place.folder.path().join(file), place.folder.path().join(file)).unwrap();
        }
        Copied { place, checkpoints: self.checkpoints.clone(), key: None }
    }
}

struct Copied {
    place: Place,
    checkpoints: Vec<String>,
    key: Option<PublicKey>,
}

impl Copied {
    async fn run(&self, statements: &str) {
        let mut connection = self.place.connect().await;
        let statements = format!(
            "DROP TRIGGER IF EXISTS audit_is_not_changed; DROP TRIGGER IF EXISTS audit_is_not_cut; {statements}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn verified(self) -> Verified {
        let state = self.place.open().await;
        let evidence = Evidence { checkpoints: self.checkpoints, key: self.key };
        state.verify_with(&evidence, &mut |_, _| ()).await.unwrap()
    }

    /// Changes a record, and computes every hash from there on anew, as one can who has not the key.
    async fn rehash_from(&self, place: u64, with_seals: Option<&AuditKey>) {
        let mut connection = self.place.connect().await;
        let rows = sqlx::query("SELECT * FROM audit ORDER BY sequence")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let mut links: Vec<Link> =
            rows.iter().map(|row| super::super::audit::link(row).unwrap()).collect();
        let mut statements = String::new();
        let mut previous = None;
        for (row, link) in rows.iter().zip(&mut links) {
            if link.sequence >= place {
                if link.sequence == place {
                    link.record = link.record.replacen('{', "{\"aa\":0,", 1);
                }
                link.previous = previous.unwrap_or(Digest::ZERO);
                link.hash = link.expected_hash();
                let seal = with_seals.map_or_else(|| row.get("seal"), |key| key.seal(link.hash));
                write!(
                    statements,
                    "UPDATE audit SET record = '{}', previous = '{}', hash = '{}', seal = '{seal}' WHERE sequence = {};",
                    link.record, link.previous, link.hash, link.sequence
                )
                .unwrap();
            }
            previous = Some(link.hash);
        }
        connection.close().await.unwrap();
        self.run(&statements).await;
    }
}

fn change(subject: &str) -> Change {
    let (by, action) = ("ana".to_owned(), "tool-add".to_owned());
    Change { by, action, subject: subject.to_owned(), reason: String::new() }
}

/// What was done, and how often it was found.
struct Count(&'static str, usize, usize);

#[tokio::test]
async fn every_class_of_tampering_is_found_wherever_it_is_done() {
    let trail = Trail::of_sixty().await;
    let untouched = trail.copied().verified().await;
    assert!(untouched.holds(), "{untouched:?}");
    assert_eq!((untouched.anchored, untouched.last, untouched.checkpoints), (60, 60, 3));
    let mut counts = in_place(&trail).await;
    counts.extend(rewritten(&trail).await);
    counts.extend(cut(&trail).await);
    counts.extend(forged(&trail).await);
    println!("{:<64} {:>8} {:>8}", "tampering", "injected", "found");
    for Count(class, injected, found) in &counts {
        println!("{class:<64} {injected:>8} {found:>8}");
        assert_eq!(injected, found, "{class}");
    }
    println!("{} classes", counts.len());
}

/// One statement each, at every fourth place or so.
async fn in_place(trail: &Trail) -> Vec<Count> {
    type Tamper = fn(u64) -> String;
    let classes: [(&'static str, Tamper); 12] = [
        ("I-01 a record is edited", |at| {
            format!(
                "UPDATE audit SET record = replace(replace(record, 'robo', 'rita'), '\"ana\"', '\"ben\"') || CASE WHEN kind = 'closed' THEN ' ' ELSE '' END WHERE sequence = {at}"
            )
        }),
        ("I-01 a record is edited, as long as before", |at| {
            format!(
                "UPDATE audit SET record = replace(record, 'record', 'recorb') WHERE sequence = {at}"
            )
        }),
        ("I-01 a time is changed", |at| {
            format!("UPDATE audit SET at = '2026-01-05T10:00:01Z' WHERE sequence = {at}")
        }),
        ("I-01 a record is deleted in the middle", |at| {
            format!("DELETE FROM audit WHERE sequence = {at}")
        }),
        ("I-01 a record is deleted, and those after it move up", |at| {
            format!(
                "DELETE FROM audit WHERE sequence = {at}; UPDATE audit SET sequence = -sequence WHERE sequence > {at}; UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0"
            )
        }),
        ("I-01 a copy of a record is inserted", |at| {
            format!(
                "UPDATE audit SET sequence = -sequence WHERE sequence > {at}; UPDATE audit SET sequence = 1 - sequence WHERE sequence < 0; \
                INSERT INTO audit SELECT {at} + 1, at, kind, call, host, record, previous, hash, seal FROM audit WHERE sequence = {at}"
            )
        }),
        ("I-01 two records are swapped", |at| {
            format!(
                "UPDATE audit SET sequence = 0 WHERE sequence = {at}; UPDATE audit SET sequence = {at} WHERE sequence = {at} + 1; UPDATE audit SET sequence = {at} + 1 WHERE sequence = 0"
            )
        }),
        ("I-01 a record is filed under another kind", |at| {
            format!("UPDATE audit SET kind = 'admitted' WHERE sequence = {at}")
        }),
        ("I-01 a record is filed under another call", |at| {
            format!(
                "UPDATE audit SET call = '00000000-0000-0000-0000-000000000000' WHERE sequence = {at}"
            )
        }),
        ("I-01 a record is filed under another host", |at| {
            format!("UPDATE audit SET host = 'elsewhere' WHERE sequence = {at}")
        }),
        ("I-06 a record is stripped of its seal", |at| {
            format!("UPDATE audit SET seal = NULL WHERE sequence = {at}")
        }),
        ("I-06 a record bears the seal of another one", |at| {
            format!(
                "UPDATE audit SET seal = (SELECT seal FROM audit WHERE sequence = {at} + 1) WHERE sequence = {at}"
            )
        }),
    ];
    let mut counts = Vec::new();
    for (class, tamper) in classes {
        let (mut injected, mut found) = (0, 0);
        for at in (1..60).step_by(6) {
            let copy = trail.copied();
            copy.run(&tamper(at)).await;
            let verified = copy.verified().await;
            injected += 1;
            // The first bad place is named: the record itself, or the one that misses it.
            let named = verified
                .fault
                .as_ref()
                .is_some_and(|fault| (at..=at + 1).contains(&fault.sequence));
            assert!(named || verified.fault.is_none(), "{class} at {at}: {verified:?}");
            found += usize::from(named);
        }
        counts.push(Count(class, injected, found));
    }
    counts
}

/// By somebody who knows how hashes are made, or even has the key.
async fn rewritten(trail: &Trail) -> Vec<Count> {
    let key = AuditKey::beside(&trail.place.path(), async || Ok(false)).await.unwrap();
    let mut counts = Vec::new();
    for (class, with_key, from) in [
        ("I-04 every hash is computed anew, without the key", false, [1, 2, 19, 37, 55]),
        (
            "I-05 the end is written anew, as long as before, with the key",
            true,
            [41, 44, 49, 55, 59],
        ),
        ("I-04 everything is written anew, with the key", true, [1, 5, 9, 20, 21]),
    ] {
        let mut found = 0;
        for place in from {
            let copy = trail.copied();
            copy.rehash_from(place, with_key.then_some(&key)).await;
            found += usize::from(!copy.verified().await.holds());
        }
        counts.push(Count(class, from.len(), found));
    }
    counts
}

async fn cut(trail: &Trail) -> Vec<Count> {
    let mut counts = Vec::new();
    let (mut found, mut named) = (0, 0);
    for kept in (0..60).step_by(5) {
        let copy = trail.copied();
        copy.run(&format!("DELETE FROM audit WHERE sequence > {kept}")).await;
        let verified = copy.verified().await;
        found += usize::from(!verified.holds());
        named += usize::from(verified.fault.is_some_and(|fault| fault.sequence == kept + 1));
    }
    assert_eq!(named, 12, "the first missing record is named");
    counts.push(Count("I-02 the end is cut off", 12, found));

    let copy = trail.copied();
    fs::remove_file(copy.place.path()).unwrap();
    let gone = usize::from(!copy.verified().await.holds());
    counts.push(Count("I-03 the whole database is removed", 1, gone));

    let own = trail.place.open().await;
    let mut copy = trail.copied();
    copy.key = Some(own.public_key());
    own.shut().await;
    fs::remove_file(copy.place.path()).unwrap();
    fs::remove_file(copy.place.folder.path().join("audit.key")).unwrap();
    let replaced = usize::from(!copy.verified().await.holds());
    counts.push(Count("I-03 database and key are replaced", 1, replaced));

    let copy = trail.copied();
    fs::copy(trail.place.folder.path().join("older.db"), copy.place.path()).unwrap();
    let rolled_back = copy.verified().await;
    assert_eq!((rolled_back.last, rolled_back.anchored), (40, 40));
    counts.push(Count("an older copy is put in place", 1, usize::from(!rolled_back.holds())));

    let copy = trail.copied();
    fs::copy(trail.place.folder.path().join("older.db"), copy.place.path()).unwrap();
    let state = copy.place.open().await;
    for number in 0..30 {
        state.record_change(change(&format!("later-{number}"))).await.unwrap();
    }
    state.shut().await;
    let went_on = usize::from(!copy.verified().await.holds());
    counts.push(Count("an older copy is put in place, and more is written", 1, went_on));
    counts
}

async fn forged(trail: &Trail) -> Vec<Count> {
    let mut counts = Vec::new();
    let line = trail.checkpoints[1].clone();
    let other = Place::new();
    let other = other.open().await;
    let last = other.last_link().await.unwrap();
    let foreign =
        Checkpoint::of(CheckpointKind::Running, last.as_ref(), trail.place.now(), &other.key);
    let read = |line: &str| serde_json::from_str::<Checkpoint>(line).unwrap();
    let forge = |change: fn(&mut Checkpoint)| {
        let mut point = read(&line);
        change(&mut point);
        point.line()
    };
    let forgeries = [
        forge(|point| point.sequence = 41),
        forge(|point| point.head = Digest::ZERO),
        forge(|point| point.at = "2030-01-01T00:00:00Z".parse().unwrap()),
        forge(|point| point.kind = CheckpointKind::Resumed),
        forge(|point| point.signature = "00".repeat(64)),
        forge(|point| point.signature.truncate(10)),
        foreign.line(),
        line.replace("\"kind\"", "\"unknown\":1,\"kind\""),
    ];
    let injected = forgeries.len();
    let mut found = 0;
    for forgery in forgeries {
        let mut copy = trail.copied();
        copy.checkpoints.push(forgery);
        let verified = copy.verified().await;
        assert_eq!(verified.fault, None, "the trail itself is whole");
        found += usize::from(verified.refuted.len() == 1 && verified.refuted[0].sequence == 4);
    }
    counts.push(Count("a checkpoint is forged", injected, found));

    // What stands for removed records is a checkpoint as well.
    let through = "DELETE FROM audit WHERE sequence <= 10; INSERT INTO audit_removed (id, through, checkpoint) VALUES (1, 10, ";
    let mut found = 0;
    let anchors = [format!("'{}'", foreign.line()), format!("'{line}'"), "'{}'".to_owned()];
    let injected = anchors.len();
    for anchor in anchors {
        let copy = trail.copied();
        copy.run(&format!("{through}{anchor})")).await;
        found += usize::from(!copy.verified().await.holds());
    }
    counts.push(Count("records are removed behind a forged anchor", injected, found));
    other.shut().await;
    counts
}

#[tokio::test]
async fn without_checkpoints_a_tail_that_was_cut_off_is_not_found_and_that_is_said() {
    let trail = Trail::of_sixty().await;
    let mut copy = trail.copied();
    copy.checkpoints.clear();
    copy.run("DELETE FROM audit WHERE sequence > 50").await;
    let verified = copy.verified().await;
    assert!(verified.holds());
    assert_eq!((verified.last, verified.anchored), (50, 0), "nothing vouches for it");
}

#[tokio::test]
async fn records_after_the_last_checkpoint_are_unanchored() {
    let trail = Trail::of_sixty().await;
    let mut copy = trail.copied();
    copy.checkpoints.truncate(2);
    let verified = copy.verified().await;
    assert!(verified.holds());
    assert_eq!((verified.last, verified.anchored), (60, 40));
}

#[tokio::test]
async fn a_checkpoint_that_a_crash_cut_off_is_counted_and_not_taken_for_a_forgery() {
    let trail = Trail::of_sixty().await;
    let mut copy = trail.copied();
    let half = copy.checkpoints[2][..40].to_owned();
    copy.checkpoints.push(half);
    let verified = copy.verified().await;
    assert!(verified.holds());
    assert_eq!((verified.unread, verified.anchored), (1, 60));
}

#[tokio::test]
async fn a_trail_from_before_there_was_a_key_is_sealed_once_and_a_stripped_one_never() {
    let trail = Trail::of_sixty().await;
    // As the version before left it: no seals, no key, and no table of what was removed.
    let old = trail.copied();
    old.run(
        "ALTER TABLE audit DROP COLUMN seal; DROP TABLE audit_removed; DELETE FROM _sqlx_migrations WHERE version = 5; \
         CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit WHEN FALSE BEGIN SELECT 1; END; \
         CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit WHEN FALSE BEGIN SELECT 1; END; \
         UPDATE audit SET record = replace(record, '\"host\"', '\"h\"') WHERE FALSE",
    )
    .await;
    fs::remove_file(old.place.folder.path().join("audit.key")).unwrap();
    let state = old.place.open().await;
    let sealed: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE seal IS NOT NULL")
        .fetch_one(state.read_pool())
        .await
        .unwrap();
    assert_eq!(sealed, 60);
    state.shut().await;
    // A trail that has seals, or had them, is not taken up under a new key.
    let stripped = trail.copied();
    stripped.run("UPDATE audit SET seal = NULL").await;
    fs::remove_file(stripped.place.folder.path().join("audit.key")).unwrap();
    let refused = State::open(&stripped.place.path(), stripped.place.clock.clone()).await;
    assert!(matches!(refused, Err(crate::StateError::KeyLost { .. })));
}
