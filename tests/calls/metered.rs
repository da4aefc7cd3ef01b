//! Requests that are charged what their responses say.
use serde_json::{Value, json};
use toolward_gate::{Refusal, Stop};

use crate::world::{Setting, World};

/// A word costs a cent, and a request 10 dollars and 1,000 words at most.
const METER: &str = "cost = \"usd:0.50\"\nmeter = { max = \"usd:10\", max_tokens = 1000, quantities = { words = { at = \"/usage/words\", tokens = true, price = \"usd:0.01\" } } }\n";

async fn world(annotation: &str) -> World {
    let policy = format!(
        "@id(\"limited\") {annotation} permit(principal, action == Action::\"call\", resource == Tool::\"fetch\");"
    );
    Setting::default().replacing("cost = \"usd:0.40\"\n", METER).policy(&policy).world().await
}

async fn closed(world: &World) -> Value {
    world.last_entry().await.1
}

fn is_over_budget<T: std::fmt::Debug>(outcome: &Result<T, Stop>) -> bool {
    matches!(outcome, Err(Stop::Refused(Refusal::OverBudget)))
}

#[tokio::test]
async fn a_call_is_charged_its_cost_and_what_its_response_says() {
    let world = world(r#"@budget("usd:15/day")"#).await;
    world.fetch("/items/words").await.unwrap();
    let entry = closed(&world).await;
    assert_eq!((&entry["cost"], &entry["tokens"]), (&json!(2_500_000), &json!(200)));
    let note = entry["notes"].as_array().unwrap().last().unwrap();
    let charge = json!({ "cost": 2_000_000, "tokens": 200, "quantities": { "words": 200 } });
    assert_eq!(note["charge"], charge);
    // 2.50 each, and 10.50 must fit before.
    world.fetch("/items/words").await.unwrap();
    let refused = world.fetch("/items/words").await;
    assert!(is_over_budget(&refused), "{refused:?}");
    let world = world.restarted().await;
    assert!(is_over_budget(&world.fetch("/items/words").await), "after a restart");
    assert_eq!(world.upstream.seen().len(), 2);
    world.clock.forward(24 * 3600 + 1);
    world.fetch("/items/words").await.unwrap();
}

#[tokio::test]
async fn a_call_whose_response_does_not_say_is_charged_the_most() {
    let world = world(r#"@budget("usd:15/day")"#).await;
    world.fetch("/items/1").await.unwrap();
    let entry = closed(&world).await;
    assert_eq!((&entry["cost"], &entry["tokens"]), (&json!(10_500_000), &json!(1_000)));
    assert_eq!(
        entry["notes"].as_array().unwrap().last().unwrap()["charge"]["quantities"],
        json!({})
    );
    assert!(is_over_budget(&world.fetch("/items/words").await));
}

#[tokio::test]
async fn tokens_are_a_budget_of_their_own() {
    let world = world(r#"@budget("tokens:1300/day")"#).await;
    for _ in 0..2 {
        world.fetch("/items/words").await.unwrap();
    }
    assert!(is_over_budget(&world.fetch("/items/words").await), "400 used, and 1,000 must fit");
    assert_eq!(world.upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_tool_that_sends_nothing_is_not_charged_for_requests() {
    let world = world(r#"@budget("usd:11/day")"#).await;
    for _ in 0..2 {
        let refused = world.fetch("/payments").await;
        assert!(matches!(refused, Err(Stop::Failed(_))), "{refused:?}");
        assert_eq!(closed(&world).await["cost"], 500_000);
    }
    assert!(is_over_budget(&world.fetch("/payments").await), "1 used, and 10.50 must fit");
}

/// H-03: who cancels has the request charged all the same.
#[tokio::test]
async fn a_cancelled_call_is_charged_what_it_had_set_aside() {
    let world = world(r#"@budget("usd:15/day")"#).await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let call = world.read("fetch", &json!({ "method": "GET", "target": "/items/slow" }));
    let performing = world.host.perform_unless(call, async { drop(cancelled.await) });
    let cancelling = async {
        world.upstream.slow_began().await;
        cancel.send(()).unwrap();
    };
    let (outcome, ()) = tokio::join!(performing, cancelling);
    assert!(matches!(outcome, Err(Stop::Cancelled)), "{outcome:?}");
    let entry = closed(&world).await;
    assert_eq!((&entry["cost"], &entry["tokens"]), (&json!(10_500_000), &json!(1_000)));
    assert!(is_over_budget(&world.fetch("/items/words").await));
}
