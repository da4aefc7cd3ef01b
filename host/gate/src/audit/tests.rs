//! What is recorded, and when the trail ends.
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    Arguments, Cost, Digest, Identity, Kind, Principal, ProgressSink, ProviderName, ToolRef,
};

/// A log that counts how often it was told to end.
#[derive(Default)]
struct Ends(AtomicUsize);

#[async_trait]
impl AuditLog for Ends {
    async fn append(&self, _: &Record) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn close(&self, _: Closed) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn stop(&self) -> Result<(), Unavailable> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_trail_ends_after_what_is_owed_and_does_not_wait_for_ever() {
    let log = Arc::new(Ends::default());
    let audit = Audit::new(log.clone());
    let begun = Instant::now();
    audit.stop().await.unwrap();
    assert!(begun.elapsed().is_zero(), "nothing is owed");
    let (one, two) = (audit.owe(), audit.clone().owe());
    let pay = async {
        drop(one);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(log.0.load(Ordering::SeqCst), 1, "it waits for both");
        drop(two);
    };
    let (stopped, ()) = tokio::join!(audit.stop(), pay);
    stopped.unwrap();
    assert_eq!((begun.elapsed().as_secs(), log.0.load(Ordering::SeqCst)), (3, 2));
    let never = audit.owe();
    audit.stop().await.unwrap();
    assert_eq!((begun.elapsed().as_secs(), log.0.load(Ordering::SeqCst)), (3 + 15, 3));
    drop(never);
}

/// A trail that is kept as it is written, until the disk is full.
#[derive(Default)]
struct Trail {
    records: Mutex<Vec<Value>>,
    is_full: bool,
}

#[async_trait]
impl AuditLog for Trail {
    async fn append(&self, record: &Record) -> Result<(), Unavailable> {
        if self.is_full {
            return Err(Unavailable::new("the trail", "the disk is full"));
        }
        self.records.lock().unwrap().push(json!(record));
        Ok(())
    }
    async fn close(&self, closed: Closed) -> Result<(), Unavailable> {
        self.append(&Record::Closed(closed)).await
    }
}

impl Trail {
    fn last(&self) -> Value {
        self.records.lock().unwrap().last().unwrap().clone()
    }
}

fn call() -> Call {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    };
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: "order".parse().unwrap(),
            component: "till".parse().unwrap(),
            digest: Digest::ZERO,
            wants: [].into(),
        },
        arguments: Arguments::parse("{}").unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

fn ok() -> Ending {
    Ending::of(&Ok(()))
}

fn change() -> Change {
    Change {
        by: "ana".to_owned(),
        action: "kill-on".to_owned(),
        subject: "everything".to_owned(),
        reason: "a drill".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_ends_with_what_was_used_and_how_long_it_took() {
    let trail = Arc::new(Trail::default());
    let audit = Audit::new(trail.clone());
    let call = call();
    let shop: ProviderName = "shop".parse().unwrap();
    let used = Usage { cost: Cost(7), tokens: 9, requests: 1, bytes: 0 };
    let free = Usage { cost: Cost(7), ..Usage::default() };
    let cases = [
        (
            Tally::of(shop, used),
            json!({ "cost": 7, "tokens": 9, "used": { "shop": {
                "cost": 7, "tokens": 9, "requests": 1,
            } } }),
        ),
        (Usage { tokens: 9, ..free }.into(), json!({ "cost": 7, "tokens": 9 })),
        (free.into(), json!({ "cost": 7 })),
    ];
    for (used, mut written) in cases {
        let entry = audit.open(&call).await.unwrap();
        assert_eq!(trail.last()["record"], "opened");
        tokio::time::advance(Duration::from_millis(1500)).await;
        entry.close(ok(), used).await.unwrap();
        let rest = json!({
            "record": "closed", "call": call.id, "outcome": "ok", "millis": 1500, "notes": [],
        });
        written.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(trail.last(), written);
    }
}

#[tokio::test]
async fn what_an_operator_changes_is_recorded() {
    let trail = Arc::new(Trail::default());
    Audit::new(trail.clone()).change(change()).await.unwrap();
    let written = json!({
        "record": "changed", "by": "ana", "action": "kill-on", "subject": "everything",
        "reason": "a drill",
    });
    assert_eq!(trail.last(), written);
}

#[tokio::test]
async fn what_cannot_be_recorded_fails() {
    let full = Audit::new(Arc::new(Trail { is_full: true, ..Trail::default() }));
    full.change(change()).await.unwrap_err();
    full.open(&call()).await.unwrap_err();
    let entry = Audit::new(Arc::new(Ends::default())).open(&call()).await.unwrap();
    let entry = Entry { log: full.log.clone(), ..entry };
    entry.close(ok(), Tally::default()).await.unwrap_err();
}

#[tokio::test]
async fn a_log_names_the_call_of_an_entry_and_nothing_else() {
    let audit = Audit::new(Arc::new(Ends::default()));
    let call = call();
    let entry = audit.open(&call).await.unwrap();
    assert_eq!(format!("{entry:?}"), format!("Entry {{ call: {:?}, .. }}", call.id));
    assert_eq!(format!("{audit:?}"), "Audit { .. }");
}
