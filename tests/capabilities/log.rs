//! Lines for the operator, granted and not granted.
use serde_json::{Value, json};

use crate::world::{Setting, World};

async fn logged(world: &World) -> Vec<Value> {
    world.call("chatter", json!({ "count": 3 })).await.unwrap();
    let (_, closed) = world.last_entry().await;
    let notes = closed["notes"].as_array().unwrap();
    notes.iter().filter(|note| note["note"] == "logged").cloned().collect()
}

#[tokio::test]
async fn a_tool_writes_lines_into_the_audit_entry_of_its_call() {
    let lines = logged(&World::new().await).await;
    let said: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(said, ["line 0", "line 1", "line 2"]);
}

#[tokio::test]
async fn a_tool_without_the_capability_works_and_writes_nothing() {
    let none = Setting::default().policy(
        r#"@id("no-log") forbid(principal, action == Action::"host:log:write", resource);"#,
    );
    assert!(logged(&none.world().await).await.is_empty());
}
