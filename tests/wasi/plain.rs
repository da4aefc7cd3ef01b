//! What every component of the standard library imports is there, and empty.
use serde_json::{Value, json};
use toolward_gate::Stop;
use toolward_sandbox::inspect;

use super::wanting;
use crate::world::{self, Guest};

#[tokio::test]
async fn a_component_that_prints_answers_without_any_capability() {
    let world = wanting(Guest::Plain, &[], "").world().await;
    let output = world.call("look_words", json!({ "text": "one xylophone three" })).await.unwrap();
    assert_eq!(output.value, json!({ "result": 3 }));
    let log = world::log();
    assert!(log.contains("tool.name=look_words"), "the log is listened to");
    assert!(!log.contains("xylophone"), "what a tool prints goes nowhere");
}

#[test]
fn it_imports_thirteen_interfaces_at_most_and_all_of_them_are_inert() {
    let inspection = inspect(Guest::Plain.component()).unwrap();
    assert!(!inspection.has_manifest());
    assert!((10..=13).contains(&inspection.imports.len()), "{:?}", inspection.imports);
    assert!(inspection.imports.iter().all(|import| import.is_inert()), "{:?}", inspection.imports);
    assert!(inspection.manifest.tool(&"look_words".parse().unwrap()).is_some());
}

#[tokio::test]
async fn nothing_of_the_host_is_to_be_seen() {
    let world = wanting(Guest::Plain, &[], "").world().await;
    assert!(std::env::var("PATH").is_ok(), "there is something to be seen out here");
    let seen = world.call("look_around", json!({})).await.unwrap();
    assert_eq!(seen.value, json!({ "result": [] }));
    let path = world.call("look_variable", json!({ "name": "PATH" })).await.unwrap();
    assert_eq!(path.value["result"], Value::Null);
}

#[tokio::test]
async fn a_variable_that_is_lent_is_seen_and_no_other() {
    let lent = r#"
[capability."host:region:read"]
description = "Know where this is."
interface = "wasi-environment"
variables = ["REGION", "CARGO_MANIFEST_DIR", "NOBODY_HAS_THIS"]
values = { REGION = "eu-north" }
risk = "low"
"#;
    let world = wanting(Guest::Plain, &["host:region:read"], lent).world().await;
    let value = async |name: &str| {
        world.call("look_variable", json!({ "name": name })).await.unwrap().value["result"].clone()
    };
    assert_eq!(value("REGION").await, "eu-north");
    assert_eq!(value("CARGO_MANIFEST_DIR").await, std::env::var("CARGO_MANIFEST_DIR").unwrap());
    assert_eq!(value("NOBODY_HAS_THIS").await, Value::Null);
    assert_eq!(value("PATH").await, Value::Null);
    assert_eq!(
        world.call("look_around", json!({})).await.unwrap().value["result"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn leaving_and_breaking_off_end_the_call_and_not_the_host() {
    let world = wanting(Guest::Plain, &[], "").world().await;
    for (tool, arguments) in [
        ("look_leave", json!({ "code": 0 })),
        ("look_leave", json!({ "code": 7 })),
        ("look_panic", json!({})),
    ] {
        let ended = world.call(tool, arguments).await;
        assert!(matches!(ended, Err(Stop::Trapped { .. })), "{ended:?}");
    }
    world.call("look_words", json!({ "text": "one" })).await.unwrap();
}
