//! What a server may say to a tool, and what happens to a tool whose servers say too much.
use serde_json::{Value, json};
use toolward_gate::{Cause, HITS, Refusal, Stop, SwitchFeed as _, SwitchTarget};

use super::{get, told};
use crate::world::{MARKER, Setting, World};

/// The items' capability, with another response.
fn with(response: &str) -> Setting {
    Setting::default().replacing(
        "response = { content_types = [\"application/json\"], max_bytes = 65_536 }",
        &format!("response = {{ content_types = [\"application/json\"], max_bytes = 65_536, {response} }}"),
    )
}

async fn body(world: &World, target: &str) -> Value {
    world.fetch(target).await.unwrap().value["body"].clone()
}

#[tokio::test]
async fn a_tool_sees_the_fields_that_its_capability_declares() {
    let declared = with("fields = [\"/id\"]").world().await;
    let whole = World::new().await;
    let seen = format!("{}", body(&whole, "/items/7").await);
    assert!(seen.contains(MARKER), "without a projection the title passes: {seen}");
    let seen = declared.fetch("/items/7").await.unwrap();
    assert!(!seen.text().contains(MARKER) && !seen.text().contains("title"), "{}", seen.text());
    assert!(body(&declared, "/items/7").await.to_string().contains("id"));
    let names: Vec<&str> = seen.value["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    assert_eq!(names, ["content-type"]);
}

#[tokio::test]
async fn a_field_of_another_type_or_length_keeps_the_response_back() {
    let short =
        with("fields = [{ at = \"/title\", type = \"string\", max_length = 3 }]").world().await;
    assert_eq!(told(&short.fetch("/items/7").await), "response-refused");
    let long =
        with("fields = [{ at = \"/title\", type = \"string\", max_length = 80 }]").world().await;
    assert!(long.fetch("/items/7").await.unwrap().text().contains(MARKER));
    let number = with("fields = [{ at = \"/title\", type = \"integer\" }]").world().await;
    assert_eq!(told(&number.fetch("/items/7").await), "response-refused");
    let (_, closed) = number.last_entry().await;
    assert!(!closed.to_string().contains(MARKER), "{closed}");
}

/// C-37: what cannot be prevented is bounded.
#[tokio::test]
async fn what_a_server_that_colludes_can_say_is_bounded_to_a_status() {
    let world = with("status_only = true").world().await;
    for target in ["/items/7", "/items/cookie", "/items/moved-here"] {
        let seen = world.fetch(target).await.unwrap().value;
        assert_eq!((&seen["headers"], &seen["body"]), (&json!([]), &json!("")), "{target}: {seen}");
    }
    assert_eq!(world.fetch("/items/missing").await.unwrap().value["status"], 404);
}

/// C-52 and C-53.
#[tokio::test]
async fn an_allowed_host_is_allowed_for_its_paths_and_methods_only() {
    let world = World::new().await;
    for target in ["/import", "/hooks", "/items", "/attacker/items/1", "/items/1/export"] {
        assert_eq!(told(&world.fetch(target).await), "not-allowed", "{target}");
    }
    let put = json!({ "method": "PUT", "target": "/items/1" });
    assert_eq!(told(&world.call("fetch", put).await), "not-allowed");
    assert!(world.upstream.seen().is_empty());
    world.fetch("/items/1").await.unwrap();
}

/// One response that holds the credential.
async fn echo(world: &World) -> Result<toolward_sandbox::Output, Stop> {
    world.fetch("/items/echo-plain").await
}

fn is_suspended(outcome: &Result<toolward_sandbox::Output, Stop>, target: &SwitchTarget) -> bool {
    matches!(outcome, Err(Stop::Refused(Refusal::Halted(Cause::SwitchThrown(on)))) if on == target)
}

#[tokio::test]
async fn three_responses_with_the_credential_suspend_the_tool_until_somebody_lifts_it() {
    let world = World::new().await;
    let target = world.uses("shop:items:read").remove(0);
    for _ in 1..HITS {
        assert_eq!(told(&echo(&world).await), "withheld");
        world.fetch("/items/1").await.unwrap();
    }
    assert!(world.state.read().await.unwrap().thrown.is_empty(), "two do not");
    let third = echo(&world).await;
    assert!(
        matches!(&third, Err(Stop::Halted(Cause::SwitchThrown(on))) if *on == target),
        "{third:?}"
    );
    let thrown = world.state.read().await.unwrap().thrown;
    assert_eq!((thrown.len(), &thrown[0].target, thrown[0].by.as_str()), (1, &target, "toolward"));

    let before = world.upstream.seen().len();
    assert!(is_suspended(&world.fetch("/items/1").await, &target));
    assert!(
        is_suspended(&world.call("read_item", json!({ "id": "1" })).await, &target),
        "same digest"
    );
    world.call("fetch_with_key", get("/orders/1")).await.unwrap();
    assert_eq!(world.upstream.seen().len(), before + 1, "another capability goes on");

    let world = world.restarted().await;
    assert!(is_suspended(&world.fetch("/items/1").await, &target), "after a restart");
    assert!(world.state.lift(&target, "ana", "the shop mended it").await.unwrap());
    let world = world.restarted().await;
    world.fetch("/items/1").await.unwrap();
    for _ in 1..HITS {
        assert_eq!(told(&echo(&world).await), "withheld", "it counts anew");
    }
    let changes: Vec<Value> =
        world.trail().await.into_iter().filter(|one| one["record"] == "changed").collect();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(changes[0]["subject"], target.to_string());
    assert_eq!(changes[0]["reason"], "three responses held a credential");
    assert_eq!(world.verified().await.fault, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_at_once_the_third_hit_suspends_once() {
    let world = World::new().await;
    let echoes = (0..8).map(|_| echo(&world));
    let outcomes = futures::future::join_all(echoes).await;
    let withheld = outcomes.iter().filter(|one| matches!(one, Err(Stop::Failed(_)))).count();
    assert!(withheld <= 2, "{outcomes:?}");
    let changes = world.trail().await.into_iter().filter(|one| one["record"] == "changed").count();
    assert_eq!((changes, world.state.read().await.unwrap().thrown.len()), (1, 1));
}

#[tokio::test]
async fn the_record_names_the_credential_by_name_and_fingerprint() {
    let world = World::new().await;
    let note = async || {
        assert_eq!(told(&echo(&world).await), "withheld");
        world.last_entry().await.1["notes"].as_array().unwrap().last().unwrap().clone()
    };
    let (one, two) = (note().await, note().await);
    assert_eq!((&one["note"], &one["credential"]), (&json!("withheld"), &json!("shop")));
    assert!(one["fingerprint"].as_str().unwrap().starts_with("hmac-sha256:"), "{one}");
    assert_eq!(one["fingerprint"], two["fingerprint"]);
    assert!(!one.to_string().contains(world.token()));
}
