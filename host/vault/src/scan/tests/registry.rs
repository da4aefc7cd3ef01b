//! How long is a value searched for?
use std::time::Duration;

use toolward_gate::CredentialName;

use crate::scan::Registry;

const FIRST: &str = "Zx81+kQ/7mW=0pLr5vTn9eQa";
const SECOND: &str = "h3YdB6uN=2cXw8/TqLm4+fRs";

fn github() -> CredentialName {
    "github".parse().unwrap()
}

/// [C-39] Of all credentials, and from the moment on in which it is known.
#[tokio::test(start_paused = true)]
async fn a_value_is_found_by_every_response_that_ends_after_it_was_registered() {
    let registry = Registry::default();
    let scanner = registry.scanner();
    assert!(!scanner.finds(FIRST.as_bytes()));
    let _first = registry.register(&github(), &[FIRST]);
    assert!(scanner.finds(FIRST.as_bytes()));
    assert!(!scanner.finds(SECOND.as_bytes()));
    let _second = registry.register(&"gitlab".parse().unwrap(), &[SECOND]);
    let hit = scanner.find(SECOND.as_bytes()).unwrap();
    assert_eq!(hit.credential, Some("gitlab".parse().unwrap()));
    assert_eq!(hit.value.as_str(), SECOND);
}

/// [C-39]
#[tokio::test(start_paused = true)]
async fn a_predecessor_is_found_for_a_while_and_until_responses_of_its_life_have_ended() {
    let registry = Registry::default();
    let first = registry.register(&github(), &[FIRST]);
    let old = registry.scanner();
    drop(first);
    let second = registry.register(&github(), &[SECOND]);
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    assert!(registry.scanner().finds(FIRST.as_bytes()), "within the while");
    tokio::time::advance(Duration::from_secs(60 * 60)).await;
    assert!(registry.scanner().finds(FIRST.as_bytes()), "a response of its life is on its way");
    assert!(old.finds(FIRST.as_bytes()));
    drop(old);
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    assert!(!registry.scanner().finds(FIRST.as_bytes()), "forgotten");
    assert!(registry.scanner().finds(SECOND.as_bytes()), "somebody holds it");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_registered_again_was_never_gone() {
    let registry = Registry::default();
    let first = registry.register(&github(), &[FIRST]);
    drop(first);
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    let again = registry.register(&github(), &[FIRST]);
    tokio::time::advance(Duration::from_secs(60 * 60)).await;
    assert!(registry.scanner().finds(FIRST.as_bytes()));
    drop(again);
}

/// What is made for one request is searched for in its response and in no other.
#[tokio::test(start_paused = true)]
async fn a_value_of_one_request_is_found_in_its_response() {
    let registry = Registry::default();
    let _first = registry.register(&github(), &[FIRST]);
    let scanner = registry.scanner().and(&[SECOND]);
    assert!(scanner.finds(SECOND.as_bytes()) && scanner.finds(FIRST.as_bytes()));
    assert!(scanner.find(SECOND.as_bytes()).unwrap().credential.is_none());
    assert!(!registry.scanner().finds(SECOND.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn many_values_are_found_in_whatever_order_they_came() {
    let registry = Registry::default();
    let value = |number: u64| {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("kQ{}", hex::encode(mixed.to_be_bytes()))
    };
    let held: Vec<_> =
        (0..40).map(|number| registry.register(&github(), &[&value(number)])).collect();
    for number in 0..40 {
        assert!(registry.scanner().finds(value(number).as_bytes()), "{number}");
    }
    assert!(!registry.scanner().finds(value(41).as_bytes()));
    drop(held);
}
