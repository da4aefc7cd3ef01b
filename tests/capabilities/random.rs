//! Random bytes, granted and not granted.
use serde_json::json;
use toolward_gate::{Refusal, Stop};

use crate::world::{Guest, Setting};

fn setting() -> Setting {
    // The tools beside it want this one, which is granted to nobody here.
    Setting::default().guest(Guest::Relay).capability(
        "[capability.\"house:tools:call\"]\ndescription = \"Tools.\"\ninterface = \"tools\"\ntools = [\"fail\"]\nrisk = \"low\"\n",
    )
}

#[tokio::test]
async fn a_tool_draws_bytes_that_are_new_in_every_call() {
    let world = setting().world().await;
    let draw = async || {
        let output = world.call("draw", json!({ "length": 5000 })).await.unwrap();
        output.value["text"].as_str().unwrap().to_owned()
    };
    let (one, other) = (draw().await, draw().await);
    assert_eq!(one.len(), 10_000);
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_tool_without_the_capability_draws_nothing() {
    let none = setting().policy(
        r#"@id("no-random") forbid(principal, action == Action::"host:random:read", resource);"#,
    );
    let refused = none.world().await.call("draw", json!({ "length": 1 })).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
}
