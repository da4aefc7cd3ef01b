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
async fn the_fields_of_a_line_are_in_the_audit_entry_and_hide_nothing() {
    let world = World::new().await;
    world.call("annotate", json!({ "count": 3 })).await.unwrap();
    let (_, closed) = world.last_entry().await;
    let notes = closed["notes"].as_array().unwrap();
    let logged: Vec<&Value> = notes.iter().filter(|note| note["note"] == "logged").collect();
    let fields = json!({ "parcels": "3", "to": "acme\\n\\u{202e}" });
    assert_eq!(
        (&logged[0]["message"], &logged[0]["level"], &logged[0]["fields"]),
        (&json!("packed 3 parcels"), &json!("info"), &fields)
    );
    assert!(logged[1].get("fields").is_none(), "{}", logged[1]);
    assert_eq!(logged[2]["fields"], json!({ "a b": "3", "": "2" }));
}

#[tokio::test]
async fn a_tool_without_the_capability_works_and_writes_nothing() {
    let none = Setting::default().policy(
        r#"@id("no-log") forbid(principal, action == Action::"host:log:write", resource);"#,
    );
    assert!(logged(&none.world().await).await.is_empty());
}
