//! `POST /v1/token`: an agent's token for a narrower one (RFC 8693).
use serde_json::json;

use super::{
    server::Server,
    wire::{Answer, Request},
};

const TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The usual parameters, and these.
fn form(subject: &str, more: &[(&str, &str)]) -> String {
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    let usual = [("grant_type", grant), ("subject_token", subject), ("subject_token_type", TYPE)];
    let pairs: Vec<String> =
        usual.iter().chain(more).map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&").replace(':', "%3A")
}

fn exchange(server: &Server, token: &str, form: &str) -> Answer {
    Request::new("POST", "/v1/token")
        .field("content-type", "application/x-www-form-urlencoded")
        .token(token)
        .body(form)
        .send(server.agents)
}

fn made(server: &Server, token: &str, more: &[(&str, &str)]) -> String {
    let answer = exchange(server, token, &form(token, more));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("cache-control"), "no-store");
    let told = answer.json();
    assert_eq!((&told["token_type"], &told["issued_token_type"]), (&json!("Bearer"), &json!(TYPE)));
    told["access_token"].as_str().unwrap().to_owned()
}

fn says(server: &Server, token: &str) -> Answer {
    let call = json!({ "tool": "say", "arguments": { "text": "hello" } });
    Request::post("/v1/calls", &call).token(token).send(server.agents)
}

#[test]
fn a_narrower_token_speaks_for_its_caller_until_the_tree_is_revoked() {
    let server = Server::with(&["teller"]);
    let helper = server.mint("--id helper --role assistant");
    let types =
        [("actor_token", helper.as_str()), ("actor_token_type", TYPE), ("expires_in", "60")];
    let token = made(&server, &server.agent, &types);
    assert_eq!(says(&server, &server.agent).status, 200);
    assert_eq!(says(&server, &token).status, 200);
    server.place.write("own.token", &server.agent);
    server.place.write("made.token", &token);
    let inspected = server.place.run("token inspect made.token --json").exits(0).json();
    assert_eq!((&inspected["id"], &inspected["acts_for"]), (&json!("helper"), &json!(["agent-7"])));
    let trail = server.place.run("audit tail --json").exits(0).out;
    assert!(trail.contains("token-exchange") && trail.contains("helper, which acts for agent-7"));
    assert!(trail.contains("\"acts-for\":[\"agent-7\"]"), "{trail}");
    server.place.run("token revoke own.token --reason lost").exits(0);
    assert_eq!((says(&server, &server.agent).status, says(&server, &token).status), (401, 200));
    server.place.run("token revoke own.token --tree --reason lost").exits(0);
    assert_eq!(says(&server, &token).status, 401);
    let log = server.end();
    assert!(!log.contains(&token) && !log.contains(&helper), "{log}");
}

#[test]
fn a_token_for_one_door_opens_no_other() {
    let server = Server::with(&["teller"]);
    let rest = made(&server, &server.agent, &[("audience", "urn:toolward:door:rest")]);
    let mcp = made(&server, &server.agent, &[("audience", "urn:toolward:door:mcp-http")]);
    assert_eq!(says(&server, &rest).status, 200);
    let refused = says(&server, &mcp);
    assert_eq!((refused.status, refused.problem().as_str()), (403, "other-door"));
    server.end();
}

#[test]
fn what_is_not_the_callers_or_not_understood_is_refused() {
    let server = Server::with(&["teller"]);
    let (own, other) = (&server.agent, server.mint("--id boss --role assistant"));
    let error = |form: &str| {
        let answer = exchange(&server, own, form);
        assert_eq!(answer.status, 400, "{form}: {answer:?}");
        answer.json()["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(error(&form(&other, &[])), "invalid_request");
    assert_eq!(
        error(&form(own, &[("actor_token", "x"), ("actor_token_type", TYPE)])),
        "invalid_request"
    );
    assert_eq!(error(&form(own, &[("actor_token", &other)])), "invalid_request");
    assert_eq!(
        error(&form(own, &[("audience", "https://elsewhere.example.com")])),
        "invalid_request"
    );
    assert_eq!(
        error(&form(own, &[("resource", "https://elsewhere.example.com")])),
        "invalid_request"
    );
    assert_eq!(error(&form(own, &[("expires_in", "soon")])), "invalid_request");
    assert_eq!(error(&form(own, &[("scope", "a"), ("scope", "b")])), "invalid_request");
    assert_eq!(error("grant_type=client_credentials"), "invalid_request");
    assert_eq!(error(""), "invalid_request");
    let narrow = made(&server, own, &[("scope", "teller:words:say")]);
    let wider = form(&narrow, &[("scope", "github:issues:write")]);
    assert_eq!(exchange(&server, &narrow, &wider).json()["error"], "invalid_scope");
    let as_json = Request::post("/v1/token", &json!({})).token(own).send(server.agents);
    assert_eq!(as_json.status, 400);
    assert_eq!(exchange(&server, &server.person, &form(own, &[])).status, 401);
    server.end();
}
