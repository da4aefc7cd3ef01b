//! A request that its client named is done once.
use std::time::Duration;

use toolward_gate::{CallId, Digest};

use super::support::Place;
use crate::{Claim, Kept, State};

async fn claim(state: &State, who: &str, key: &str, request: &str) -> (CallId, Claim) {
    let call = CallId::generate();
    (call, state.claim(who, key, Digest::of(request.as_bytes()), call).await.unwrap())
}

fn kept(call: CallId) -> Kept {
    Kept { call, status: 200, body: "{\"result\":1}".to_owned() }
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_also_after_a_restart() {
    let place = Place::new();
    let state = place.open().await;
    let (call, first) = claim(&state, "a", "k", "one").await;
    assert_eq!(first, Claim::Yours);
    let (_, begun) = claim(&state, "a", "k", "one").await;
    assert!(matches!(begun, Claim::Begun { call: of, .. } if of == call), "{begun:?}");
    state.keep("a", "k", &kept(call)).await.unwrap();
    let state = place.reopen(state).await;
    assert_eq!(claim(&state, "a", "k", "one").await.1, Claim::Answered(kept(call)));
    assert_eq!(claim(&state, "a", "k", "another").await.1, Claim::OfAnother);
    assert_eq!(claim(&state, "b", "k", "another").await.1, Claim::Yours);
}

#[tokio::test]
async fn a_request_that_was_let_go_or_is_too_old_is_done_again() {
    let place = Place::new();
    let state = place.open().await;
    let (call, _) = claim(&state, "a", "k", "one").await;
    state.let_go("a", "k", CallId::generate()).await.unwrap();
    assert_ne!(claim(&state, "a", "k", "one").await.1, Claim::Yours);
    state.let_go("a", "k", call).await.unwrap();
    let (call, again) = claim(&state, "a", "k", "one").await;
    assert_eq!(again, Claim::Yours);
    state.keep("a", "k", &kept(call)).await.unwrap();
    state.let_go("a", "k", call).await.unwrap();
    place.clock.pass(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(claim(&state, "a", "k", "one").await.1, Claim::Answered(kept(call)));
    place.clock.pass(Duration::from_secs(1));
    assert_eq!(claim(&state, "a", "k", "other").await.1, Claim::Yours);
}

#[tokio::test]
async fn of_many_at_once_one_does_it() {
    let place = Place::new();
    let state = place.open().await;
    let all = (0..16).map(|_| claim(&state, "a", "k", "one"));
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|(_, claim)| *claim == Claim::Yours).count(), 1);
}
