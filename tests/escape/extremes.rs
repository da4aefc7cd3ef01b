//! Requests and limits of sizes that nobody needs.
use serde_json::{Value, json};
use toolward_gate::Stop;

use super::told;
use crate::world::World;

async fn with_fields(world: &World, fields: Vec<Value>) -> Option<String> {
    let wire = json!({ "method": "GET", "target": "/items/1", "headers": fields });
    match world.call("fetch", wire).await {
        Ok(_) => None,
        Err(Stop::Limit(limit)) => Some(format!("{limit:?}")),
        outcome @ Err(_) => Some(told(&outcome).to_owned()),
    }
}

fn accept(value: &str) -> Value {
    json!({ "name": "accept", "value": value })
}

///
#[tokio::test]
async fn more_header_fields_than_a_request_may_have_do_not_leave() {
    let world = World::new().await;
    // Arguments with more do not come through a door: they would be more values than a call may have.
    for count in [10_000, 24_577] {
        assert!(with_fields(&world, vec![accept("a/b"); count]).await.is_some(), "{count}");
    }
    let long = "x".repeat(1 << 20);
    assert!(with_fields(&world, vec![accept(&long)]).await.is_some());
    assert!(world.upstream.seen().is_empty());
    assert_eq!(with_fields(&world, vec![accept("a/b")]).await, None);
    assert_eq!(world.upstream.seen().len(), 1);
}

///
#[tokio::test]
async fn a_target_of_any_length_is_sent_or_refused() {
    let world = World::new().await;
    for length in [65_535, 65_536, 1 << 20] {
        let target = format!("/items/{}", "a".repeat(length - 7));
        assert_eq!(told(&world.fetch(&target).await), "not-allowed", "{length}");
    }
    assert!(world.upstream.seen().is_empty());
    world.fetch(&format!("/items/{}", "a".repeat(200))).await.unwrap();
}

///
#[tokio::test]
async fn a_time_of_any_length_narrows_or_is_refused() {
    let world = World::new().await;
    let millis = [0, 1, 1 << 40, (1_u64 << 53) - 1];
    let output = world.call("narrow_time", json!({ "millis": millis })).await.unwrap();
    let answers = output.value["answers"].as_array().unwrap();
    assert_eq!(answers[1], "narrower");
    let known =
        |answer: &Value| ["narrower", "NotNarrower", "Expired"].iter().any(|one| answer == one);
    assert!(answers.len() == millis.len() && answers.iter().all(known), "{answers:?}");
}

/// [B-09]
#[tokio::test]
async fn a_handle_whose_time_is_over_sends_nothing_more() {
    let world = World::new().await;
    let outcome = world.call("outlive", json!({ "id": "1" })).await;
    assert_eq!(told(&outcome), "refused");
    // The one that it sent in time.
    assert_eq!(world.upstream.seen().len(), 1);
}
