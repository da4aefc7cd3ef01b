//! What is taken back counts for the next call of a host that serves: it is asked for each, and nothing is waited for.
//!
//! Every claim is about the first request that begins after the command has ended, so that there is no time to be
//! lucky in.
use serde_json::json;

use super::{server::Server, wire::Request};
use crate::cli::Place;

/// The codes of the same call by REST and by MCP.
fn calls(server: &Server, token: &str) -> [u16; 2] {
    let arguments = json!({ "owner": "acme", "repo": "site" });
    let call = json!({ "tool": "list_issues", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mcp =
        Request::post("/mcp", &message).field("accept", "application/json, text/event-stream");
    let ask = |request: Request| request.token(token).send(server.agents).status;
    [ask(Request::post("/v1/calls", &call)), ask(mcp)]
}

const TAKEN: [u16; 2] = [200, 200];
const UNKNOWN: [u16; 2] = [401, 401];

/// E-17.
#[test]
fn what_is_revoked_is_refused_from_the_first_call_after_it_and_nobody_else_is() {
    let keys = "[authentication]\napi_keys = true";
    let server = Server::at(Place::with(&["github-issues"]), keys);
    let own = |line: &str| server.place.run(line).exits(0).out.trim().to_owned();
    let other = server.mint("--id agent-8 --role assistant");
    let key = own("api-key create --id build --role assistant --for 1h");
    server.place.write("own.token", &server.agent);
    for token in [&server.agent, &other, &key] {
        assert_eq!(calls(&server, token), TAKEN);
    }
    own("token revoke own.token --reason lost");
    assert_eq!(calls(&server, &server.agent), UNKNOWN);
    own("token allow own.token --reason found");
    // What ends running calls is read several times a second: only what stops is known at once.
    while calls(&server, &server.agent) != TAKEN {
        std::thread::yield_now();
    }
    own("token revoke --subject agent-7 --before 2999-01-01T00:00:00Z --reason lost");
    assert_eq!((calls(&server, &server.agent), calls(&server, &other)), (UNKNOWN, TAKEN));
    own("token revoke --issuer urn:toolward:development --reason 'broken into'");
    assert_eq!((calls(&server, &other), calls(&server, &key)), (UNKNOWN, TAKEN));
    let listed = server.place.run("api-key list --json").exits(0).json();
    let id = listed["api_keys"][0]["id"].as_str().unwrap();
    own(&format!("api-key revoke {id} --reason lost"));
    assert_eq!(calls(&server, &key), UNKNOWN);
    server.end();
}

/// B-10.
#[test]
fn a_secret_and_a_grant_that_are_taken_back_are_used_by_no_call_after_it() {
    let place = Place::with(&["github-issues"]);
    place.change(
        "toolward.toml",
        "[credential.github]\n",
        "[credential.github]\nowners = [\"principal:ana\"]\n",
    );
    let grant = "secret grant github --to principal:agent-7 --for 1h --reason spring";
    place.run(grant).exits(0);
    let server = Server::at(place, "");
    let run = |line: &str| drop(server.place.run(line).exits(0));
    let seen = || server.place.upstream.seen().len();
    let call = || calls(&server, &server.agent)[0];
    assert_eq!((call(), seen()), (200, 1));
    run("secret revoke github --to principal:agent-7");
    assert_eq!((call(), seen()), (403, 1));
    run(grant);
    assert_eq!((call(), seen()), (200, 2));
    run("secret rm github-token");
    assert_ne!(call(), 200);
    assert_eq!(seen(), 2);
    drop(server.place.run_with("secret set github-token", crate::cli::TOKEN).exits(0));
    assert_eq!((call(), seen()), (200, 3));
    server.end();
}
