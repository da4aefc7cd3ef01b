//! Real components through the whole crate.
mod clean;
mod engines;
mod hostile;
mod kill;
mod limits;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use toolward_gate::{
    Cause, Clock as _, Limit, Note, Notes, Refusal, Stop, Switch, SwitchTarget, SystemClock, Terms,
    ToolFailure,
};

use crate::{
    Output, Sandbox, SandboxSettings, inspect,
    testing::{self, EMIT, First, Guest, NAME, OBTAIN, SEND, terms},
};

fn sandbox() -> Sandbox {
    let settings = SandboxSettings { concurrent_calls: 4, ..SandboxSettings::default() };
    Sandbox::new(settings).unwrap()
}

async fn run(guest: &Guest, terms: Terms) -> Result<Output, Stop> {
    run_noting(guest, terms, Notes::default()).await
}

async fn run_noting(guest: &Guest, terms: Terms, notes: Notes) -> Result<Output, Stop> {
    let sandbox = sandbox();
    let inspection = sandbox.install(guest.component()).await.unwrap();
    let (grant, _switches) = testing::grant(inspection.digest, terms, notes).await;
    sandbox.run(grant).await
}

fn wanting(name: &str, required: bool) -> serde_json::Value {
    testing::manifest(&json!([{ "name": name, "required": required }]))
}

#[tokio::test]
async fn a_tool_answers_with_json() {
    let output = run(&Guest::answering(r#"{"sum":42}"#), terms(&[])).await.unwrap();
    assert_eq!(output.value, json!({ "sum": 42 }));
    assert_eq!(output.text(), r#"{"sum":42}"#);
}

#[tokio::test]
async fn the_same_bytes_are_installed_once() {
    let (sandbox, bytes) = (sandbox(), Guest::answering("{}").component());
    let first = sandbox.install(bytes.clone()).await.unwrap();
    assert_eq!(first.digest, toolward_gate::Digest::of(&bytes));
    assert_eq!(sandbox.install(bytes).await.unwrap().digest, first.digest);
}

#[tokio::test]
async fn a_component_that_is_not_installed_does_not_run() {
    let digest = toolward_gate::Digest::of(b"other");
    let (grant, _switches) = testing::grant(digest, terms(&[]), Notes::default()).await;
    assert!(matches!(sandbox().run(grant).await, Err(Stop::Unavailable(_))));
}

#[tokio::test]
async fn an_import_that_no_capability_opens_is_refused_before_anything_runs() {
    // It would spin for a minute if it ran.
    let guest = Guest {
        imports: vec![EMIT],
        first: First::Spin,
        manifest: wanting("github:issues:write", true),
        ..Guest::answering("{}")
    };
    match run(&guest, terms(&[])).await {
        Err(Stop::Refused(Refusal::NotLinked { interface, wanted })) => {
            assert_eq!(interface, "toolward:tool/log@0.1.0");
            assert_eq!(wanted, ["github:issues:write".parse().unwrap()]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_import_that_a_capability_opens_is_linked() {
    let guest = Guest {
        imports: vec![EMIT],
        first: First::CallImport(vec![1, i32::try_from(NAME).unwrap(), 6, 0, 0]),
        manifest: wanting("host:log:write", true),
        ..Guest::answering("{}")
    };
    let notes = Notes::default();
    run_noting(&guest, terms(&[("host:log:write", "log")]), notes.clone()).await.unwrap();
    let logged = |note: &Note| matches!(note, Note::Logged { message, .. } if message == "github");
    assert!(notes.read().iter().any(logged));
}

#[tokio::test]
async fn an_import_that_the_manifest_does_not_account_for_is_refused() {
    let guest = Guest { imports: vec![EMIT], ..Guest::answering("{}") };
    let granted = terms(&[("host:clock:read", "clock")]);
    let stopped = run(&guest, granted).await;
    let Err(Stop::Refused(Refusal::NotLinked { wanted, .. })) = stopped else {
        panic!("{stopped:?}");
    };
    assert!(wanted.is_empty());
}

#[tokio::test]
async fn a_tool_runs_without_what_is_optional_and_crashes_when_it_uses_it() {
    let guest = |first| Guest {
        imports: vec![EMIT, OBTAIN, SEND],
        first,
        manifest: testing::manifest(&json!([
            { "name": "host:log:write", "required": false },
            { "name": "github:issues:write", "required": false },
        ])),
        ..Guest::answering("{}")
    };
    run(&guest(First::Nothing), terms(&[])).await.unwrap();
    let uses = guest(First::CallImport(vec![1, i32::try_from(NAME).unwrap(), 6, 0, 0]));
    match run(&uses, terms(&[])).await {
        Err(Stop::Trapped { cause }) => assert!(cause.contains("was not lent"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_obtains_what_is_granted() {
    let name = i32::try_from(NAME).unwrap();
    let guest = Guest {
        imports: vec![OBTAIN, SEND],
        first: First::CallImport(vec![name, 19, 512]),
        manifest: wanting("github:issues:write", true),
        ..Guest::answering("{}")
    };
    run(&guest, terms(&[("github:issues:write", "http")])).await.unwrap();
}

#[tokio::test]
async fn memory_over_the_limit_stops_the_call() {
    let guest = |pages| Guest { first: First::Grow(pages), ..Guest::answering("{}") };
    let mut small = terms(&[]);
    small.sandbox.limits.memory_bytes = 1 << 20;
    run(&guest(14), small.clone()).await.unwrap();
    assert!(matches!(run(&guest(15), small.clone()).await, Err(Stop::Limit(Limit::Memory))));
    small.sandbox.limits.memory_bytes = 1 << 16;
    let started = run(&Guest::answering("{}"), small).await;
    assert!(matches!(started, Err(Stop::Limit(Limit::Memory))), "{started:?}");
}

#[tokio::test]
async fn a_guest_that_loops_is_stopped_at_the_end_of_its_time() {
    let guest = Guest { first: First::Spin, ..Guest::answering("{}") };
    let short = Terms { time: Duration::from_millis(300), ..terms(&[]) };
    let stopped = run(&guest, short).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
}

#[tokio::test]
async fn a_guest_that_loops_is_stopped_by_a_kill_switch() {
    let guest = Guest { first: First::Spin, ..Guest::answering("{}") };
    let sandbox = sandbox();
    let inspection = sandbox.install(guest.component()).await.unwrap();
    let (grant, switches) = testing::grant(inspection.digest, terms(&[]), Notes::default()).await;
    let throw = switches.throw(Switch {
        target: SwitchTarget::Tool("act".to_owned()),
        reason: String::new(),
        by: "ana".to_owned(),
        since: SystemClock.now(),
        expires_at: None,
    });
    let (stopped, _) = tokio::join!(sandbox.run(grant), throw);
    let thrown = SwitchTarget::Tool("act".to_owned());
    assert!(matches!(stopped, Err(Stop::Halted(Cause::SwitchThrown(target))) if target == thrown));
}

#[tokio::test]
async fn endless_recursion_meets_the_limit_of_the_stack() {
    let guest = Guest { first: First::Recurse, ..Guest::answering("{}") };
    let stopped = run(&guest, terms(&[])).await;
    assert!(matches!(stopped, Err(Stop::Limit(Limit::Stack))), "{stopped:?}");
}

#[tokio::test]
async fn a_result_over_the_limit_stops_the_call() {
    let guest = Guest::answering(r#"{"sum":42}"#);
    let mut small = terms(&[]);
    small.sandbox.limits.output_bytes = 10;
    run(&guest, small.clone()).await.unwrap();
    small.sandbox.limits.output_bytes = 9;
    assert!(matches!(run(&guest, small).await, Err(Stop::Limit(Limit::Output))));
}

#[tokio::test]
async fn a_result_that_does_not_fit_its_schema_is_not_passed_on() {
    for wrong in [r#"{"sum":"42"}"#, "[]", "{", r#"{"sum":1,"sum":2}"#, ""] {
        let stopped = run(&Guest::answering(wrong), terms(&[])).await;
        assert!(matches!(stopped, Err(Stop::BadOutput { .. })), "{wrong}: {stopped:?}");
    }
}

#[tokio::test]
async fn a_failure_is_the_tools_own_word() {
    let failed = ("not-found".to_owned(), "there is no such issue".to_owned());
    let guest = Guest { answer: Err(failed), ..Guest::answering("{}") };
    let Err(Stop::Failed(ToolFailure { code, message })) = run(&guest, terms(&[])).await else {
        panic!("it did not fail");
    };
    assert_eq!((code.as_str(), message.as_str()), ("not-found", "there is no such issue"));
}

#[test]
fn a_component_is_read_without_running_it() {
    let guest = Guest { imports: vec![SEND, EMIT], ..Guest::answering("{}") };
    let bytes = guest.component();
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.bytes, bytes.len());
    let mut seen: Vec<String> = inspection
        .imports
        .iter()
        .map(|import| {
            let short = import.interface.as_ref().map_or("-", |interface| &interface.0);
            format!("{} ({short}): {}", import.name, import.functions.join(", "))
        })
        .collect();
    seen.sort();
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn every_kind_of_wrong_file_has_its_own_error() {
    let guest = Guest::answering("{}");
    let good = guest.component();
    inspect(&good).unwrap();
    let mut twice = good.clone();
    testing::append(&mut twice, "{}");
    let mut broken = guest.bare_component();
    testing::append(&mut broken, r#"{"version":1,"tolls":[]}"#);
    let mut other_version = good.clone();
    other_version[4] = 0x0c;
    let mut invalid = good.clone();
    // The id of the first section.
    invalid[8] = 0x7f;
    let mut hollow = b"\0asm\x0d\0\x01\0".to_vec();
    testing::append(&mut hollow, &guest.manifest.to_string());
    let files: [(&str, &[u8]); 12] = [
        ("empty", b""),
        ("text", b"(component)"),
        ("another format", b"\x7fELF\x02\x01\x01\x00\x00"),
        ("core module", &guest.module()),
        ("another version", &other_version),
        ("a few bytes", &good[..6]),
        ("cut", &good[..good.len() - 1]),
        ("invalid", &invalid),
        ("no manifest", &guest.bare_component()),
        ("two manifests", &twice),
        ("an unknown key", &broken),
        ("no calls", &hollow),
    ];
    let said = files.map(|(kind, bytes)| format!("{kind}: {}", inspect(bytes).unwrap_err()));
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn a_core_module_is_not_installed() {
    sandbox().install(Guest::answering("{}").module()).await.unwrap_err();
}

proptest! {
    #[test]
    fn no_bytes_make_inspection_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(inspect(&bytes));
        drop(inspect(&[b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat()));
    }

    #[test]
    fn no_part_of_a_component_is_taken_for_a_whole_one(place in any::<proptest::sample::Index>()) {
        let good = Guest::answering("{}").component();
        let at = place.index(good.len());
        prop_assert!(inspect(&good[..at]).is_err());
    }

    #[test]
    fn no_changed_byte_makes_inspection_panic(place in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Guest::answering("{}").component();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        drop(inspect(&bytes));
    }
}
