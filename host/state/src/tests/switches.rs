//! Switches that are thrown, lifted, or go off by themselves.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{Switch, SwitchFeed as _, SwitchTarget};

use super::support::{Place, fault, records};
use crate::State;

fn switch(place: &Place, target: &str, lasts: Option<Duration>) -> Switch {
    Switch {
        target: target.parse().unwrap(),
        reason: "it misbehaves".to_owned(),
        by: "ana".to_owned(),
        since: place.now(),
        expires_at: lasts.map(|lasts| place.now().checked_add(lasts).unwrap()),
    }
}

async fn thrown(state: &State) -> Vec<SwitchTarget> {
    state.read().await.unwrap().thrown.into_iter().map(|switch| switch.target).collect()
}

#[tokio::test]
async fn a_switch_is_thrown_until_it_is_lifted() {
    let place = Place::new();
    let state = place.open().await;
    assert!(thrown(&state).await.is_empty());
    let everything = switch(&place, "everything", None);
    let tool = switch(&place, "tool charge", None);
    state.throw(tool.clone()).await.unwrap();
    state.throw(everything.clone()).await.unwrap();
    assert_eq!(state.read().await.unwrap().thrown, [everything.clone(), tool]);
    assert!(state.lift(&everything.target, "ben", "over").await.unwrap());
    assert_eq!(thrown(&state).await, [SwitchTarget::Tool("charge".to_owned())]);
}

#[tokio::test]
async fn a_switch_that_is_not_thrown_is_not_lifted() {
    let place = Place::new();
    let state = place.open().await;
    state.throw(switch(&place, "tool charge", None)).await.unwrap();
    let other = SwitchTarget::Tool("refund".to_owned());
    assert!(!state.lift(&other, "ben", "over").await.unwrap());
    assert_eq!(thrown(&state).await.len(), 1);
    let same = SwitchTarget::Tool("charge".to_owned());
    assert!(state.lift(&same, "ben", "over").await.unwrap());
    assert!(!state.lift(&same, "ben", "over").await.unwrap(), "it was lifted before");
    assert_eq!(records(&state).await.len(), 2, "only what changed something is recorded");
}

#[tokio::test]
async fn a_switch_goes_off_at_the_very_moment_it_expires_and_is_then_not_lifted() {
    let place = Place::new();
    let state = place.open().await;
    let minute = Duration::from_secs(60);
    let passing = switch(&place, "principal robo", Some(minute));
    state.throw(passing.clone()).await.unwrap();
    state.throw(switch(&place, "provider money", None)).await.unwrap();
    place.clock.pass(minute.saturating_sub(Duration::from_micros(1)));
    assert_eq!(thrown(&state).await.len(), 2);
    place.clock.pass(Duration::from_micros(1));
    assert_eq!(thrown(&state).await, [SwitchTarget::Provider("money".to_owned())]);
    assert!(!state.lift(&passing.target, "ben", "over").await.unwrap());
    assert_eq!(records(&state).await.len(), 2, "lifting it changed nothing");
    place.clock.step_back(minute);
    assert_eq!(thrown(&state).await.len(), 1, "it does not come back with the clock");
}

#[tokio::test]
async fn a_switch_thrown_again_takes_the_new_reason_and_end() {
    let place = Place::new();
    let state = place.open().await;
    let minute = Duration::from_secs(60);
    state.throw(switch(&place, "everything", Some(minute))).await.unwrap();
    state.throw(switch(&place, "everything", None)).await.unwrap();
    place.clock.pass(minute);
    assert_eq!(thrown(&state).await, [SwitchTarget::Everything]);
}

#[tokio::test]
async fn switches_hold_across_reopening_and_reach_another_host() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let credential = switch(&place, "credential card", None);
    one.throw(credential.clone()).await.unwrap();
    assert_eq!(two.read().await.unwrap().thrown, std::slice::from_ref(&credential));
    let one = place.reopen(one).await;
    assert_eq!(one.read().await.unwrap().thrown, std::slice::from_ref(&credential));
    assert!(two.lift(&credential.target, "ben", "over").await.unwrap());
    assert!(thrown(&one).await.is_empty());
    assert!(thrown(&place.reopen(one).await).await.is_empty());
}

#[tokio::test]
async fn throwing_and_lifting_are_recorded() {
    let place = Place::new();
    let state = place.open().await;
    let tool = switch(&place, "tool charge", None);
    state.throw(tool.clone()).await.unwrap();
    assert!(state.lift(&tool.target, "ben", "mended").await.unwrap());
    let expected = [
        json!({"record": "changed", "by": "ana", "action": "kill-on", "subject": "tool charge", "reason": "it misbehaves"}),
        json!({"record": "changed", "by": "ben", "action": "kill-off", "subject": "tool charge", "reason": "mended"}),
    ];
    assert_eq!(records(&state).await, expected);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn a_switch_that_cannot_be_read_fails_the_reading_and_is_not_skipped() {
    let place = Place::new();
    let state = place.open().await;
    state.throw(switch(&place, "everything", None)).await.unwrap();
    assert!(state.read().await.is_ok());
    place.run("INSERT INTO switches VALUES ('planet mars', '', 'ana', 0, NULL)").await.unwrap();
    assert!(state.read().await.is_err());
}
