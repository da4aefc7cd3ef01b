//! What was taken back, and static keys: on every host, until it is over, and on record.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{
    API_KEY_ISSUER, ApiKey, ApiKeys as _, Denial, DenialTarget, DenyList as _, Digest, Kind,
    SwitchFeed as _,
};

use super::support::{Place, fault, records};
use crate::State;

const MINUTE: Duration = Duration::from_secs(60);

fn token(id: &str, tree: bool) -> DenialTarget {
    DenialTarget::Token { issuer: "https://login.example.com".to_owned(), id: id.to_owned(), tree }
}

fn denial(place: &Place, target: DenialTarget, lasts: Option<Duration>) -> Denial {
    Denial {
        target,
        reason: "it was lost".to_owned(),
        by: "ana".to_owned(),
        since: place.now(),
        expires_at: lasts.map(|lasts| place.now().checked_add(lasts).unwrap()),
    }
}

async fn targets(state: &State) -> Vec<DenialTarget> {
    let denials = state.denials().await.unwrap();
    denials.all().iter().map(|denial| denial.target.clone()).collect()
}

fn key(place: &Place, id: &str) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        hash: Some(Digest::of(id.as_bytes())),
        principal: "robo".to_owned(),
        kind: Kind::Service,
        roles: ["assistant".to_owned()].into(),
        scope: Some(["github:issues:read".parse().unwrap()].into()),
        by: "ana".to_owned(),
        created_at: place.now(),
        ends_at: place.now().checked_add(MINUTE).unwrap(),
        revoked_at: None,
    }
}

#[tokio::test]
async fn a_denial_is_known_to_every_host_at_once_and_after_a_restart() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    assert!(targets(&one).await.is_empty() && targets(&two).await.is_empty());
    one.deny(denial(&place, token("t1", false), None)).await.unwrap();
    assert_eq!(targets(&two).await, [token("t1", false)]);
    // With the switches, which every running call follows.
    assert_eq!(two.read().await.unwrap().denials, one.denials().await.unwrap());
    two.deny(denial(&place, token("t2", false), None)).await.unwrap();
    assert_eq!(targets(&one).await.len(), 2);
    let one = place.reopen(one).await;
    assert_eq!(targets(&one).await.len(), 2);
    assert!(one.allow(&token("t1", false), "ben", "found").await.unwrap());
    assert_eq!(targets(&two).await, [token("t2", false)]);
    assert!(!one.allow(&token("t1", false), "ben", "found").await.unwrap());
    let actions: Vec<_> = records(&one).await.iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["token-deny", "token-deny", "token-allow"].map(|one| json!(one)));
    assert_eq!(fault(&one).await, None);
}

#[tokio::test]
async fn a_denial_is_over_with_its_time_and_not_before() {
    let place = Place::new();
    let state = place.open().await;
    state.deny(denial(&place, token("t1", false), Some(MINUTE))).await.unwrap();
    state.deny(denial(&place, token("t2", false), None)).await.unwrap();
    place.clock.pass(MINUTE.saturating_sub(Duration::from_micros(1)));
    assert_eq!(targets(&state).await.len(), 2);
    place.clock.pass(Duration::from_micros(1));
    assert_eq!(targets(&state).await, [token("t2", false)]);
}

#[tokio::test]
async fn a_denial_that_is_said_again_does_not_end_sooner() {
    let place = Place::new();
    let state = place.open().await;
    for (first, again) in [(None, Some(MINUTE)), (Some(MINUTE.saturating_mul(2)), Some(MINUTE))] {
        state.deny(denial(&place, token("t1", true), first)).await.unwrap();
        state.deny(denial(&place, token("t1", true), again)).await.unwrap();
        let kept = state.denials().await.unwrap().all()[0].expires_at;
        assert_eq!(kept, denial(&place, token("t1", true), first).expires_at);
        assert!(state.allow(&token("t1", true), "ben", "found").await.unwrap());
    }
    // One token and its tree are two denials: the narrower does not replace the wider.
    state.deny(denial(&place, token("t1", true), None)).await.unwrap();
    state.deny(denial(&place, token("t1", false), None)).await.unwrap();
    assert_eq!(targets(&state).await.len(), 2);
}

#[tokio::test]
async fn a_denial_that_cannot_be_read_fails_the_reading() {
    let place = Place::new();
    let state = place.open().await;
    state.deny(denial(&place, token("t1", false), None)).await.unwrap();
    state.denials().await.unwrap();
    place.run("UPDATE denied SET denial = '{}'; UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'denied'").await.unwrap();
    state.denials().await.unwrap_err();
    state.read().await.unwrap_err();
}

#[tokio::test]
async fn a_key_is_kept_by_its_hash_and_ends_what_runs_with_it_when_it_is_revoked() {
    let place = Place::new();
    let state = place.open().await;
    state.add_api_key(&key(&place, "k1")).await.unwrap();
    state.add_api_key(&key(&place, "k2")).await.unwrap();
    state.add_api_key(&key(&place, "k1")).await.unwrap_err();
    let other = place.open().await;
    assert_eq!(other.api_key("k1").await.unwrap(), Some(key(&place, "k1")));
    assert_eq!(other.api_key("k3").await.unwrap(), None);
    assert!(other.revoke_api_key("k1", "ben", "it leaked").await.unwrap());
    assert!(!other.revoke_api_key("k1", "ben", "it leaked").await.unwrap());
    assert!(!other.revoke_api_key("k3", "ben", "it leaked").await.unwrap());
    let keys = state.api_keys().await.unwrap();
    assert_eq!((keys[0].revoked_at, keys[1].revoked_at), (Some(place.now()), None));
    let (issuer, id) = (API_KEY_ISSUER.to_owned(), "k1".to_owned());
    assert_eq!(targets(&state).await, [DenialTarget::Token { issuer, id, tree: true }]);
    place.clock.pass(MINUTE);
    assert!(!state.revoke_api_key("k2", "ben", "late").await.unwrap(), "it has ended");
    assert_eq!(records(&state).await.len(), 3);
}
