//! Tools that ask for too much of everything, and a host that goes on.
use serde_json::json;
use tokio::sync::mpsc;
use toolward_gate::{Cause, Said, Stop};

use crate::world::{Setting, World};

async fn hurried(tool: &str) -> World {
    let policy = format!(
        "@id(\"hurried\") @ttl(\"500ms\") permit(principal, action == Action::\"call\", resource == Tool::\"{tool}\");"
    );
    Setting::default().policy(&policy).world().await
}

#[tokio::test]
async fn a_tool_that_reports_for_ever_waits_for_its_reader_and_ends_with_its_time() {
    let world = hurried("nag").await;
    let (to, mut reader) = mpsc::channel(4);
    let stopped = world.call_heard("nag", json!({}), to).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    let mut heard = 0;
    while reader.recv().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, 4, "as many as the reader has room for");
}

#[tokio::test]
async fn a_tool_that_loops_over_a_cheap_host_call_ends_with_its_time() {
    let world = hurried("nag").await;
    let stopped = world.call("nag", json!({})).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
}

#[tokio::test]
async fn a_tool_that_reports_a_little_is_heard() {
    let world = World::new().await;
    let (to, mut reader) = mpsc::channel(8);
    let output = world.call_heard("report", json!({ "steps": 3 }), to).await.unwrap();
    assert_eq!(output.value["text"], "3 heard");
    let Some(Said::Progress(first)) = reader.recv().await else { panic!() };
    assert_eq!(first.total, Some(3));
    assert_eq!(world.call("report", json!({ "steps": 3 })).await.unwrap().value["text"], "0 heard");
}

#[tokio::test]
async fn a_long_log_line_is_cut_and_control_characters_are_written_out() {
    let world = World::new().await;
    let id = format!("\u{1b}[2J\r\nerror {}", "x".repeat(10_000));
    world.call("read_item", json!({ "id": id })).await.unwrap_err();
    let (_, closed) = world.last_entry().await;
    let line = closed["notes"][1]["message"].as_str().unwrap();
    assert!(line.starts_with("reading \\u{1b}[2J\\r\\nerror xxx"), "{line}");
    assert!(line.len() < 5_000, "{}", line.len());
}

#[tokio::test]
async fn an_answer_of_lists_within_lists_is_refused_and_not_followed_down() {
    let world = World::new().await;
    let plain = world.call("nest", json!({ "depth": 0 })).await.unwrap();
    assert_eq!(plain.value["text"], "inside");
    let deep = world.call("nest", json!({ "depth": 1000 })).await;
    let Err(Stop::BadOutput { cause }) = deep else { panic!("{deep:?}") };
    assert!(cause.contains("recursion"), "{cause}");
}

#[tokio::test]
async fn tools_that_end_badly_leave_room_for_those_that_come_after() {
    let world = Setting { places: Some(2), ..Setting::default() }.world().await;
    for _ in 0..5 {
        let trapped = world.call("panic", json!({})).await;
        assert!(matches!(trapped, Err(Stop::Trapped { .. })), "{trapped:?}");
    }
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}
