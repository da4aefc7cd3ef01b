//! Clocks and random numbers: there when a capability opens them, and no finer than they need be.
use serde_json::json;
use toolward_gate::{Cause, Stop};

use super::{refused_import, wanting};
use crate::world::{Guest, Setting};

const DEFINED: &str = r#"
[capability."host:clocks:read"]
description = "The time."
interface = "wasi-clocks"
risk = "low"
[capability."host:chance:read"]
description = "Random numbers."
interface = "wasi-random"
risk = "low"
"#;

fn both() -> Setting {
    wanting(Guest::Clockwork, &["host:clocks:read", "host:chance:read"], DEFINED)
}

#[tokio::test]
async fn a_component_with_both_reads_the_time_sleeps_and_keeps_maps() {
    let world = both().world().await;
    let now = world.call("time_now", json!({})).await.unwrap();
    assert!(now.value["result"].as_u64().unwrap() > 1_700_000_000_000);
    world.call("time_sleep", json!({ "millis": 5 })).await.unwrap();
    let letters = world.call("time_letters", json!({ "text": "aba" })).await.unwrap();
    let mut letters = letters.value["result"].as_array().unwrap().clone();
    letters.sort_by_key(ToString::to_string);
    assert_eq!(letters, [json!(["a", 2]), json!(["b", 1])]);
}

#[tokio::test]
async fn the_clocks_show_no_parts_of_a_millisecond() {
    let world = both().world().await;
    let work = world.call("time_work", json!({})).await.unwrap();
    assert_eq!(work.value["result"][0].as_u64().unwrap() % 1_000_000, 0);
    assert_eq!(work.value["result"][1], false);
}

#[tokio::test]
async fn a_component_that_sleeps_is_stopped_when_its_time_is_over() {
    let hurried = r#"@id("hurried") @ttl("100ms") permit(principal, action == Action::"call", resource == Tool::"time_sleep");"#;
    let world = both().policy(hurried).world().await;
    let stopped = world.call("time_sleep", json!({ "millis": 600_000 })).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    world.call("time_now", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_no_capability_opens_refuses_every_call_before_it_runs() {
    for (granted, missing) in [
        (vec!["host:clocks:read"], "wasi:random/"),
        (vec!["host:chance:read"], "wasi:clocks/"),
        (vec![], "wasi:"),
    ] {
        let world = wanting(Guest::Clockwork, &granted, DEFINED).world().await;
        let outcome = world.call("time_letters", json!({ "text": "a" })).await;
        assert!(refused_import(&outcome).starts_with(missing), "{outcome:?}");
        let (_, closed) = world.last_entry().await;
        assert_eq!(closed["outcome"], "not-linked", "{closed}");
    }
}
