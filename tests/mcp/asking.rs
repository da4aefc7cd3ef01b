//! Calls that wait for a person, and clients of older revisions that can ask theirs: elicitation on the connection.
use serde_json::{Value, json};

use super::client::Client;
use crate::cli::Place;

/// Connects as one that can ask so.
fn connected(place: &Place, capabilities: &Value) -> Client {
    let mut client = Client::silent(place);
    client.greet("2025-11-25", capabilities);
    client
}

fn charge(client: &mut Client) -> u64 {
    let charge = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    client.request_call("create_charge", charge)
}

/// The host's question.
fn question(client: &mut Client) -> Value {
    let question = client.next();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    question
}

fn answer(client: &mut Client, question: &Value, action: &str) {
    let result = json!({ "action": action });
    client.write(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string());
}

fn approval(place: &Place) -> String {
    let listed = place.run("approval list --json").exits(0).json();
    listed["approvals"][0]["id"].as_str().unwrap().to_owned()
}

/// F-26.
#[test]
fn a_person_is_asked_on_the_connection_until_it_is_decided_and_approves_nothing_by_that() {
    let place = Place::with(&["payments"]);
    let mut client = connected(&place, &json!({ "elicitation": {} }));
    let call = charge(&mut client);
    let first = question(&mut client);
    assert_eq!(first["params"]["requestedSchema"]["properties"], json!({}));
    answer(&mut client, &first, "accept");
    let second = question(&mut client);
    assert_eq!(second["params"]["message"], first["params"]["message"]);
    assert!(place.upstream.seen().is_empty());
    place.run(&format!("approval approve {}", approval(&place))).exits(0);
    answer(&mut client, &second, "accept");
    let done = client.answer(call);
    assert_eq!(done["result"]["structuredContent"]["status"], "requires_payment_method", "{done}");
    assert_eq!(place.upstream.seen().len(), 1);
    client.hang_up(&place).exits(0);
}

#[test]
fn who_does_not_want_to_wait_and_a_client_that_cannot_ask_are_told_what_every_client_is_told() {
    let place = Place::with(&["payments"]);
    let mut client = connected(&place, &json!({ "elicitation": { "form": {} } }));
    for action in ["decline", "cancel"] {
        let call = charge(&mut client);
        let asked = question(&mut client);
        answer(&mut client, &asked, action);
        assert_eq!(client.answer(call)["result"]["_meta"]["toolward/code"], "held");
    }
    let call = charge(&mut client);
    let asked = question(&mut client);
    let error = json!({ "code": -32601, "message": "elicitation/create" });
    client.write(&json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error }).to_string());
    assert_eq!(client.answer(call)["result"]["_meta"]["toolward/code"], "held");
    client.hang_up(&place).exits(0);
}

#[test]
fn a_call_that_is_cancelled_while_its_person_is_asked_is_over() {
    let place = Place::with(&["payments"]);
    let mut client = connected(&place, &json!({ "elicitation": {} }));
    let call = charge(&mut client);
    let asked = question(&mut client);
    let note = json!({ "requestId": call, "reason": "the user went home" });
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": note });
    client.write(&note.to_string());
    let taken_back = client.next();
    assert_eq!(taken_back["method"], "notifications/cancelled", "{taken_back}");
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    // The connection goes on.
    client.ask("tools/list", json!({}));
    client.hang_up(&place).exits(0);
}
