//! How handles end: with their time, also while a request is in flight, and when they are misused.
use serde_json::json;
use toolward_gate::{Cause, Stop, SwitchTarget};

use crate::world::{Guest, Setting, World};

async fn world() -> World {
    let permitted = Setting::default().guest(Guest::Relay).policy(
        r#"@id("relay-items") permit(principal, action == Action::"shop:items:read", resource in Component::"relay");"#,
    );
    // The tools beside it want this one, which is granted to nobody here.
    let defined = permitted.capability(
        "[capability.\"house:tools:call\"]\ndescription = \"Tools.\"\ninterface = \"tools\"\ntools = [\"fail\"]\nrisk = \"low\"\n",
    );
    defined.world().await
}

async fn hurried(world: &World, path: &str, time_ms: u64) -> Result<String, Stop> {
    let output = world.call("hurry", json!({ "path": path, "time_ms": time_ms })).await?;
    Ok(output.value["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_handle_whose_time_ends_takes_the_request_in_flight_with_it_and_not_the_call() {
    let world = world().await;
    let hurried = hurried(&world, "/items/slow", 300);
    let (said, ()) = tokio::join!(hurried, world.upstream.slow_ended());
    let over = "refused: the handle's time is over";
    assert_eq!(said.unwrap(), format!("{over}, then {over}, and 200"));
    let (_, closed) = world.last_entry().await;
    let codes: Vec<&str> = closed["notes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|note| note["code"].as_str())
        .collect();
    assert_eq!(codes, ["abandoned", "handle-expired"]);
}

#[tokio::test]
async fn a_handle_whose_time_lasts_is_good_for_both() {
    let world = world().await;
    let said = hurried(&world, "/items/2", 25_000).await.unwrap();
    assert_eq!(said, "200, then 200, and 200");
}

#[tokio::test]
async fn a_switch_ends_a_narrowed_handle_with_its_request_and_its_call() {
    let world = world().await;
    let target = SwitchTarget::Capability("shop:items:read".to_owned());
    let throw = async {
        world.upstream.slow_began().await;
        world.throw(target.clone()).await;
        world.upstream.slow_ended().await;
    };
    let (outcome, ()) = tokio::join!(hurried(&world, "/items/slow", 25_000), throw);
    assert!(
        matches!(&outcome, Err(Stop::Halted(Cause::SwitchThrown(one))) if *one == target),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_handle_that_is_dropped_is_gone_and_a_misuse_ends_the_tool() {
    let world = world().await;
    for how in ["drop twice", "use after drop", "drop another's"] {
        let trapped = world.call("misuse", json!({ "how": how })).await;
        assert!(matches!(trapped, Err(Stop::Trapped { .. })), "{how}: {trapped:?}");
    }
    let good = world.call("misuse", json!({ "how": "none" })).await.unwrap();
    assert_eq!(good.value["text"], "shop:items:read is still good");
}
