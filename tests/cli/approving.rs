//! `approval`: what waits for a person, and what becomes of the call.
use insta::assert_snapshot;
use serde_json::Value;

use super::place::{KEY, Place};

const CHARGE: &str = "call create_charge amount=1000 currency=eur description=Rent";

/// Calls, is held, and answers with the id of the question.
fn held(place: &Place) -> String {
    let held = place.run(&format!("{CHARGE} --json")).exits(5).error();
    assert_eq!(held["code"], "held");
    let open = place.run("approval list --json").exits(0).json();
    let id = open["approvals"][0]["id"].as_str().unwrap().to_owned();
    assert!(held["message"].as_str().unwrap().contains(&id));
    id
}

#[test]
fn a_charge_is_held_approved_run_once_and_held_again() {
    let place = Place::with(&["payments"]);
    let waiting = place.run(CHARGE).exits(5);
    assert!(waiting.err.contains("call again with the same arguments"), "{}", waiting.told());
    let id = held(&place);
    assert!(place.upstream.seen().is_empty());
    assert_snapshot!(place.run(&format!("approval show {id}")).exits(0).told());
    let approved = place.run(&format!("approval approve {id} --comment 'the invoice fits'"));
    assert_eq!(approved.exits(0).out, format!("{id}: approved\n"));
    place.run(CHARGE).exits(0);
    assert_eq!(place.upstream.seen().len(), 1);
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {KEY}"));
    place.run(CHARGE).exits(5);
    assert_eq!(place.upstream.seen().len(), 1, "one yes, one run");
    let spent = place.run("approval list --state spent --json").json();
    assert_eq!(spent["approvals"][0]["id"], id.as_str());
    assert_eq!(spent["approvals"][0]["answers"][0]["by"], "ana");
}

#[test]
fn a_charge_that_is_denied_ends_with_6_and_says_who_and_why() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    place.run(&format!("approval deny {id} --comment 'no such invoice'")).exits(0);
    let denied = place.run(CHARGE).exits(6);
    assert_eq!(denied.err, "error: `ana` said no: no such invoice\n");
    assert_eq!(place.run(&format!("{CHARGE} --json")).error()["code"], "denied");
    assert!(place.upstream.seen().is_empty());
    let twice = place.run(&format!("approval approve {id} --json")).exits(4).error();
    assert_eq!(twice["code"], "refused");
}

#[test]
fn nobody_decides_about_their_own_call_or_without_the_role() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    place.change("toolward.toml", "[operator]", "[operator]\nid = \"agent-7\"");
    let own = place.run(&format!("approval approve {id}")).exits(4);
    place.change(
        "toolward.toml",
        "id = \"agent-7\"\nroles = [\"oncall\", \"payer\"]",
        "roles = [\"oncall\"]",
    );
    let without = place.run(&format!("approval approve {id}")).exits(4);
    assert_snapshot!([own.told(), without.told()].join("\n"));
    place.run(CHARGE).exits(5);
    place.change("toolward.toml", "[\"oncall\"]", "[\"payer\"]");
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(CHARGE).exits(0);
}

#[test]
fn other_arguments_are_another_question() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(&CHARGE.replace("1000", "2000")).exits(5);
    assert!(place.upstream.seen().is_empty());
    place.run(CHARGE).exits(0);
}

/// G-10: of many that look alike, what differs is told.
#[test]
fn a_question_shows_what_is_other_than_in_the_last_one() {
    let place = Place::with(&["payments"]);
    let first = held(&place);
    let shown = place.run(&format!("approval show {first}")).exits(0);
    assert!(!shown.out.contains("compared with"), "{}", shown.told());
    place.run(&CHARGE.replace("1000", "1001")).exits(5);
    let open = place.run("approval list --json").json();
    let second = open["approvals"][0]["id"].as_str().unwrap();
    let shown = place.run(&format!("approval show {second}")).exits(0).out;
    assert!(
        shown.contains(&format!("compared with {first}, the last one of this tool")),
        "{shown}"
    );
    assert!(shown.contains("differs       /amount: 1000 -> 1001\n"), "{shown}");
    assert_eq!(shown.matches("differs ").count(), 1, "{shown}");
    // The same call again, once the first answer is spent.
    place.run(&format!("approval approve {second}")).exits(0);
    place.run(&CHARGE.replace("1000", "1001")).exits(0);
    place.run(&CHARGE.replace("1000", "1001")).exits(5);
    let open = place.run("approval list --json").json();
    let third = open["approvals"][0]["id"].as_str().unwrap();
    let shown = place.run(&format!("approval show {third}")).exits(0).out;
    assert!(shown.contains("; the arguments are the same\n"), "{shown}");
}

#[test]
fn two_of_anybody_are_two_different_people() {
    let place = Place::with(&["payments"]);
    place.change("policies/payments.cedar", "one-of:payer", "two-of");
    let id = held(&place);
    place.change("toolward.toml", "roles = [\"oncall\", \"payer\"]", "roles = []");
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(&format!("approval approve {id}")).exits(4);
    place.run(CHARGE).exits(5);
    place.change("toolward.toml", "[operator]\n", "[operator]\nid = \"agent-7\"\n");
    place.run(&format!("approval approve {id}")).exits(4);
    place.change("toolward.toml", "[operator]\nid = \"agent-7\"\n", "[operator]\nid = \"zoe\"\n");
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(CHARGE).exits(0);
}

/// G-24.
#[test]
fn a_yes_of_an_operator_who_lost_the_role_does_not_count() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    place.run(&format!("approval approve {id}")).exits(0);
    place.change("toolward.toml", "roles = [\"oncall\", \"payer\"]", "roles = [\"oncall\"]");
    place.run(CHARGE).exits(5);
    let shown = place.run(&format!("approval show {id}")).exits(0).out;
    assert!(
        shown.contains("state         open") && shown.contains("it does not count any more"),
        "{shown}"
    );
    place.change("toolward.toml", "roles = [\"oncall\"]", "roles = [\"payer\"]");
    place.run(CHARGE).exits(0);
}

#[test]
fn a_question_that_is_not_there_is_not_found() {
    let place = Place::with(&["payments"]);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for command in ["show", "approve", "deny"] {
        let error = place.run(&format!("approval {command} {unknown} --json")).exits(10).error();
        assert_eq!(error["code"], "not-found", "{command}");
    }
    let none = place.run("approval list").exits(0);
    assert!(none.out.trim().is_empty() && none.err == "there are none\n");
    let data = place.run("approval list --state all --json").exits(0);
    assert_eq!(data.json()["approvals"], Value::Array(vec![]));
}
