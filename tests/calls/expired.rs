//! What ends with time: calls, tokens, questions, answers and handles.
use serde_json::json;
use toolward_gate::{Cause, Identity, Principal, Refusal, Stop, Verdict};

use crate::world::{Guest, Setting, World, agent};

/// A world in which a tool has this long.
async fn hurried(tool: &str, time: &str) -> World {
    let policy = format!(
        "@id(\"hurried\") @ttl(\"{time}\") permit(principal, action == Action::\"call\", resource == Tool::\"{tool}\");"
    );
    Setting::default().policy(&policy).world().await
}

#[tokio::test]
async fn a_tool_that_loops_is_stopped_when_its_time_is_over() {
    let world = hurried("spin", "50ms").await;
    let stopped = world.call("spin", json!({})).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_tool_that_waits_for_an_answer_is_stopped_when_its_time_is_over() {
    let world = hurried("fetch", "1s").await;
    let stopped = world.fetch("/items/slow").await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    world.upstream.slow_ended().await;
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["notes"].as_array().unwrap().last().unwrap()["code"], "time-over");
}

#[tokio::test]
async fn a_tool_that_does_not_get_past_its_start_is_stopped_too() {
    let eager = Setting::default().guest(Guest::Eager).policy(
        r#"@id("hurried") @ttl("50ms") permit(principal, action == Action::"call", resource in Component::"eager");"#,
    );
    let world = eager.world().await;
    let stopped = world.call("never_begin", json!({})).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

/// Someone whose token is good for so many seconds from noon.
fn until(world: &World, seconds: i64) -> Principal {
    let now = toolward_gate::Clock::now(world.clock.as_ref());
    let ends_at = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    Principal::authenticated(Identity { ends_at: Some(ends_at), ..agent() })
}

#[tokio::test]
async fn a_token_that_has_ended_starts_nothing() {
    let world = World::new().await;
    let caller = until(&world, 60);
    world.call_as(&caller, "read_item", json!({ "id": "1" })).await.unwrap();
    world.clock.forward(60);
    let refused = world.call_as(&caller, "read_item", json!({ "id": "1" })).await;
    assert!(
        matches!(refused, Err(Stop::Refused(Refusal::Halted(Cause::IdentityEnded)))),
        "{refused:?}"
    );
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_mid_flight_ends_the_call() {
    let world = World::new().await;
    let caller = until(&world, 1);
    let wire = json!({ "method": "GET", "target": "/items/slow" });
    let stopped = world.call_as(&caller, "fetch", wire).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::IdentityEnded))), "{stopped:?}");
    world.upstream.slow_ended().await;
}

#[tokio::test]
async fn a_yes_does_not_last_for_ever() {
    let world = World::new().await;
    let payment = json!({ "amount": 100, "to": "acme" });
    let Err(Stop::Held { approval, .. }) = world.call("pay", payment.clone()).await else {
        panic!()
    };
    world.decide(approval, ("ana", "payer"), Verdict::Approve).await.unwrap();
    world.clock.forward(15 * 60);
    let again = world.call("pay", payment).await;
    assert!(
        matches!(&again, Err(Stop::Held { approval: other, .. }) if *other != approval),
        "{again:?}"
    );
    let late = world.decide(approval, ("bob", "payer"), Verdict::Approve).await;
    assert!(late.is_err());
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_handle_for_one_use_is_good_for_one() {
    let world = World::new().await;
    let failed = world.call("use_twice", json!({ "id": "1" })).await;
    let Err(Stop::Failed(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!(failure.code, "refused");
    assert_eq!(world.upstream.seen().len(), 1);
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["notes"].as_array().unwrap().last().unwrap()["code"], "handle-spent");
}
