//! What tools remember: for whom, how much, and under which handle.
use serde_json::json;
use toolward_gate::{Identity, Principal, Refusal, Stop};

use crate::world::{Setting, World, agent};

/// What the tool said, or the code of its failure.
async fn said(world: &World, tool: &str, arguments: serde_json::Value) -> String {
    said_to(world, &world.agent, tool, arguments).await
}

async fn said_to(
    world: &World,
    caller: &Principal,
    tool: &str,
    arguments: serde_json::Value,
) -> String {
    match world.call_as(caller, tool, arguments).await {
        Ok(output) => output.value["text"].as_str().unwrap().to_owned(),
        Err(Stop::Failed(failure)) => failure.code,
        Err(other) => panic!("{other:?}"),
    }
}

async fn remembering() -> World {
    Setting { remembers: true, ..Setting::default() }.world().await
}

async fn write(world: &World, key: &str, value: &str) -> String {
    said(world, "remember", json!({ "key": key, "value": value })).await
}

async fn read(world: &World, key: &str) -> String {
    said(world, "remember", json!({ "key": key })).await
}

#[tokio::test]
async fn what_was_written_is_there_in_the_next_call_and_after_a_restart() {
    let world = remembering().await;
    assert_eq!(read(&world, "colour").await, "nothing");
    write(&world, "colour", "blue").await;
    assert_eq!(read(&world, "colour").await, "blue");
    let world = world.restarted().await;
    assert_eq!(read(&world, "colour").await, "blue");
}

#[tokio::test]
async fn another_caller_and_who_acts_for_somebody_else_find_nothing() {
    let world = remembering().await;
    write(&world, "colour", "blue").await;
    let other = |id: &str, acts_for: &[&str]| {
        let acts_for = acts_for.iter().map(|&one| one.to_owned()).collect();
        Principal::authenticated(Identity { id: id.to_owned(), acts_for, ..agent() })
    };
    let ask = json!({ "key": "colour" });
    for caller in [other("agent-8", &[]), other("agent-7", &["ana"])] {
        assert_eq!(said_to(&world, &caller, "remember", ask.clone()).await, "nothing");
    }
    assert_eq!(said_to(&world, &other("agent-7", &[]), "remember", ask).await, "blue");
}

#[tokio::test]
async fn a_value_over_the_quota_is_refused_and_what_was_there_stays() {
    let world = remembering().await;
    write(&world, "a", &"x".repeat(900)).await;
    assert_eq!(write(&world, "b", &"x".repeat(100)).await, "over-quota");
    assert_eq!(read(&world, "b").await, "nothing");
    assert_eq!(read(&world, "a").await.len(), 900);
    assert_eq!(write(&world, "b", &"x".repeat(90)).await, "noted");
    assert_eq!(write(&world, "a", &"y".repeat(1_000)).await, "over-quota");
    assert_eq!(read(&world, "a").await, "x".repeat(900));
}

#[tokio::test]
async fn a_change_happens_only_to_what_was_expected() {
    let world = remembering().await;
    let amend = |expected: Option<&str>, value: Option<&str>| {
        said(&world, "amend", json!({ "key": "k", "expected": expected, "value": value }))
    };
    assert_eq!(amend(Some("old"), Some("new")).await, "false");
    assert_eq!(amend(None, Some("old")).await, "true");
    assert_eq!(amend(None, Some("other")).await, "false");
    assert_eq!(amend(Some("old"), Some("new")).await, "true");
    assert_eq!(read(&world, "k").await, "new");
    assert_eq!(amend(Some("new"), None).await, "true");
    assert_eq!(read(&world, "k").await, "nothing");
}

#[tokio::test]
async fn a_value_is_deleted_once() {
    let world = remembering().await;
    let forget = || said(&world, "forget", json!({ "key": "k" }));
    assert_eq!(forget().await, "false");
    write(&world, "k", "old").await;
    assert_eq!(forget().await, "true");
    assert_eq!(read(&world, "k").await, "nothing");
    assert_eq!(forget().await, "false");
}

#[tokio::test]
async fn of_changes_at_once_to_the_same_value_exactly_one_happens() {
    let world = remembering().await;
    write(&world, "k", "old").await;
    let swap = json!({ "key": "k", "expected": "old", "value": "new" });
    let each = (0..8).map(|_| said(&world, "amend", swap.clone()));
    let outcomes = futures::future::join_all(each).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "true").count(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn keys_are_listed_by_prefix_page_after_page() {
    let world = remembering().await;
    for number in 0..120 {
        assert_eq!(write(&world, &format!("n{number:03}"), "").await, "noted");
    }
    write(&world, "other", "").await;
    let listed = world.call("list_notes", json!({ "prefix": "n" })).await.unwrap();
    let keys = listed.value["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 120);
    assert_eq!((keys[0].as_str(), keys[119].as_str()), (Some("n000"), Some("n119")));
}

#[tokio::test]
async fn more_entries_than_the_quota_are_refused() {
    let world = remembering().await;
    for number in 0..150 {
        assert_eq!(write(&world, &format!("{number}"), "").await, "noted");
    }
    assert_eq!(write(&world, "one more", "").await, "over-quota");
    assert_eq!(write(&world, "0", "again").await, "noted");
}

#[tokio::test]
async fn a_key_is_short_and_visible() {
    let world = remembering().await;
    for key in ["", "a\nb", &"k".repeat(257)] {
        assert_eq!(write(&world, key, "").await, "invalid-key", "{key:?}");
    }
    assert_eq!(write(&world, &"k".repeat(256), "").await, "noted");
}

#[tokio::test]
async fn a_spent_handle_and_one_for_something_else_write_nothing() {
    let world = remembering().await;
    assert_eq!(said(&world, "remember_once", json!({})).await, "refused");
    assert_eq!(read(&world, "once").await, "1");
    assert_eq!(said(&world, "remember_elsewhere", json!({})).await, "refused");
    assert_eq!(read(&world, "key").await, "nothing");
}

#[tokio::test]
async fn a_tool_without_the_capability_remembers_nothing() {
    let none = Setting { remembers: true, ..Setting::default() }.policy(
        r#"@id("no-notes") forbid(principal, action == Action::"shop:notes:use", resource);"#,
    );
    let world = none.world().await;
    let refused = world.call("remember", json!({ "key": "k" })).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
}
