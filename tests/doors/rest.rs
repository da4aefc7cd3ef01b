//! Tools and calls over plain HTTP.
use std::net::Shutdown;

use serde_json::{Value, json};

use super::{server::Server, wire::Request};
use crate::cli::Place;

fn call(tool: &str, arguments: Value) -> Request {
    Request::post("/v1/calls", &json!({ "tool": tool, "arguments": arguments }))
}

#[test]
fn tools_are_listed_page_by_page_and_shown_to_those_who_may_call_them() {
    let server = Server::with(&["teller"]);
    let (mut names, mut target) = (Vec::new(), "/v1/tools?most=2".to_owned());
    loop {
        let page = server.ask(Request::get(&target)).json();
        names.extend(page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/v1/tools?most=2&after={next}");
    }
    assert_eq!(names, ["count", "crash", "recite", "refuse", "say"]);
    let shown = server.ask(Request::get("/v1/tools/say")).json();
    assert_eq!(shown["annotations"]["read_only"], true);
    assert_eq!(shown["input_schema"]["required"], json!(["text"]));
    let visitor = server.mint("--id agent-9 --role visitor");
    let as_visitor = |target: &str| Request::get(target).token(&visitor).send(server.agents);
    assert_eq!(as_visitor("/v1/tools").json()["tools"], json!([]));
    // One that is there for others, and one that is not there, are the same.
    assert_eq!(as_visitor("/v1/tools/say").status, 404);
    assert_eq!(as_visitor("/v1/tools/say").body, as_visitor("/v1/tools/nothing").body);
    for wrong in ["most=0", "most=101", "most=x", "after=%2F", "more=1", "most=1&most=2"] {
        assert_eq!(server.ask(Request::get(&format!("/v1/tools?{wrong}"))).status, 400, "{wrong}");
    }
    server.end();
}

#[test]
fn a_call_is_answered_and_what_became_of_it_is_for_its_caller_alone() {
    let server = Server::with(&["teller"]);
    let answer = server.ask(call("say", json!({ "text": "hello" })));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("cache-control"), "no-store");
    let done = answer.json();
    assert_eq!(done["result"]["text"], "hello");
    let target = format!("/v1/calls/{}", done["call"].as_str().unwrap());
    let state = server.ask(Request::get(&target)).json();
    assert_eq!((&state["state"], &state["tool"]), (&json!("ok"), &json!("say")));
    assert!(!state.to_string().contains("hello"));
    let other = server.mint("--id agent-8 --role assistant");
    assert_eq!(Request::get(&target).token(&other).send(server.agents).status, 404);
    let for_another = server.mint("--id agent-7 --role assistant --acts-for ana");
    assert_eq!(Request::get(&target).token(&for_another).send(server.agents).status, 404);
    assert_eq!(server.ask(Request::get("/v1/calls/x")).status, 400);
    server.end();
}

#[test]
fn every_way_a_call_can_end_has_a_problem_of_its_own_type() {
    let server = Server::at(Place::with(&["github-issues", "hostile", "teller"]), "");
    for (request, status, code) in [
        (call("refuse", json!({})), 422, "tool-failed"),
        (call("crash", json!({})), 502, "tool-crashed"),
        (call("say", json!({ "text": 1 })), 400, "arguments"),
        (call("nothing", json!({})), 404, "not-found"),
        (
            call("open_issue", json!({ "owner": "evil", "repo": "r", "title": "t" })),
            403,
            "not-granted",
        ),
        (call("spin", json!({})), 504, "time-over"),
        (Request::post("/v1/calls", &json!({ "tool": "say", "more": 1 })), 400, "malformed"),
        (Request::get("/v1/calls"), 405, "method-not-allowed"),
        (Request::get("/v1/elsewhere"), 404, "not-found"),
    ] {
        let told = format!("{request:?}");
        let answer = server.ask(request);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{told}: {answer:?}"
        );
    }
    let refused = server.ask(call("refuse", json!({}))).json();
    assert_eq!(refused["code"], "no-luck");
    server.end();
}

#[test]
fn a_held_call_says_where_to_look_and_the_same_request_picks_it_up() {
    let server = Server::at(Place::with(&["payments"]), "");
    let charge = || {
        let arguments = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
        server.ask(call("create_charge", arguments).field("idempotency-key", "rent-7"))
    };
    let held = charge();
    assert_eq!(held.status, 202, "{held:?}");
    let look = || server.ask(Request::get(held.field("location"))).json();
    assert_eq!((&look()["state"], &look()["approval_state"]), (&json!("held"), &json!("open")));
    assert_eq!(look()["approval"], held.json()["approval"]);
    let id = held.json()["approval"].as_str().unwrap().to_owned();
    let agree =
        || Request::post(&format!("/v1/approvals/{id}/approve"), &json!({ "comment": "fine" }));
    // No agent's token approves, whatever its roles are.
    let sly = server.mint("--id ben --kind user --role payer");
    assert_eq!(agree().token(&sly).send(server.people).status, 401);
    assert_eq!(agree().token(&sly).send(server.agents).status, 404);
    assert_eq!(server.administer(agree()).status, 200);
    assert_eq!(look()["approval_state"], "approved");
    let paid = charge();
    assert_eq!(paid.status, 200, "{paid:?}");
    // The same key is the same request: it is not paid twice, and not asked again.
    let again = charge();
    assert_eq!((again.status, again.json()), (200, paid.json()));
    assert_eq!(again.field("idempotency-replayed"), "true");
    assert_eq!(server.place.upstream.seen().len(), 1);
    server.end();
}

#[test]
fn a_key_is_for_one_request_of_one_caller() {
    let server = Server::with(&["teller"]);
    let say =
        |text: &str, key: &str| call("say", json!({ "text": text })).field("idempotency-key", key);
    let first = server.ask(say("one", "k")).json();
    assert_eq!(server.ask(say("one", "k")).json(), first);
    let other = server.ask(say("two", "k"));
    assert_eq!((other.status, other.problem().as_str()), (422, "key-reused"));
    let somebody = server.mint("--id agent-8 --role assistant");
    let theirs = say("two", "k").token(&somebody).send(server.agents);
    assert_eq!(theirs.json()["result"]["text"], "two");
    // A failure of the tool is kept as well: it ran.
    let refuse = || server.ask(call("refuse", json!({})).field("idempotency-key", "r"));
    assert_eq!(refuse().body, refuse().body);
    for key in ["", " ", &"x".repeat(256), "é"] {
        assert_eq!(server.ask(say("one", key)).status, 400, "{key}");
    }
    assert_eq!(server.ask(say("one", "k").field("idempotency-key", "k")).status, 400);
    let trail = server.place.run("audit tail").exits(0).out;
    assert_eq!(trail.matches("agent-7 calls say").count(), 1, "{trail}");
    server.end();
}

#[test]
fn progress_and_parts_come_as_events_before_the_end() {
    let server = Server::with(&["teller"]);
    let streamed = |tool: &str| {
        server.ask(call(tool, json!({})).field("accept", "text/event-stream")).events()
    };
    let counted = streamed("count");
    let names: Vec<&str> = counted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["progress", "progress", "progress", "done"]);
    assert_eq!(counted[0].1, json!({ "done": 1, "total": 3, "message": "at 1" }));
    assert_eq!(counted[3].1["result"], json!({ "counted": 3 }));
    let recited = streamed("recite");
    let parts: Vec<&Value> =
        recited.iter().filter(|(name, _)| name == "part").map(|(_, data)| &data["text"]).collect();
    assert_eq!(parts, ["to ", "be\n", "or ", "not"]);
    let refused = streamed("refuse");
    assert_eq!((refused[0].0.as_str(), &refused[0].1["code"]), ("problem", &json!("no-luck")));
    let both =
        call("count", json!({})).field("accept", "text/event-stream").field("idempotency-key", "k");
    assert_eq!(server.ask(both).status, 400);
    server.end();
}

#[test]
fn a_caller_that_hangs_up_cancels_its_call() {
    let server = Server::at(Place::with(&["hostile"]), "");
    for accept in ["application/json", "text/event-stream"] {
        let slow = call("fetch_debug_page", json!({ "page": "slow" })).field("accept", accept);
        let stream = slow.token(&server.agent).begin(server.agents);
        server.place.upstream.slow_began();
        stream.shutdown(Shutdown::Both).unwrap();
        server.place.upstream.slow_ended();
    }
    let place = &server.place;
    let recorded = || place.run("audit tail").exits(0).out.matches("cancelled").count();
    while recorded() < 2 {
        std::thread::yield_now();
    }
    server.end();
}
