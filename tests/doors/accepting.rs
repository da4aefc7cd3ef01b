//! A tool that changed, as agents and people meet it. Class F.
use serde_json::{Value, json};

use super::{
    listening::Stream,
    mcp::{modern, result},
    server::Server,
    wire::Request,
};
use crate::cli::{Place, changed_teller};

fn listed(server: &Server) -> Vec<String> {
    let tools = result(&server.ask(modern("tools/list", json!({}))))["tools"].clone();
    tools.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// F-02: through no door, and nobody but a person with a role of the administration brings it back.
#[test]
fn a_changed_tool_is_neither_listed_nor_called_until_a_person_accepts_what_they_saw() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    place.write_bytes("new.wasm", &changed_teller());
    place.run("tool add new.wasm --name teller").exits(0);
    let server = Server::at(place, "");
    assert_eq!(listed(&server), Vec::<String>::new());
    let say = json!({ "name": "say", "arguments": { "text": "x" } });
    let refused = server.ask(modern("tools/call", say.clone())).json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let call =
        || Request::post("/v1/calls", &json!({ "tool": "say", "arguments": { "text": "x" } }));
    let kept = server.ask(call());
    assert_eq!((kept.status, kept.problem().as_str()), (409, "kept-back"));
    assert_eq!(server.ask(Request::get("/v1/tools/say")).status, 404);
    let mut stream = Stream::open(&server, &server.agent);
    let waiting = server.administer(Request::get("/v1/tools/kept-back")).json();
    let waiting = waiting["tools"].as_array().unwrap();
    assert_eq!(waiting.len(), 5, "{waiting:?}");
    let one = waiting.iter().find(|one| one["tool"] == "say").unwrap();
    assert_eq!(one["accepted_by"], "host");
    assert_eq!(one["differences"][1]["now"], "Says what it is sold.");
    let accept = |token: &str, definition: &Value| {
        let body = json!({ "tool": "say", "definition": definition, "reason": "seen" });
        let answer = Request::post("/v1/tools/accept", &body).token(token).send(server.people);
        if answer.status == 200 { "ok".to_owned() } else { answer.problem() }
    };
    let definition = &one["definition"];
    assert_eq!(accept(&server.agent, definition), "unauthenticated");
    let cook = server.mint("--id cleo --kind user --role cook --administration");
    assert_eq!(accept(&cook, definition), "no-role");
    let robo = server.mint("--id robo --role administrator --administration");
    assert_eq!(accept(&robo, definition), "not-a-person");
    let other = waiting.iter().find(|one| one["tool"] == "count").unwrap();
    assert_eq!(accept(&server.person, &other["definition"]), "changed");
    assert_eq!(listed(&server), Vec::<String>::new());
    assert_eq!(accept(&server.person, definition), "ok");
    assert_eq!(accept(&server.person, definition), "not-found");
    assert_eq!(stream.next()["method"], "notifications/tools/list_changed");
    assert_eq!(listed(&server), ["say"]);
    assert_eq!(result(&server.ask(modern("tools/call", say)))["structuredContent"]["text"], "x");
    assert_eq!(server.ask(call()).status, 200);
    let trail = server.place.run("audit tail -n 100").exits(0).out;
    assert!(trail.contains("tool-accept by ben"), "{trail}");
    server.end();
}
