//! How the program starts and ends.
use serde_json::json;

use super::client::Client;
use crate::cli::Place;

#[test]
fn a_client_that_hangs_up_ends_the_program_and_what_it_still_waits_for() {
    let place = Place::with(&["hostile"]);
    let mut client = Client::connected(&place);
    client.request_call("fetch_debug_page", json!({ "page": "slow" }));
    place.upstream.slow_began();
    client.hang_up(&place).exits(0);
    place.upstream.slow_ended();
    let trail = place.run("audit tail -n 1").exits(0);
    assert!(trail.out.contains("cancelled"), "its end is recorded: {}", trail.told());
    place.run("audit verify").exits(0);
}

#[test]
fn what_was_asked_before_the_client_hung_up_is_answered() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    client.request_call("say", json!({ "text": "the last word" }));
    let ran = client.hang_up(&place).exits(0);
    assert!(ran.out.lines().last().unwrap().contains("the last word"), "{}", ran.told());
}

#[test]
fn a_client_that_hangs_up_before_it_says_anything_is_no_failure() {
    let place = Place::without_secrets(&["teller"]);
    let ran = Client::silent(&place).hang_up(&place).exits(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn a_host_that_cannot_start_says_why_on_standard_error_only() {
    let place = Place::without_secrets(&["teller"]);
    let client = Client::connected(&place);
    client.hang_up(&place).exits(0);
    place.change("policies/default.cedar", "permit(", "permti(");
    let ran = place.fails_and_writes_nothing("run").exits(3);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("policies/default.cedar:5:1"), "{}", ran.told());
    assert_eq!(place.run("run --json").exits(3).error()["code"], "configuration");
}
