//! Switches that are thrown, lifted, or go off by themselves.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{Digest, HITS, Switch, SwitchFeed as _, SwitchTarget};

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

/// What is suspended when three responses held a credential.
fn used(component: &str) -> String {
    format!("use {} shop:items:read", Digest::of(component.as_bytes()))
}

/// Counts once, as a response does that held a credential.
async fn count(place: &Place, state: &State, component: &str) -> bool {
    state.count_towards(switch(place, &used(component), None), HITS).await.unwrap()
}

#[tokio::test]
async fn the_third_that_is_counted_throws_the_switch_and_two_do_not() {
    let place = Place::new();
    let state = place.open().await;
    assert!(!count(&place, &state, "shop").await);
    assert!(!count(&place, &state, "shop").await);
    assert!(!count(&place, &state, "other").await, "each target has a count of its own");
    assert!(thrown(&state).await.is_empty() && records(&state).await.is_empty());
    let state = place.reopen(state).await;
    assert!(count(&place, &state, "shop").await, "the count outlives a restart");
    assert_eq!(thrown(&state).await, [used("shop").parse().unwrap()]);
    assert!(count(&place, &state, "shop").await, "it stays thrown");
    let expected = json!({"record": "changed", "by": "ana", "action": "kill-on", "subject": used("shop"), "reason": "it misbehaves"});
    assert_eq!(records(&state).await, [expected]);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn a_switch_that_was_lifted_begins_to_count_anew() {
    let place = Place::new();
    let state = place.open().await;
    for _ in 0..HITS {
        count(&place, &state, "shop").await;
    }
    assert!(state.lift(&used("shop").parse().unwrap(), "ben", "mended").await.unwrap());
    assert!(!count(&place, &state, "shop").await);
    assert!(!count(&place, &state, "shop").await);
    assert!(thrown(&state).await.is_empty());
    assert!(count(&place, &state, "shop").await);
}

#[tokio::test]
async fn a_switch_that_went_off_by_itself_is_thrown_again_by_the_next() {
    let place = Place::new();
    let state = place.open().await;
    let minute = Duration::from_secs(60);
    for _ in 0..HITS {
        let switch = switch(&place, &used("shop"), Some(minute));
        state.count_towards(switch, HITS).await.unwrap();
    }
    place.clock.pass(minute);
    assert!(thrown(&state).await.is_empty());
    assert!(count(&place, &state, "shop").await);
    assert_eq!(thrown(&state).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_are_counted_at_once_on_two_hosts_one_throws_the_switch() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let tasks = (0..20).map(|number| {
        let state = if number % 2 == 0 { one.clone() } else { two.clone() };
        let switch = switch(&place, &used("shop"), None);
        tokio::spawn(async move { state.count_towards(switch, HITS).await.unwrap() })
    });
    let mut on = 0_u32;
    for task in tasks.collect::<Vec<_>>() {
        on = on.saturating_add(u32::from(task.await.unwrap()));
    }
    assert_eq!(on, 18, "all but the first two find it on");
    assert_eq!((thrown(&one).await.len(), records(&one).await.len()), (1, 1));
}
