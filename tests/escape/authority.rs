//! Names that were not granted, handles that were made up, and what outlives a call.
use serde_json::json;
use toolward_gate::Stop;

use crate::world::World;

#[tokio::test]
async fn a_name_that_exists_and_one_that_does_not_are_refused_alike() {
    let world = World::new().await;
    let names = [
        "shop:items:read",
        "shop:vault:open",
        "shop:nothing:read",
        "shop:items:read ",
        "SHOP:ITEMS:READ",
        "shop:items:*",
        "*",
        "",
        "shop:items:read\u{0}",
        "shop",
    ];
    let output = world.call("ask_for", json!({ "names": names })).await.unwrap();
    let answers = output.value["answers"].as_array().unwrap();
    assert_eq!(answers[0], "lent shop:items:read");
    assert!(answers[1..].iter().all(|answer| answer == "NotGranted"), "{answers:?}");
}

#[tokio::test]
async fn a_handle_that_another_tool_would_get_is_not_to_be_had() {
    let world = World::new().await;
    let names = ["shop:payments:create", "shop:orders:read", "host:clock:read"];
    let output = world.call("ask_for", json!({ "names": names })).await.unwrap();
    assert_eq!(output.value["answers"], json!(["NotGranted", "NotGranted", "NotGranted"]));
}

#[tokio::test]
async fn a_handles_number_that_is_made_up_ends_the_tool() {
    let world = World::new().await;
    for handle in [0, 2, 7, 64, 1024, 65_536, i32::MAX, -1, i32::MIN] {
        let trapped = world.call("guess", json!({ "handle": handle })).await;
        assert!(matches!(trapped, Err(Stop::Trapped { .. })), "{handle}: {trapped:?}");
    }
    // The one number that the tool was lent is good.
    world.call("guess", json!({ "handle": 1 })).await.unwrap();
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn nothing_that_a_tool_keeps_is_there_in_the_next_call() {
    let world = World::new().await;
    for _ in 0..3 {
        let output = world.call("keep", json!({})).await.unwrap();
        assert_eq!(output.value["text"], "nothing was kept");
    }
}
