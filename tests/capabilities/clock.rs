//! The time, as finely as the capability says.
use serde_json::json;
use toolward_gate::{Clock as _, Refusal, Stop, SystemClock};

use crate::world::{Setting, World};

async fn told(world: &World) -> u64 {
    let output = world.call("read_clock", json!({})).await.unwrap();
    output.value["text"].as_str().unwrap().parse().unwrap()
}

fn now() -> u64 {
    u64::try_from(SystemClock.now().as_millisecond()).unwrap()
}

#[tokio::test]
async fn a_tool_is_told_the_time_of_this_machine() {
    let world = World::new().await;
    let before = now();
    let told = told(&world).await;
    assert!((before..=now()).contains(&told), "{before} {told}");
}

#[tokio::test]
async fn a_coarse_clock_tells_coarse_times() {
    let coarse = Setting::default().replacing(
        "[capability.\"host:clock:read\"]\ndescription = \"The time.\"\ninterface = \"clock\"\n",
        "[capability.\"host:clock:read\"]\ndescription = \"The day.\"\ninterface = \"clock\"\nresolution_ms = 86_400_000\n",
    );
    let world = coarse.world().await;
    let before = now();
    let told = told(&world).await;
    assert_eq!(told % 86_400_000, 0);
    assert!(before - told < 2 * 86_400_000, "{before} {told}");
}

#[tokio::test]
async fn a_tool_without_the_capability_is_not_linked_to_the_clock() {
    let none = Setting::default().policy(
        r#"@id("no-clock") forbid(principal, action == Action::"host:clock:read", resource);"#,
    );
    let refused = none.world().await.call("read_clock", json!({})).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
}
