//! Shaking hands, listing and calling.
use insta::assert_json_snapshot;
use serde_json::json;

use super::client::Client;
use crate::cli::{Place, TOKEN};

#[test]
fn a_client_shakes_hands_and_learns_what_held_means() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::silent(&place);
    assert_json_snapshot!(client.initialize());
    assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
    assert_eq!(client.hang_up(&place).exits(0).err, "");
}

#[test]
fn tools_are_listed_with_both_schemas_and_their_annotations() {
    let place = Place::without_secrets(&["teller", "payments"]);
    let mut client = Client::connected(&place);
    let listed = client.ask("tools/list", json!({}))["result"].clone();
    let names: Vec<_> =
        listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["count", "crash", "create_charge", "recite", "refuse", "say"]);
    assert_json_snapshot!(listed);
    client.hang_up(&place).exits(0);
}

#[test]
fn a_call_reaches_the_upstream_with_the_credential_and_comes_back_as_data_and_as_text() {
    let place = Place::with(&["github-issues"]);
    let mut client = Client::connected(&place);
    let result = client.call("list_issues", json!({ "owner": "acme", "repo": "site" }));
    assert_ne!(result["isError"], true);
    assert_eq!(result["structuredContent"]["issues"][0]["title"], "Broken link");
    let text = result["content"][0]["text"].as_str().unwrap();
    let same: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(same, result["structuredContent"]);
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {TOKEN}"));
    client.hang_up(&place).exits(0);
    let trail = place.run("audit tail").exits(0);
    assert!(trail.out.contains("agent-7 calls list_issues through mcp-stdio"), "{}", trail.told());
}

#[test]
fn every_call_that_does_not_succeed_is_told_to_the_model_with_a_code() {
    let place = Place::with(&["github-issues", "hostile", "teller"]);
    let mut client = Client::connected(&place);
    let mut told = Vec::new();
    for (tool, arguments, code) in [
        ("refuse", json!({}), "no-luck"),
        ("crash", json!({}), "tool-crashed"),
        ("spin", json!({}), "time-over"),
        ("say", json!({ "text": 1 }), "arguments"),
        ("say", json!({}), "arguments"),
        ("fetch_debug_page", json!({ "page": "echo" }), "withheld"),
        ("open_issue", json!({ "owner": "evil", "repo": "r", "title": "t" }), "not-granted"),
    ] {
        let result = client.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(result["_meta"]["toolward/code"], code, "{result}");
        // Clients hold structured content against the tool's output schema, which is about success.
        assert!(result.get("structuredContent").is_none(), "{result}");
        told.push(result["content"][0]["text"].as_str().unwrap().to_owned());
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_ne!(client.call("say", json!({ "text": "still here" }))["isError"], true);
    client.hang_up(&place).exits(0);
}

#[test]
fn calls_of_one_connection_run_beside_each_other() {
    let place = Place::with(&["hostile", "teller"]);
    let mut client = Client::connected(&place);
    client.request_call("fetch_debug_page", json!({ "page": "slow" }));
    place.upstream.slow_began();
    let said = client.call("say", json!({ "text": "meanwhile" }));
    assert_eq!(said["structuredContent"]["text"], "meanwhile");
    client.hang_up(&place).exits(0);
}

#[test]
fn the_log_at_its_loudest_stays_on_standard_error_and_holds_no_secret() {
    let place = Place::with(&["github-issues"]);
    let mut client = Client::loud(&place);
    client.initialize();
    client.call("list_issues", json!({ "owner": "acme", "repo": "site" }));
    assert!(place.upstream.seen()[0].authorization.contains(TOKEN));
    // Each line that came was read as JSON-RPC, and neither stream holds a secret.
    let ran = client.hang_up(&place).exits(0);
    assert!(ran.err.contains("serving MCP on standard input and output"), "{}", ran.told());
    assert_eq!(ran.out.lines().count(), 2);
}
