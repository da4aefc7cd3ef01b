//! Progress, granted and not granted.
use serde_json::json;
use tokio::sync::mpsc;
use toolward_gate::{Progress, Refusal, Stop};

use crate::world::{Setting, World};

#[tokio::test]
async fn a_tool_tells_its_caller_how_far_it_is_and_waits_for_a_slow_reader() {
    let world = World::new().await;
    let (to, mut heard) = mpsc::channel::<Progress>(1);
    let listen = async {
        let mut steps = Vec::new();
        while let Some(progress) = heard.recv().await {
            steps.push(progress.done);
        }
        steps
    };
    let (outcome, steps) =
        tokio::join!(world.call_heard("report", json!({ "steps": 20 }), to), listen);
    assert_eq!(outcome.unwrap().value["text"], "20 heard");
    assert_eq!(steps, (1..=20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_tool_without_the_capability_tells_nobody() {
    let none = Setting::default().policy(
        r#"@id("no-progress") forbid(principal, action == Action::"host:progress:report", resource);"#,
    );
    let world = none.world().await;
    let (to, mut heard) = mpsc::channel(32);
    let refused = world.call_heard("report", json!({ "steps": 3 }), to).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    assert!(heard.recv().await.is_none());
}
