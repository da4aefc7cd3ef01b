//! Imports that nothing opens, where the operator lets a component run all the same.
use serde_json::json;
use toolward_gate::Stop;

use super::{refused_import, wanting};
use crate::world::{Guest, Setting};

const DEFINED: &str = r#"
[capability."host:chance:read"]
description = "Random numbers."
interface = "wasi-random"
risk = "low"
"#;

fn without_clocks() -> Setting {
    wanting(Guest::Clockwork, &["host:chance:read"], DEFINED)
}

#[tokio::test]
async fn a_component_runs_until_it_uses_what_nothing_opens() {
    let world = Setting { refusing: true, ..without_clocks() }.world().await;
    world.call("time_letters", json!({ "text": "abc" })).await.unwrap();
    for (tool, arguments) in
        [("time_now", json!({})), ("time_work", json!({})), ("time_sleep", json!({ "millis": 1 }))]
    {
        let ended = world.call(tool, arguments).await;
        assert!(matches!(ended, Err(Stop::Trapped { .. })), "{tool}: {ended:?}");
    }
}

#[tokio::test]
async fn without_the_operators_word_no_tool_of_it_runs() {
    let world = without_clocks().world().await;
    let outcome = world.call("time_letters", json!({ "text": "abc" })).await;
    assert!(refused_import(&outcome).starts_with("wasi:clocks/"), "{outcome:?}");
}

#[tokio::test]
async fn files_and_requests_refuse_in_the_same_way() {
    let world = Setting { refusing: true, ..wanting(Guest::Files, &[], "") }.world().await;
    let ended = world.call("disk_read", json!({ "path": "/etc/passwd" })).await;
    assert!(matches!(ended, Err(Stop::Trapped { .. })), "{ended:?}");
    let world = Setting { refusing: true, ..wanting(Guest::Client, &[], "") }.world().await;
    assert_eq!(world.call("shop_key", json!({})).await.unwrap().value["result"], json!(null));
    let request = json!({ "method": "GET", "url": "http://127.0.0.1/", "headers": [], "body": "" });
    let ended = world.call("shop_send", json!({ "request": request })).await;
    assert!(matches!(ended, Err(Stop::Trapped { .. })), "{ended:?}");
}
