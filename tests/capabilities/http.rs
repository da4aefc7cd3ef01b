//! Requests, granted and not granted.
use serde_json::json;
use toolward_gate::{Refusal, Stop};

use crate::world::{MARKER, Setting, World};

#[tokio::test]
async fn a_tool_sends_a_request_under_the_capability() {
    let world = World::new().await;
    let output = world.call("read_item", json!({ "id": "1" })).await.unwrap();
    assert_eq!(output.value["title"], MARKER);
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_tool_without_the_capability_sends_nothing() {
    let none = Setting::default().policy(
        r#"@id("no-items") forbid(principal, action == Action::"shop:items:read", resource);"#,
    );
    let world = none.world().await;
    let refused = world.call("read_item", json!({ "id": "1" })).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    assert!(world.upstream.seen().is_empty());
}
