//! Requests through `wasi:http`: the same way out as for every tool.
use serde_json::{Value, json};
use toolward_gate::Stop;

use super::{refused_import, wanting};
use crate::world::{ECHOES, Guest, MARKER, Setting, World};

fn shopping() -> Setting {
    wanting(Guest::Client, &["shop:items:read"], "")
}

/// What the client reports: the response, or the error it was told.
pub(super) async fn sends(world: &World, request: Value) -> Result<Value, String> {
    let mut request = request;
    for (key, value) in [("method", json!("GET")), ("headers", json!([])), ("body", json!(""))] {
        if request.get(key).is_none() {
            request[key] = value;
        }
    }
    match world.call("shop_send", json!({ "request": request })).await {
        Ok(output) => Ok(output.value),
        Err(Stop::Failed(failure)) => Err(failure.message),
        Err(other) => panic!("{other:?}"),
    }
}

async fn gets(world: &World, path: &str) -> Result<Value, String> {
    sends(world, json!({ "url": format!("{}{path}", world.upstream.origin()) })).await
}

#[tokio::test]
async fn an_unmodified_client_is_answered_and_never_sees_the_credential() {
    let world = shopping().world().await;
    let answer = gets(&world, "/items/1?page=2").await.unwrap();
    assert_eq!(answer["status"], 200);
    assert!(answer["body"].as_str().unwrap().contains(MARKER));
    let seen = world.upstream.seen();
    assert_eq!((seen.len(), seen[0].target.as_str()), (1, "/items/1?page=2"));
    assert_eq!(seen[0].header("authorization"), Some(&*format!("Bearer {}", world.token())));
    assert!(!answer.to_string().contains(world.token()));
    let trail = serde_json::to_string(&world.trail().await).unwrap();
    assert!(trail.contains("/items/{id}") && !trail.contains(world.token()));
}

#[tokio::test]
async fn a_shop_behind_tls_is_reached_by_its_name() {
    let world = Setting { tls: true, ..shopping() }.world().await;
    assert_eq!(gets(&world, "/items/1").await.unwrap()["status"], 200);
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_body_arrives_whole_and_headers_that_the_host_writes_are_left_out() {
    let world = shopping().world().await;
    let text = "{\"a\":1}";
    let headers = json!([
        { "name": "content-type", "value": "application/json" },
        { "name": "user-agent", "value": "a-client/1" },
        { "name": "accept-encoding", "value": "gzip" },
        { "name": "content-length", "value": text.len().to_string() },
    ]);
    let url = format!("{}/items/1", world.upstream.origin());
    sends(&world, json!({ "method": "POST", "url": url, "headers": headers, "body": text }))
        .await
        .unwrap();
    let seen = &world.upstream.seen()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("POST", text));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(seen.header("user-agent").unwrap().starts_with("toolward/"));
    assert_ne!(seen.header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn what_no_granted_capability_allows_is_denied() {
    let world = shopping().world().await;
    let origin = world.upstream.origin();
    let (_, port) = origin.rsplit_once(':').unwrap();
    let wrong = [
        json!({ "url": format!("http://127.0.0.1:1{}", "/items/1") }),
        json!({ "url": "http://elsewhere.example/items/1" }),
        json!({ "url": format!("https://127.0.0.1:{port}/items/1") }),
        json!({ "url": format!("http://127.0.0.2:{port}/items/1") }),
        json!({ "url": format!("http://0x7f000001:{port}/items/1") }),
        json!({ "url": format!("{origin}/orders/1") }),
        json!({ "url": format!("{origin}/extras") }),
        json!({ "url": format!("{origin}/items/1/more") }),
        json!({ "url": format!("{origin}/items/%2e%2e") }),
        json!({ "url": format!("{origin}/items/..") }),
        json!({ "url": format!("{origin}//items/1") }),
        json!({ "url": format!("{origin}/items/1?other=2") }),
        json!({ "url": format!("{origin}/items/1"), "method": "DELETE" }),
        json!({ "url": format!("{origin}/items/1"), "method": "CONNECT" }),
        json!({ "url": format!("{origin}/items/1"), "headers": [{ "name": "authorization", "value": "Bearer mine" }] }),
        json!({ "url": format!("{origin}/items/1"), "headers": [{ "name": "x-forwarded-for", "value": "10.0.0.1" }] }),
        json!({ "url": format!("{origin}/items/1"), "headers": [{ "name": "cookie", "value": "a=b" }] }),
    ];
    for request in wrong {
        let error = sends(&world, request.clone()).await.unwrap_err();
        assert!(error.contains("HttpRequestDenied"), "{request}: {error}");
    }
    let userinfo = json!({ "url": format!("http://user@127.0.0.1:{port}/items/1") });
    let error = sends(&world, userinfo).await.unwrap_err();
    assert!(error.contains("HttpRequestUriInvalid"), "{error}");
    assert!(world.upstream.seen().is_empty());
    gets(&world, "/items/1").await.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn what_was_denied_is_in_the_audit_entry() {
    let world = shopping().world().await;
    gets(&world, "/extras").await.unwrap_err();
    let (_, closed) = world.last_entry().await;
    let last = closed["notes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["capability"], &last["code"]), (&json!("wasi-http"), &json!("not-allowed")));
}

#[tokio::test]
async fn a_body_over_the_capabilitys_limit_does_not_leave() {
    let world = shopping().world().await;
    let url = format!("{}/items/1", world.upstream.origin());
    let with = |length: usize| json!({ "method": "POST", "url": url, "body": "x".repeat(length) });
    sends(&world, with(1024)).await.unwrap();
    let error = sends(&world, with(1025)).await.unwrap_err();
    assert!(error.contains("HttpRequestBodySize"), "{error}");
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_response_that_gives_the_credential_back_is_withheld() {
    let world = shopping().world().await;
    for echo in ECHOES {
        let error = gets(&world, &format!("/items/{echo}")).await.unwrap_err();
        assert!(error.contains("held a credential"), "{echo}: {error}");
        world.forgive("shop:items:read").await;
    }
    let error = gets(&world, "/items/large").await.unwrap_err();
    assert!(error.contains("HttpResponseBodySize"), "{error}");
    let error = gets(&world, "/items/page").await.unwrap_err();
    assert!(error.contains("InternalError"), "{error}");
    assert!(gets(&world, "/items/1").await.is_ok());
}

#[tokio::test]
async fn a_request_that_the_tool_does_not_wait_for_is_in_the_audit_entry_all_the_same() {
    let world = shopping().world().await;
    let url = format!("{}/items/slow", world.upstream.origin());
    for _ in 0..8 {
        world.call("shop_begin", json!({ "url": url })).await.unwrap();
        let (_, closed) = world.last_entry().await;
        let told = closed["notes"].to_string();
        let left = told.contains("unanswered");
        // It was aborted before or after it left; what left is told.
        assert!(left || !told.contains("/items/{id}"), "{told}");
    }
    let seen = world.upstream.seen().len();
    let entries = world.trail().await;
    let told = entries.iter().filter(|one| one.to_string().contains("unanswered")).count();
    assert!(told >= seen, "{seen} were seen, and {told} told");
}

#[tokio::test]
async fn a_client_that_waits_for_an_answer_is_stopped_when_its_time_is_over() {
    let hurried = r#"@id("hurried") @ttl("300ms") permit(principal, action == Action::"call", resource == Tool::"shop_send");"#;
    let world = shopping().policy(hurried).world().await;
    let url = format!("{}/items/slow", world.upstream.origin());
    let request = json!({ "method": "GET", "url": url, "headers": [], "body": "" });
    let stopped = world.call("shop_send", json!({ "request": request })).await;
    assert!(matches!(stopped, Err(Stop::Halted(toolward_gate::Cause::TimeOver))), "{stopped:?}");
    world.upstream.slow_ended().await;
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["notes"].as_array().unwrap().last().unwrap()["code"], "time-over");
}

#[tokio::test]
async fn without_a_capability_over_http_nothing_of_it_runs() {
    let world = wanting(Guest::Client, &[], "").world().await;
    let outcome = world.call("shop_key", json!({})).await;
    assert!(refused_import(&outcome).starts_with("wasi:http/"), "{outcome:?}");
}
