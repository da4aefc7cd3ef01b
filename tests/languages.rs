//! Tools that are not written in Rust, built by `example-tools/build-other-languages`.
//!
//! Where they were not built, their tests say so and are left out: their compilers come from other registries.
use std::{path::Path, sync::Arc};

use serde_json::{Value, json};
use toolward_gate::{Cause, Limit, Stop};
use toolward_sandbox::inspect;

use crate::world::{MARKER, PlainGuest, Setting, World};

/// The component, where it was built.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn built(name: &'static str, wants: &'static [&'static str]) -> Option<PlainGuest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../example-tools/target/other-languages")
        .join(format!("{name}.wasm"));
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("left out: `{name}` is not built; `example-tools/build-other-languages` does");
        return None;
    };
    Some(PlainGuest { name, bytes: Arc::from(bytes), wants })
}

fn python() -> Option<PlainGuest> {
    built("python-word-count", &[])
}

fn javascript() -> Option<PlainGuest> {
    built("javascript-github-issue", &["github:issues:read"])
}

async fn python_world() -> Option<World> {
    Some(Setting::default().plain(python()?).world().await)
}

async fn javascript_world(policy: &str) -> Option<World> {
    let setting = Setting::default().plain(javascript()?).capability(ISSUES).policy(policy);
    Some(setting.world().await)
}

fn issue(number: u32) -> Value {
    json!({ "owner": "acme", "repo": "site", "number": number })
}

/// The code and the message of a failure, which is the tool's own.
fn failed(outcome: Result<toolward_sandbox::Output, Stop>) -> (String, String) {
    match outcome {
        Err(Stop::Failed(failure)) => (failure.code, failure.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_component_of_another_language_imports_what_its_world_names_and_no_wasi() {
    if let Some(python) = python() {
        assert_eq!(inspect(&python.bytes).unwrap().imports, []);
    }
    if let Some(javascript) = javascript() {
        let imports = inspect(&javascript.bytes).unwrap().imports;
        let mut names: Vec<&str> = imports.iter().map(|import| import.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["toolward:tool/capabilities@0.1.0", "toolward:tool/http@0.1.0"]);
    }
}

#[test]
fn what_a_toolchain_leaves_behind_is_no_tool() {
    let tools = |guest: &PlainGuest| -> Vec<String> {
        let manifest = inspect(&guest.bytes).unwrap().manifest;
        manifest.tools.iter().map(|tool| tool.name.to_string()).collect()
    };
    if let Some(python) = python() {
        assert_eq!(tools(&python), ["word-count"]);
    }
    if let Some(javascript) = javascript() {
        assert_eq!(tools(&javascript), ["read-issue"]);
    }
}

#[tokio::test]
async fn a_tool_in_python_takes_and_gives_values_of_its_own_types() {
    let Some(world) = python_world().await else { return };
    let text = json!({ "text": "Tea and toast,\nand TEA.", "most": 2 });
    let output = world.call("word-count", text).await.unwrap();
    let frequent = json!([{ "word": "and", "times": 2 }, { "word": "tea", "times": 2 }]);
    let expected = json!({ "words": 5, "lines": 2, "characters": 23, "most-frequent": frequent });
    assert_eq!(output.value, expected);
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["outcome"], "ok", "{closed}");
}

#[tokio::test]
async fn what_python_raises_is_the_tools_own_word() {
    let Some(world) = python_world().await else { return };
    let (_, message) = failed(world.call("word-count", json!({ "text": "", "most": 101 })).await);
    assert_eq!(message, "`most` is 101, and 100 are the most that are listed");
    world.call("word-count", json!({ "text": "", "most": 100 })).await.unwrap();
}

#[tokio::test]
async fn a_tool_in_python_ends_with_its_memory_and_the_next_call_has_all_of_it_again() {
    let Some(world) = python_world().await else { return };
    let text = |words: u32| {
        let text: String = (0..words).map(|word| format!("{word:x} ")).collect();
        json!({ "text": text, "most": 1 })
    };
    for _ in 0..2 {
        let full = world.call("word-count", text(800_000)).await;
        assert!(matches!(full, Err(Stop::Limit(Limit::Memory))), "{full:?}");
        world.call("word-count", text(1_000)).await.unwrap();
    }
}

#[tokio::test]
async fn a_tool_in_python_ends_with_its_time() {
    let Some(guest) = python() else { return };
    let text = json!({ "text": "a b ".repeat(100_000) });
    let unhurried = Setting::default().plain(guest.clone()).world().await;
    unhurried.call("word-count", text.clone()).await.unwrap();
    let world = Setting::default().plain(guest).policy(HURRIED).world().await;
    let stopped = world.call("word-count", text).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
}

#[tokio::test]
async fn a_tool_in_javascript_uses_a_credential_and_does_not_see_it() {
    let Some(world) = javascript_world(GRANTED).await else { return };
    let output = world.call("read-issue", issue(7)).await.unwrap();
    let expected = json!({ "number": 7, "title": MARKER, "state": "open", "body": "It drips." });
    assert_eq!(output.value, expected);
    let seen = world.upstream.seen();
    assert_eq!(seen[0].target, "/repos/acme/site/issues/7");
    let bearer = format!("Bearer {}", world.token());
    assert_eq!(seen[0].header("authorization"), Some(bearer.as_str()));
    assert!(!output.text().contains(world.token()));
}

#[tokio::test]
async fn what_is_absent_in_javascript_is_null() {
    let Some(world) = javascript_world(GRANTED).await else { return };
    let output = world.call("read-issue", issue(2)).await.unwrap();
    assert_eq!(output.value["body"], Value::Null);
}

#[tokio::test]
async fn what_javascript_throws_is_a_failure_with_its_case_as_the_code() {
    let Some(world) = javascript_world(GRANTED).await else { return };
    let (code, _) = failed(world.call("read-issue", issue(404)).await);
    assert_eq!(code, "not-found");
    let (code, message) = failed(world.call("read-issue", issue(13)).await);
    assert_eq!((code.as_str(), message.as_str()), ("unavailable", "the host says: withheld"));
}

#[tokio::test]
async fn a_tool_in_javascript_leaves_no_path_of_its_capability() {
    let Some(world) = javascript_world(GRANTED).await else { return };
    let away = json!({ "owner": "..", "repo": "..", "number": 1 });
    let (code, message) = failed(world.call("read-issue", away).await);
    assert_eq!(code, "unavailable");
    assert!(message.starts_with("the host says: not-allowed"), "{message}");
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_tool_in_javascript_does_not_run_without_its_capability() {
    let Some(world) = javascript_world("").await else { return };
    let refused = world.call("read-issue", issue(7)).await;
    assert!(matches!(refused, Err(Stop::Refused(_))), "{refused:?}");
    assert!(world.upstream.seen().is_empty());
}

/// As `policies/capabilities.toml` has it, with the stand-in for GitHub.
const ISSUES: &str = r#"
[capability."github:issues:read"]
description = "Read issues."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["GET"]
paths = ["/repos/{owner}/{repo}/issues/{number}"]
credential = "shop"
inject = { header = "authorization", as = "bearer" }
risk = "low"
response = { content_types = ["application/json"], max_bytes = 65_536 }
"#;
const GRANTED: &str =
    r#"@id("issues") permit(principal, action == Action::"github:issues:read", resource);"#;
const HURRIED: &str = r#"
@id("hurried")
@ttl("20ms")
permit(principal, action == Action::"call", resource in Component::"python-word-count");
"#;
