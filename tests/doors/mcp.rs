//! MCP over HTTP: both lifecycles at one path. Class F.
use std::net::Shutdown;

use serde_json::{Value, json};

use super::{
    server::Server,
    wire::{Answer, Request},
};
use crate::cli::Place;

/// A message as clients of 2026-07-28 send it.
pub(super) fn modern(method: &str, params: Value) -> Request {
    declaring(json!({}), method, params)
}

/// The same, of a client that can do this.
pub(super) fn declaring(capabilities: Value, method: &str, mut params: Value) -> Request {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": { "name": "a client", "version": "1" },
    });
    let request = posted(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
        .field("mcp-protocol-version", "2026-07-28")
        .field("mcp-method", method);
    match params["name"].as_str().or(params["taskId"].as_str()) {
        Some(name) => request.field("mcp-name", name),
        None => request,
    }
}

/// A message as older clients send it.
fn older(method: &str, params: Value) -> Request {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    posted(&message).field("mcp-protocol-version", "2025-06-18")
}

fn posted(message: &Value) -> Request {
    Request::post("/mcp", message).field("accept", "application/json, text/event-stream")
}

pub(super) fn result(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("content-type"), "application/json", "{answer:?}");
    let message = answer.json();
    assert!(message.get("error").is_none(), "{message}");
    message["result"].clone()
}

#[test]
fn both_lifecycles_list_and_call_the_same_tools_without_a_session() {
    let server = Server::with(&["teller"]);
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let greeted = server.ask(older("initialize", hello));
    assert_eq!(result(&greeted)["protocolVersion"], "2025-06-18");
    assert!(greeted.all("mcp-session-id").is_empty());
    let discovered = result(&server.ask(modern("server/discover", json!({}))));
    assert!(
        discovered["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")),
        "{discovered}"
    );
    let (new, old) = (
        result(&server.ask(modern("tools/list", json!({})))),
        result(&server.ask(older("tools/list", json!({})))),
    );
    assert_eq!(new["tools"], old["tools"]);
    assert_eq!(new["resultType"], "complete");
    assert_eq!(new["cacheScope"], "private");
    assert!(new["ttlMs"].is_u64());
    let say = json!({ "name": "say", "arguments": { "text": "hello" } });
    for request in [modern("tools/call", say.clone()), older("tools/call", say)] {
        let said = result(&server.ask(request));
        assert_eq!(said["structuredContent"]["text"], "hello");
        let text: Value =
            serde_json::from_str(said["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, said["structuredContent"]);
    }
    for method in ["GET", "DELETE", "PUT"] {
        let answer = server.ask(Request::new(method, "/mcp").field("accept", "text/event-stream"));
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.field("allow"), "POST");
    }
    server.end();
}

/// F-10, F-11: a session that somebody names is nobody's.
#[test]
fn a_session_that_a_client_names_is_neither_used_nor_answered() {
    let server = Server::with(&["teller"]);
    for request in [modern("tools/list", json!({})), older("tools/list", json!({}))] {
        let answer = server.ask(request.field("mcp-session-id", "somebody-elses"));
        assert_eq!(answer.status, 200);
        assert!(!format!("{answer:?}").contains("somebody-elses"));
    }
    server.end();
}

/// F-20, F-21.
#[test]
fn fields_that_say_otherwise_than_the_body_are_refused_before_anything_is_called() {
    let server = Server::with(&["teller"]);
    let say = json!({ "name": "say", "arguments": { "text": "x" } });
    let body = |method: &str| {
        let mut params = say.clone();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        posted(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    for fields in [
        vec![version, ("mcp-method", "tools/list"), ("mcp-name", "say")],
        vec![version, ("mcp-method", "tools/call"), ("mcp-name", "crash")],
        vec![version, ("mcp-method", "tools/call")],
        vec![version, ("mcp-name", "say")],
        vec![
            ("mcp-protocol-version", "2025-06-18"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "say"),
        ],
    ] {
        let request = fields
            .iter()
            .fold(body("tools/call"), |request, (name, value)| request.field(name, value));
        let answer = server.ask(request);
        assert_eq!(answer.status, 400, "{fields:?}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32020, "{fields:?}: {answer:?}");
    }
    let unknown =
        posted(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }));
    assert_eq!(server.ask(unknown.field("mcp-protocol-version", "1999-01-01")).status, 400);
    assert!(!server.place.run("audit tail").exits(0).out.contains("calls"));
    server.end();
}

#[test]
fn a_list_shows_what_the_caller_may_call_and_hiding_is_not_what_refuses() {
    let server = Server::with(&["teller", "payments"]);
    let list = |token: &str| {
        let answer = modern("tools/list", json!({})).token(token).send(server.agents);
        let tools = result(&answer)["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&server.agent), ["count", "crash", "create_charge", "recite", "refuse", "say"]);
    let stranger = server.mint("--id agent-9 --role visitor");
    assert_eq!(list(&stranger), Vec::<String>::new());
    let say = json!({ "name": "say", "arguments": { "text": "x" } });
    let refused = modern("tools/call", say).token(&stranger).send(server.agents);
    assert_eq!(result(&refused)["_meta"]["toolward/code"], "forbidden");
    let trail = server.place.run("audit tail").exits(0).out;
    assert!(trail.contains("agent-9 calls say through mcp-http"), "{trail}");
    let wrong = server.ask(modern("tools/list", json!({ "cursor": "somewhere" })));
    assert_eq!(wrong.json()["error"]["code"], -32602, "{wrong:?}");
    server.end();
}

/// RFC 6750 section 3.1: another token would help, and it is said which.
#[test]
fn a_token_whose_scope_leaves_out_what_a_tool_needs_is_told_all_of_it() {
    let server = Server::with(&["payments"]);
    let narrow = server.mint("--id agent-7 --role assistant --scope host:log:write");
    let charge = json!({ "name": "create_charge", "arguments": { "amount": 1, "currency": "eur", "description": "d" } });
    let answer = modern("tools/call", charge.clone()).token(&narrow).send(server.agents);
    assert_eq!((answer.status, answer.problem().as_str()), (403, "insufficient-scope"));
    let told = answer.field("www-authenticate");
    assert!(
        told.contains("error=\"insufficient_scope\", scope=\"payments:charges:create\""),
        "{told}"
    );
    let trail = server.place.run("audit tail").exits(0).out;
    assert!(trail.contains("agent-7 calls create_charge through mcp-http"), "{trail}");
    assert!(trail.contains("not-granted"), "{trail}");
    // No token of whatever scope helps this one.
    let visitor = server.mint("--id agent-9 --role visitor --scope host:log:write");
    let refused = modern("tools/call", charge.clone()).token(&visitor).send(server.agents);
    assert_eq!(result(&refused)["_meta"]["toolward/code"], "forbidden");
    assert_eq!(result(&server.ask(modern("tools/call", charge)))["_meta"]["toolward/code"], "held");
    server.end();
}

#[test]
fn progress_comes_as_a_stream_before_the_answer_and_only_where_it_is_asked_for() {
    let server = Server::with(&["teller"]);
    let mut message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "count", "arguments": {}, "_meta": { "progressToken": "mine" } } });
    let heard = server.ask(posted(&message).field("mcp-protocol-version", "2025-06-18"));
    assert_eq!(heard.field("x-accel-buffering"), "no");
    let heard: Vec<Value> = heard.events().into_iter().map(|(_, data)| data).collect();
    assert_eq!(heard.len(), 4, "{heard:?}");
    for (done, note) in heard.iter().take(3).enumerate() {
        assert_eq!(note["method"], "notifications/progress");
        assert_eq!(note["params"]["progressToken"], "mine");
        assert_eq!(note["params"]["message"], format!("at {}", done + 1));
    }
    assert_eq!(heard[3]["id"], 7);
    assert_eq!(heard[3]["result"]["structuredContent"]["counted"], 3);
    message["params"]["_meta"] = json!({});
    let silent = server.ask(posted(&message).field("mcp-protocol-version", "2025-06-18"));
    assert_eq!(result(&silent)["structuredContent"]["counted"], 3);
    server.end();
}

/// F-22, F-23: closing one's own stream cancels, and nothing else does.
#[test]
fn a_client_that_hangs_up_cancels_its_call_and_nobody_elses() {
    let server = Server::at(Place::with(&["hostile", "teller"]), "");
    let slow = || {
        modern("tools/call", json!({ "name": "fetch_debug_page", "arguments": { "page": "slow" } }))
    };
    let stream = slow().token(&server.agent).begin(server.agents);
    server.place.upstream.slow_began();
    let other = server.mint("--id agent-8 --role assistant");
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(posted(&cancel).token(&other).send(server.agents).status, 202);
    assert!(!server.place.run("audit tail").exits(0).out.contains("cancelled"));
    stream.shutdown(Shutdown::Both).unwrap();
    server.place.upstream.slow_ended();
    let say = json!({ "name": "say", "arguments": { "text": "still here" } });
    assert_eq!(result(&server.ask(modern("tools/call", say)))["isError"], false);
    let place = &server.place;
    let recorded = || place.run("audit tail").exits(0).out;
    while !recorded().contains("cancelled") {
        std::thread::yield_now();
    }
    server.end();
}

/// F-13: everybody uses the same id.
#[test]
fn every_answer_goes_to_its_own_client() {
    let server = Server::with(&["teller"]);
    let (token, at) = (server.agent.as_str(), server.agents);
    let calling = |text: String| {
        let say = json!({ "name": "say", "arguments": { "text": text } });
        let answer = modern("tools/call", say).token(token).send(at);
        // The limit of one caller's rate may be met: then there is no answer to mix up.
        if answer.status == 429 {
            return None;
        }
        Some((text, result(&answer)["structuredContent"]["text"].as_str().unwrap().to_owned()))
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|client| {
                scope.spawn(move || {
                    (0..4).map(|n| calling(format!("{client}-{n}"))).collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).flatten().collect()
    });
    assert!(answers.len() > 64, "{}", answers.len());
    assert!(answers.iter().all(|(sent, came)| sent == came));
    server.end();
}

#[test]
fn a_held_call_goes_through_once_somebody_agreed() {
    let server = Server::at(Place::with(&["payments"]), "");
    let charge = || {
        let arguments = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
        server.ask(modern("tools/call", json!({ "name": "create_charge", "arguments": arguments })))
    };
    let held = result(&charge());
    assert_eq!(held["_meta"]["toolward/code"], "held");
    let id = held["_meta"]["toolward/approval"].as_str().unwrap();
    let approve = Request::post(&format!("/v1/approvals/{id}/approve"), &json!({}));
    assert_eq!(server.administer(approve).status, 200);
    assert_eq!(result(&charge())["structuredContent"]["status"], "requires_payment_method");
    assert_eq!(result(&charge())["_meta"]["toolward/code"], "held");
    assert_eq!(server.place.upstream.seen().len(), 1);
    server.end();
}
