//! What a switch that is thrown here does at once, and what else ends a life.
mod ending;
mod interleaved;
mod known;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Cause, Switch, SwitchFeed, SwitchSet, SwitchTarget, Switchboard};
use crate::Unavailable;

#[derive(Default)]
struct Feed {
    set: Mutex<SwitchSet>,
    broken: bool,
    unreadable: AtomicBool,
}

#[async_trait]
impl SwitchFeed for Feed {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(Unavailable::new("the switches", "the disk is gone"));
        }
        Ok(self.set.lock().unwrap().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        if self.broken {
            return Err(Unavailable::new("the switches", "the disk is full"));
        }
        self.set.lock().unwrap().thrown.push(switch);
        Ok(())
    }
    async fn lift(&self, _: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

fn switch() -> Switch {
    Switch {
        target: SwitchTarget::Everything,
        reason: String::new(),
        by: "ana".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        expires_at: None,
    }
}

async fn board(broken: bool) -> (Switchboard, Arc<AtomicUsize>) {
    let feed = Arc::new(Feed { broken, ..Feed::default() });
    let board = Switchboard::follow(feed).await.unwrap();
    let rung = Arc::new(AtomicUsize::new(0));
    let bell = rung.clone();
    board.on_change(move || {
        bell.fetch_add(1, Ordering::SeqCst);
    });
    (board, rung)
}

#[tokio::test]
async fn a_switch_that_is_thrown_here_is_known_and_rings_before_the_throw_returns() {
    let (board, rung) = board(false).await;
    assert_eq!(rung.load(Ordering::SeqCst), 0);
    board.throw(switch()).await.unwrap();
    assert_eq!(board.known().thrown, [switch()]);
    assert_eq!(rung.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_switch_that_cannot_be_recorded_does_not_count_as_thrown() {
    let (board, rung) = board(true).await;
    board.throw(switch()).await.unwrap_err();
    assert!(board.known().thrown.is_empty());
    assert_eq!(rung.load(Ordering::SeqCst), 0);
}

#[test]
fn the_use_of_a_capability_by_a_digest_is_written_and_read_in_one_way() {
    let digest = crate::Digest::of(b"shop");
    let capability: crate::CapabilityName = "shop:items:read".parse().unwrap();
    let target = SwitchTarget::Use { digest, capability };
    let text = format!("use {digest} shop:items:read");
    assert_eq!((target.to_string(), text.parse()), (text.clone(), Ok(target)));
    let wrong = [
        "use".to_owned(),
        format!("use {digest}"),
        "use shop:items:read".to_owned(),
        format!("use shop:items:read {digest}"),
        format!("use {digest} shop:*:read"),
        format!("use {digest} shop:items:read more"),
        "use sha256:00 shop:items:read".to_owned(),
    ];
    for text in wrong {
        assert!(text.parse::<SwitchTarget>().is_err(), "{text}");
    }
}

#[test]
fn a_switch_is_written_and_read_in_one_way() {
    let name = || "shop".to_owned();
    let cases = [
        (SwitchTarget::Everything, "everything"),
        (SwitchTarget::Tool(name()), "tool shop"),
        (SwitchTarget::Digest(name()), "digest shop"),
        (SwitchTarget::Capability(name()), "capability shop"),
        (SwitchTarget::Provider(name()), "provider shop"),
        (SwitchTarget::Credential(name()), "credential shop"),
        (SwitchTarget::Principal(name()), "principal shop"),
    ];
    for (target, text) in cases {
        assert_eq!((target.to_string().as_str(), text.parse()), (text, Ok(target.clone())));
        let written = serde_json::to_value(&target).unwrap();
        assert_eq!(written, text);
        assert_eq!(serde_json::from_value::<SwitchTarget>(written).unwrap(), target);
    }
    let nothing = ["", "all", "everything else", "tool", "digest ", "Tool shop", "shop"];
    for text in nothing {
        let error = text.parse::<SwitchTarget>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is not a kill switch")), "{error}");
    }
}

#[test]
fn who_is_stopped_is_told_by_what() {
    let cases = [
        (
            Cause::SwitchThrown("tool order".parse().unwrap()),
            "halted",
            "the kill switch `tool order` is on",
        ),
        (Cause::SwitchesUnreadable, "halted", "the kill switches cannot be read"),
        (Cause::TimeOver, "time-over", "its time is over"),
        (Cause::IdentityEnded, "identity-ended", "the caller's token has ended"),
        (Cause::IdentityDenied, "identity-denied", "the caller's token was revoked"),
        (
            Cause::CredentialEnded("shop".parse().unwrap()),
            "credential-ended",
            "the credential `shop` has ended",
        ),
    ];
    for (cause, code, text) in cases {
        assert_eq!((cause.code(), cause.to_string().as_str()), (code, text));
    }
}

#[tokio::test]
async fn an_alarm_sounds_once_for_each_switch_that_was_not_thrown_before() {
    let feed = Arc::new(Feed::default());
    feed.set.lock().unwrap().thrown.push(named("tool old"));
    let board = Switchboard::follow(feed).await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    board.on_thrown(move |target| ear.lock().unwrap().push(target.to_string()));
    let known = board.board.known.subscribe();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (eye, watched) = (seen.clone(), known.clone());
    board.on_thrown(move |_| eye.lock().unwrap().push(watched.has_changed().unwrap()));
    board.throw(named("tool new")).await.unwrap();
    board.throw(named("provider shop")).await.unwrap();
    board.board.learn(board.feed.read().await.unwrap());
    assert_eq!(*heard.lock().unwrap(), ["tool new", "provider shop"]);
    assert!(!seen.lock().unwrap()[0], "nobody saw the first switch before its alarm");
    assert!(known.has_changed().unwrap());
}

fn named(target: &str) -> Switch {
    Switch { target: target.parse().unwrap(), ..switch() }
}
