//! Calls that wait for a person, and clients that can ask theirs: elicitation in an answer. Class F.
use serde_json::{Value, json};

use super::{
    mcp::{declaring, result},
    server::Server,
    wire::Request,
};
use crate::cli::Place;

const PAGE: &str = "\n[approval]\npage = \"https://desk.example.com/approvals/{id}\"\n";

fn paying(more: &str) -> Server {
    let place = Place::with(&["payments"]);
    let configuration = place.read("toolward.toml");
    place.write("toolward.toml", &(configuration + more));
    Server::at(place, "")
}

/// A call of a client that can ask so, with what its person said before.
fn charge(server: &Server, ways: Value, said: Option<(&str, &str)>) -> Value {
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    let mut params = json!({ "name": "create_charge", "arguments": arguments });
    if let Some((action, state)) = said {
        params["inputResponses"] = json!({ "approval": { "action": action } });
        params["requestState"] = json!(state);
    }
    result(&server.ask(declaring(json!({ "elicitation": ways }), "tools/call", params)))
}

fn asked(answer: &Value) -> &Value {
    assert_eq!(answer["resultType"], "input_required", "{answer}");
    let request = &answer["inputRequests"]["approval"];
    assert_eq!(request["method"], "elicitation/create", "{answer}");
    &request["params"]
}

fn decide(server: &Server, word: &str) -> String {
    let listed = server.administer(Request::new("GET", "/v1/approvals")).json();
    let id = listed["approvals"][0]["id"].as_str().unwrap().to_owned();
    let decided = Request::post(&format!("/v1/approvals/{id}/{word}"), &json!({}));
    assert_eq!(server.administer(decided).status, 200);
    id
}

/// F-26: what a client's person accepts is no yes to the call, and nothing else is asked of them.
#[test]
fn a_person_at_a_client_is_asked_to_wait_and_approves_nothing_by_that() {
    let server = paying("");
    let first = charge(&server, json!({ "form": {} }), None);
    let form = asked(&first);
    assert_eq!((&form["mode"], &first["requestState"]), (&json!("form"), &json!("1")));
    assert_eq!(form["requestedSchema"]["properties"], json!({}));
    let second = charge(&server, json!({}), Some(("accept", "1")));
    assert_eq!(second["requestState"], "2");
    assert_eq!(asked(&second)["message"], form["message"], "it is the same question");
    assert!(server.place.upstream.seen().is_empty());
    let id = decide(&server, "approve");
    insta::assert_snapshot!(form["message"].as_str().unwrap().replace(&id, "ID"));
    let done = charge(&server, json!({}), Some(("accept", "2")));
    assert_eq!(done["structuredContent"]["status"], "requires_payment_method", "{done}");
    assert_eq!(server.place.upstream.seen().len(), 1);
    server.end();
}

#[test]
fn a_no_of_the_one_who_decides_is_what_the_client_hears() {
    let server = paying("");
    asked(&charge(&server, json!({ "form": {} }), None));
    decide(&server, "deny");
    let denied = charge(&server, json!({ "form": {} }), Some(("accept", "1")));
    assert_eq!(denied["_meta"]["toolward/code"], "denied", "{denied}");
    server.end();
}

#[test]
fn who_does_not_want_to_wait_or_waited_often_is_told_what_every_client_is_told() {
    let server = paying(PAGE);
    for (action, state) in [("decline", "1"), ("cancel", "1"), ("accept", "8"), ("accept", "x")] {
        let told = charge(&server, json!({ "form": {} }), Some((action, state)));
        assert_eq!(told["_meta"]["toolward/code"], "held", "{action}, {state}: {told}");
        let id = told["_meta"]["toolward/approval"].as_str().unwrap();
        let page = format!("https://desk.example.com/approvals/{id}");
        assert_eq!(told["_meta"]["toolward/page"], page, "{told}");
    }
    assert!(server.place.upstream.seen().is_empty());
    server.end();
}

/// F-26: an address is the operator's, with `https`.
#[test]
fn a_client_that_shows_pages_is_led_to_the_one_of_its_question_once() {
    let server = paying(PAGE);
    let both = json!({ "form": {}, "url": {} });
    let first = charge(&server, both.clone(), None);
    let page = asked(&first);
    let id = page["elicitationId"].as_str().unwrap();
    assert_eq!(page["mode"], "url");
    assert_eq!(page["url"], format!("https://desk.example.com/approvals/{id}"));
    let again = charge(&server, both, Some(("accept", "1")));
    assert_eq!(asked(&again)["mode"], "form", "it has seen the page");
    let only = charge(&server, json!({ "url": {} }), Some(("accept", "1")));
    assert_eq!(asked(&only)["url"], page["url"]);
    server.end();
    let server = paying("");
    let nowhere = charge(&server, json!({ "url": {} }), None);
    assert_eq!(nowhere["_meta"]["toolward/code"], "held", "there is no page: {nowhere}");
    server.end();
}
