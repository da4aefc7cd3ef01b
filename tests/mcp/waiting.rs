//! Calls that take long: held, cancelled, or with progress.
use std::time::Instant;

use serde_json::{Value, json};

use super::client::Client;
use crate::cli::{KEY, PATIENCE, Place};

#[test]
fn a_held_call_says_what_to_do_and_goes_through_once_it_is_approved() {
    let place = Place::with(&["payments"]);
    let mut client = Client::connected(&place);
    let charge = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    let held = client.call("create_charge", charge.clone());
    assert_eq!(held["isError"], true);
    assert_eq!(held["_meta"]["toolward/code"], "held");
    let id = held["_meta"]["toolward/approval"].as_str().unwrap().to_owned();
    let text = held["content"][0]["text"].as_str().unwrap().replace(&id, "ID");
    insta::assert_snapshot!(text);
    assert!(place.upstream.seen().is_empty());
    place.run(&format!("approval approve {id}")).exits(0);
    let paid = client.call("create_charge", charge.clone());
    assert_eq!(paid["structuredContent"]["status"], "requires_payment_method");
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {KEY}"));
    let again = client.call("create_charge", charge);
    assert_eq!(again["_meta"]["toolward/code"], "held");
    assert_eq!(place.upstream.seen().len(), 1);
    client.hang_up(&place).exits(0);
}

#[test]
fn a_call_that_is_denied_is_told_with_who_and_why() {
    let place = Place::with(&["payments"]);
    let mut client = Client::connected(&place);
    let charge = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    let held = client.call("create_charge", charge.clone());
    let id = held["_meta"]["toolward/approval"].as_str().unwrap().to_owned();
    place.run(&format!("approval deny {id} --comment 'ask your landlord'")).exits(0);
    let denied = client.call("create_charge", charge);
    assert_eq!(denied["content"][0]["text"], "denied: `ana` said no: ask your landlord");
    client.hang_up(&place).exits(0);
}

#[test]
fn progress_comes_under_its_token_and_before_the_answer() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    for token in [json!("a token"), json!(7)] {
        let params =
            json!({ "name": "count", "arguments": {}, "_meta": { "progressToken": token } });
        let answer = client.ask("tools/call", params);
        assert_eq!(answer["result"]["structuredContent"]["counted"], 3);
        let expected: Vec<Value> = (1..=3)
            .map(|done| {
                json!({
                    "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": { "progressToken": token, "progress": f64::from(done), "total": 3.0, "message": format!("at {done}") },
                })
            })
            .collect();
        assert_eq!(std::mem::take(&mut client.notes), expected);
    }
    client.call("count", json!({}));
    assert!(client.notes.is_empty(), "nobody asked for progress");
    client.hang_up(&place).exits(0);
}

#[test]
fn parts_of_a_result_come_in_order_as_notifications_of_rising_progress() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    let params = json!({ "name": "recite", "arguments": {}, "_meta": { "progressToken": 1 } });
    let answer = client.ask("tools/call", params);
    assert_eq!(answer["result"]["structuredContent"]["counted"], 4);
    let notes: Vec<Value> = client.notes.drain(..).map(|mut note| note["params"].take()).collect();
    let said: Vec<&str> = notes.iter().map(|note| note["message"].as_str().unwrap()).collect();
    assert_eq!(said, ["clears its throat", "to ", "be\n", "or ", "not"]);
    let parts: Vec<bool> =
        notes.iter().map(|note| note["_meta"]["toolward/part"] == true).collect();
    assert_eq!(parts, [false, true, true, true, true]);
    let reached: Vec<f64> = notes.iter().map(|note| note["progress"].as_f64().unwrap()).collect();
    assert!(reached.is_sorted_by(|one, next| one < next) && reached[4] < 2.0, "{reached:?}");
    // Nobody asked: nothing is handed over, and the answer comes all the same.
    assert_eq!(client.call("recite", json!({}))["structuredContent"]["counted"], 0);
    assert!(client.notes.is_empty());
    client.hang_up(&place).exits(0);
}

#[test]
fn a_cancelled_call_ends_its_request_and_is_recorded_as_cancelled() {
    let place = Place::with(&["hostile", "teller"]);
    let mut client = Client::connected(&place);
    let id = client.request_call("fetch_debug_page", json!({ "page": "slow" }));
    place.upstream.slow_began();
    let params = json!({ "requestId": id, "reason": "the user went home" });
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    client.write(&note.to_string());
    place.upstream.slow_ended();
    // The connection goes on, and what was cancelled has no answer.
    client.call("say", json!({ "text": "still here" }));
    until_recorded(&place, "cancelled");
    client.hang_up(&place).exits(0);
}

#[test]
fn a_switch_ends_a_call_that_runs() {
    let place = Place::with(&["hostile"]);
    let mut client = Client::connected(&place);
    let id = client.request_call("fetch_debug_page", json!({ "page": "slow" }));
    place.upstream.slow_began();
    place.run("kill on tool fetch_debug_page --reason 'a leak'").exits(0);
    place.upstream.slow_ended();
    let answer = client.answer(id);
    assert_eq!(answer["result"]["_meta"]["toolward/code"], "halted");
    client.hang_up(&place).exits(0);
}

/// Looks until a call has ended so.
pub(super) fn until_recorded(place: &Place, outcome: &str) {
    let began = Instant::now();
    while !place.run("audit tail").exits(0).out.contains(outcome) {
        assert!(began.elapsed() < PATIENCE, "no call was {outcome}");
    }
}
