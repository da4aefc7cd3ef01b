//! What is used up for the whole process: memory by results, and file descriptors. Each test runs in a process of its
//! own.
use std::{env, fs, io::Write as _, process::Command};

use serde_json::json;
use tokio::task::JoinSet;
use toolward_gate::Stop;

use crate::world::{Setting, World};

/// Runs a test of this file again, alone, after `before` in a shell.
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn alone(name: &str, before: &str, work: impl Future<Output = String>) -> String {
    if env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let said = runtime.block_on(work);
        writeln!(std::io::stderr(), "it said: {said}").unwrap();
        return said;
    }
    let name = format!("escape::exhaustion::{name}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]).arg(env::current_exe().unwrap());
    let output = shell.args(["--exact", &name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let line = said.lines().find_map(|line| line.strip_prefix("it said: "));
    line.unwrap_or_else(|| panic!("it did not run: {said}")).to_owned()
}

/// [A-19]
#[test]
fn results_of_very_many_small_things_take_a_bounded_multiple_of_memory() {
    let name = "results_of_very_many_small_things_take_a_bounded_multiple_of_memory";
    alone(name, "", async {
        let world = World::new().await;
        world.call("widen", json!({ "of": "zeros", "count": 1 })).await.unwrap_err();
        let mut said = String::new();
        // A result may be 1 MiB: each of these is a little less.
        for (of, count) in [("zeros", 500_000), ("keys", 100_000), ("escapes", 170_000)] {
            for at_once in [1, 10] {
                let before = peak_kib(true);
                let mut calls = JoinSet::new();
                for _ in 0..at_once {
                    let call = world.read("widen", &json!({ "of": of, "count": count }));
                    let host = world.host.clone();
                    calls.spawn(async move { host.perform(call).await });
                }
                for outcome in calls.join_all().await {
                    // Only the text is one: the others are read, and refused by the schema.
                    match (of, outcome) {
                        ("escapes", Ok(output)) => assert_eq!(output.text().len(), 1_020_011),
                        (_, Err(Stop::BadOutput { .. })) => {}
                        (_, other) => panic!("{of}: {other:?}"),
                    }
                }
                let grown = peak_kib(false).saturating_sub(before) / 1024;
                said.push_str(&format!("{at_once} of {of}: {grown} MiB; "));
                assert!(grown <= at_once * EACH_MIB + GUESTS_MIB, "{said}");
            }
        }
        // One byte more than a result may have is not even read.
        let over = world.call("widen", json!({ "of": "escapes", "count": 180_000 })).await;
        assert!(matches!(over, Err(Stop::Limit(toolward_gate::Limit::Output))), "{over:?}");
        said
    });
}

/// The most that this process has had, from now on where it is to begin anew.
fn peak_kib(anew: bool) -> u64 {
    if anew {
        // proc(5): resets the peak.
        fs::write("/proc/self/clear_refs", "5").unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

/// [A-26] The shop is in this process, and holds half of the descriptors.
#[test]
fn without_descriptors_requests_fail_and_every_call_is_recorded() {
    let name = "without_descriptors_requests_fail_and_every_call_is_recorded";
    let few = alone(name, "ulimit -n 96 &&", all_ask());
    let many = alone(name, "ulimit -n 1024 &&", all_ask());
    if env::var_os(ALONE).is_none() {
        assert_eq!(many, "60 answered, 0 failed");
        assert_ne!(few, many);
    }
}

async fn all_ask() -> String {
    let policy = r#"@id("patient") @ttl("20s") permit(principal, action == Action::"call", resource == Tool::"fetch");"#;
    let world = Setting::default().policy(policy).world().await;
    let mut calls = JoinSet::new();
    for _ in 0..60 {
        let wire = json!({ "method": "GET", "target": "/items/slow" });
        let call = world.read("fetch", &wire);
        let (host, upstream) = (world.host.clone(), world.upstream.clone());
        calls.spawn(async move {
            let outcome = host.perform(call).await;
            // Whoever ends, in whatever way, lets the next one end.
            upstream.release();
            outcome
        });
    }
    world.upstream.slow_began().await;
    world.upstream.release();
    let outcomes = calls.join_all().await;
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        let expected = matches!(outcome, Stop::Failed(_) | Stop::Halted(_));
        assert!(expected, "{outcome:?}");
    }
    let trail = world.trail().await;
    let closed = trail.iter().filter(|record| record["record"] == "closed").count();
    assert_eq!(closed, 60, "every call is on record, to its end");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    format!("{answered} answered, {} failed", outcomes.len() - answered)
}

const ALONE: &str = "TOOLWARD_EXHAUSTION_ALONE";
/// A number takes two bytes of JSON, and 72 of memory once it is read: a result of 1 MiB is 36 MiB.
const EACH_MIB: u64 = 36;
/// What guests and their places keep of their own.
const GUESTS_MIB: u64 = 64;
