//! Rates and budgets: counted at admission, settled at the end.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{Refusal, Stop, Verdict};

use crate::world::{Setting, World, person};

fn item() -> serde_json::Value {
    json!({ "id": "1" })
}

async fn world(annotation: &str) -> World {
    let policy = format!(
        "@id(\"limited\") {annotation} permit(principal, action == Action::\"call\", resource == Tool::\"read_item\");"
    );
    Setting::default().policy(&policy).world().await
}

#[tokio::test]
async fn the_call_over_the_rate_is_refused_until_the_window_has_moved_on() {
    let world = world(r#"@rate("2/minute")"#).await;
    world.call("read_item", item()).await.unwrap();
    world.clock.forward(20);
    world.call("read_item", item()).await.unwrap();
    let refused = world.call("read_item", item()).await;
    let Err(Stop::Refused(Refusal::OverRate { calls: 2, window, retry_after })) = refused else {
        panic!("{refused:?}")
    };
    let wait = Some(Duration::from_secs(40));
    assert_eq!((window, retry_after), (Duration::from_secs(60).into(), wait));
    assert_eq!(world.upstream.seen().len(), 2);
    world.clock.forward(41);
    world.call("read_item", item()).await.unwrap();
}

#[tokio::test]
async fn a_rate_is_counted_for_each_caller_and_tool() {
    let world = world(r#"@rate("1/minute")"#).await;
    world.call("read_item", item()).await.unwrap();
    assert_eq!(world.call("read_item", item()).await.unwrap_err().code(), "over-rate");
    world.fetch("/items/1").await.unwrap();
    world.call_as(&person("zoe", &["assistant"]), "read_item", item()).await.unwrap();
}

#[tokio::test]
async fn a_spent_budget_refuses_until_its_window_has_moved_on() {
    let world = world(r#"@budget("usd:1/day")"#).await;
    world.call("read_item", item()).await.unwrap();
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["cost"], 400_000);
    world.call("read_item", item()).await.unwrap();
    let refused = world.call("read_item", item()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::OverBudget))), "{refused:?}");
    let (_, closed) = world.last_entry().await;
    assert_eq!((&closed["outcome"], &closed["cost"]), (&json!("over-budget"), &json!(0)));
    world.clock.forward(24 * 3600 + 1);
    world.call("read_item", item()).await.unwrap();
}

#[tokio::test]
async fn what_was_spent_is_still_spent_after_a_restart() {
    let world = world(r#"@budget("usd:0.50/day")"#).await;
    world.call("read_item", item()).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.call("read_item", item()).await.unwrap_err().code(), "over-budget");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_once_do_not_spend_more_than_there_is() {
    let world = world(r#"@budget("usd:1/day")"#).await;
    let call = || world.call("read_item", item());
    let (one, two, three, four) = tokio::join!(call(), call(), call(), call());
    let ran = [one, two, three, four].iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((ran, world.upstream.seen().len()), (2, 2));
}

#[tokio::test]
async fn an_approval_is_not_spent_by_a_call_that_is_over_its_rate() {
    let limited = Setting::default().policy(
        r#"@id("few") @rate("1/minute") permit(principal, action == Action::"call", resource == Tool::"pay");"#,
    );
    let world = limited.world().await;
    let (one, two) = (json!({ "amount": 1, "to": "acme" }), json!({ "amount": 2, "to": "acme" }));
    for payment in [&one, &two] {
        let held = world.call("pay", payment.clone()).await;
        let Err(Stop::Held { approval, .. }) = held else { panic!("{held:?}") };
        world.decide(approval, ("ana", "payer"), Verdict::Approve).await.unwrap();
    }
    world.call("pay", one).await.unwrap();
    assert_eq!(world.call("pay", two.clone()).await.unwrap_err().code(), "over-rate");
    world.clock.forward(61);
    world.call("pay", two).await.unwrap();
    assert_eq!(world.upstream.seen().len(), 2);
}
