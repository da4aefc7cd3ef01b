//! Checkpoints as a host writes them, and what it does when it cannot.
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use toolward_gate::{AuditLog as _, Change, Record, Unavailable};

use super::support::{Place, call, closed, opened};
use crate::{
    AnchoredLog, Anchoring, Checkpoint, CheckpointKind, CheckpointPlace, Evidence, FilePlace,
    OnFailure, State, StateError,
};

fn file(place: &Place) -> FilePlace {
    FilePlace::new(place.folder.path().join("elsewhere.jsonl"))
}

fn anchoring(places: Vec<Arc<dyn CheckpointPlace>>) -> Anchoring {
    let (every_records, every) = (1_000_000, Duration::from_secs(3600));
    Anchoring { places, every_records, every, on_failure: OnFailure::Stop, retention: None }
}

async fn points(place: &Place, state: &State) -> Vec<Checkpoint> {
    let lines = file(place).lines().await.unwrap().unwrap();
    lines.iter().map(|line| Checkpoint::read(line, state.public_key()).unwrap()).collect()
}

async fn one_call(log: &AnchoredLog) -> Result<(), Unavailable> {
    let call = call("robo");
    log.append(&opened(&call)).await?;
    log.close(closed(&call, 0)).await
}

/// A place that can be broken, and counts what is put there.
#[derive(Default)]
struct Breakable {
    broken: AtomicBool,
    tried: AtomicUsize,
    kept: AtomicUsize,
}

#[async_trait]
impl CheckpointPlace for Breakable {
    fn name(&self) -> String {
        "the place of a test".to_owned()
    }
    async fn put(&self, _: &Checkpoint) -> Result<(), Unavailable> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(Unavailable::new("the place of a test", "broken"));
        }
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn lines(&self) -> Result<Option<Vec<String>>, Unavailable> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_host_that_ends_in_order_says_so_and_the_whole_trail_is_anchored() {
    let place = Place::new();
    let state = place.open().await;
    let log =
        AnchoredLog::start(state.clone(), anchoring(vec![Arc::new(file(&place))])).await.unwrap();
    for _ in 0..3 {
        one_call(&log).await.unwrap();
    }
    log.stop().await.unwrap();
    let points = points(&place, &state).await;
    let last = points.last().unwrap();
    assert_eq!((last.kind, last.sequence), (CheckpointKind::Stopped, 6));
    let checkpoints = file(&place).lines().await.unwrap().unwrap();
    let evidence = Evidence { checkpoints, key: Some(state.public_key()) };
    let verified = state.verify_with(&evidence, &mut |_, _| ()).await.unwrap();
    assert!(verified.holds());
    assert_eq!((verified.anchored, verified.last), (6, 6));
}

#[tokio::test]
async fn a_checkpoint_is_written_after_so_many_records_and_after_so_long() {
    for (every_records, every) in
        [(4, Duration::from_secs(3600)), (1_000_000, Duration::from_millis(20))]
    {
        let place = Place::new();
        let state = place.open().await;
        let settings =
            Anchoring { every_records, every, ..anchoring(vec![Arc::new(file(&place))]) };
        let log = AnchoredLog::start(state.clone(), settings).await.unwrap();
        one_call(&log).await.unwrap();
        one_call(&log).await.unwrap();
        // It comes by itself; the test ends when it is there.
        let written = async {
            while points(&place, &state).await.last().is_none_or(|point| point.sequence < 4) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
    }
}

#[tokio::test]
async fn while_no_checkpoint_can_be_written_no_call_is_opened_unless_that_was_chosen() {
    for (on_failure, goes_on) in [(OnFailure::Stop, false), (OnFailure::GoOn, true)] {
        let place = Place::new();
        let elsewhere = Arc::new(Breakable::default());
        let settings =
            Anchoring { every_records: 2, on_failure, ..anchoring(vec![elsewhere.clone()]) };
        let log = AnchoredLog::start(place.open().await, settings).await.unwrap();
        elsewhere.broken.store(true, Ordering::SeqCst);
        let open = call("robo");
        log.append(&opened(&open)).await.unwrap();
        one_call(&log).await.unwrap();
        let tried = elsewhere.tried.load(Ordering::SeqCst);
        let tries = async {
            while elsewhere.tried.load(Ordering::SeqCst) <= tried {
                tokio::task::yield_now().await;
            }
        };
        if tried == 0 {
            tokio::time::timeout(Duration::from_secs(30), tries).await.unwrap();
        }
        let another = call("robo");
        // The attempt may still be on its way to say that it failed.
        let refused = async {
            while log.append(&opened(&another)).await.is_ok() && !goes_on {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
        assert_eq!(one_call(&log).await.is_ok(), goes_on);
        // What was begun is ended, and what an operator does is recorded.
        log.close(closed(&open, 0)).await.unwrap();
        let change = Change {
            by: "ana".to_owned(),
            action: "kill-on".to_owned(),
            subject: "everything".to_owned(),
            reason: String::new(),
        };
        log.append(&Record::Changed(change)).await.unwrap();
        elsewhere.broken.store(false, Ordering::SeqCst);
        let again = async {
            while one_call(&log).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_whose_place_cannot_be_written_does_not_start_unless_that_was_chosen() {
    for (on_failure, starts) in [(OnFailure::Stop, false), (OnFailure::GoOn, true)] {
        let place = Place::new();
        let state = place.open().await;
        let call = call("robo");
        state.append(&opened(&call)).await.unwrap();
        let nowhere = FilePlace::new(place.folder.path().join("missing").join("file"));
        let settings = Anchoring { on_failure, ..anchoring(vec![Arc::new(nowhere)]) };
        assert_eq!(AnchoredLog::start(state, settings).await.is_ok(), starts);
    }
}

/// I-03: a host does not go on with a trail that lost records, until an operator says so.
#[tokio::test]
async fn a_host_does_not_start_on_an_older_copy_until_an_operator_gives_up_what_is_lost() {
    let place = Place::new();
    let places: Vec<Arc<dyn CheckpointPlace>> = vec![Arc::new(file(&place))];
    let state = place.open().await;
    let log = AnchoredLog::start(state.clone(), anchoring(places.clone())).await.unwrap();
    one_call(&log).await.unwrap();
    let older = place.folder.path().join("older.db");
    state.backup(&older).await.unwrap();
    for _ in 0..5 {
        one_call(&log).await.unwrap();
    }
    log.stop().await.unwrap();
    drop(log);
    state.shut().await;
    fs::copy(&older, place.path()).unwrap();
    for leftover in ["state.db-wal", "state.db-shm"] {
        drop(fs::remove_file(place.folder.path().join(leftover)));
    }
    let state = place.open().await;
    let refused = AnchoredLog::start(state.clone(), anchoring(places.clone())).await;
    let Err(StateError::Trail(said)) = refused else { panic!("it starts: {refused:?}") };
    assert!(said.contains("ends at record 2") && said.contains("stands for record 12"), "{said}");
    place.clock.pass(Duration::from_secs(60));
    assert!(state.resume(&places, "ana", "the disk was lost; Monday's backup").await.unwrap());
    assert!(!state.resume(&places, "ana", "again").await.unwrap(), "there is nothing to give up");
    let log = AnchoredLog::start(state.clone(), anchoring(places.clone())).await.unwrap();
    for _ in 0..8 {
        one_call(&log).await.unwrap();
    }
    log.stop().await.unwrap();
    let checkpoints = places[0].lines().await.unwrap().unwrap();
    let evidence = Evidence { checkpoints, key: None };
    let verified = state.verify_with(&evidence, &mut |_, _| ()).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.given_up, verified.anchored), (1, verified.last));
}

#[tokio::test]
async fn lines_that_two_hosts_add_at_once_stay_lines_and_a_torn_one_is_left_alone() {
    let place = Place::new();
    let state = place.open().await;
    state
        .record_change(Change {
            by: "ana".to_owned(),
            action: "tool-add".to_owned(),
            subject: "x".to_owned(),
            reason: String::new(),
        })
        .await
        .unwrap();
    let last = state.last_link().await.unwrap();
    let point = Checkpoint::of(CheckpointKind::Running, last.as_ref(), place.now(), &state.key);
    fs::write(
        place.folder.path().join("elsewhere.jsonl"),
        point.line().chars().take(30).collect::<String>(),
    )
    .unwrap();
    let adding = (0..16).map(|_| {
        let (file, point) = (file(&place), point.clone());
        tokio::spawn(async move { file.put(&point).await })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap().unwrap();
    }
    let checkpoints = file(&place).lines().await.unwrap().unwrap();
    let evidence = Evidence { checkpoints, key: None };
    let verified = state.verify_with(&evidence, &mut |_, _| ()).await.unwrap();
    assert!(verified.holds());
    assert_eq!((verified.checkpoints, verified.unread), (16, 1));
}
