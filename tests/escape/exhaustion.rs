//! What is used up for the whole process: memory by results, and file descriptors. Each test runs in a process of its
//! own.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::fs;

use serde_json::json;
use tokio::task::JoinSet;
use toolward_gate::{Limit, SandboxLimits, Stop};
use toolward_sandbox::Output;

use crate::world::{Setting, World, alone, is_alone};

/// [A-19]
#[test]
fn results_of_very_many_small_things_take_a_bounded_multiple_of_memory() {
    let name =
        "escape::exhaustion::results_of_very_many_small_things_take_a_bounded_multiple_of_memory";
    alone(name, "", false, async {
        let world = World::new().await;
        let mut said = String::new();
        // As many as a call may have, or a MiB of text.
        for (of, count) in [("zeros", 131_000), ("keys", 65_000), ("escapes", 170_000)] {
            for at_once in [1, 10] {
                let (grown, outcomes) = grown_by(&world, at_once, of, count).await;
                for outcome in outcomes {
                    // Only the text is one: the others are read, and refused by the schema.
                    match (of, outcome) {
                        ("escapes", Ok(output)) => assert_eq!(output.text().len(), 1_020_011),
                        (_, Err(Stop::BadOutput { .. })) => {}
                        (_, other) => panic!("{of}: {other:?}"),
                    }
                }
                said.push_str(&format!("{at_once} of {of}: {grown} MiB; "));
                assert!(grown <= at_once * EACH_MIB + GUEST_MIB, "{said}");
            }
        }
        // A MiB of text that is more values than that is not kept.
        for (of, count) in [("zeros", 500_000), ("keys", 100_000)] {
            let (grown, outcomes) = grown_by(&world, 10, of, count).await;
            let over = |one: &Outcome| matches!(one, Err(Stop::Limit(Limit::Values)));
            assert!(outcomes.iter().all(over), "{of}: {outcomes:?}");
            said.push_str(&format!("10 of {of} too many: {grown} MiB; "));
            assert!(grown <= 10 * EACH_MIB + GUEST_MIB, "{said}");
        }
        // One byte more than a result may have is not even read.
        let over = world.call("widen", json!({ "of": "escapes", "count": 180_000 })).await;
        assert!(matches!(over, Err(Stop::Limit(Limit::Output))), "{over:?}");
        // Where a call may have that many, one takes more.
        let limits = SandboxLimits { values: 1 << 21, ..SandboxLimits::default() };
        let world = Setting { limits: Some(limits), ..Setting::default() }.world().await;
        let (grown, outcomes) = grown_by(&world, 1, "zeros", 500_000).await;
        let read = |one: &Outcome| matches!(one, Err(Stop::BadOutput { .. }));
        assert!(outcomes.iter().all(read), "{outcomes:?}");
        assert!(grown > EACH_MIB + GUEST_MIB, "without the limit: {grown} MiB; {said}");
        said
    });
}

type Outcome = Result<Output, Stop>;

/// By how much the memory of this process grew at most while so many calls were answered at once, in MiB.
async fn grown_by(world: &World, at_once: u64, of: &str, count: u32) -> (u64, Vec<Outcome>) {
    // What is made once is there: places for so many calls, and the threads that they run on.
    let shape = |count: u32| json!({ "of": of, "count": count });
    let all = async |count: u32| {
        let mut calls = JoinSet::new();
        for _ in 0..at_once {
            let (call, host) = (world.read("widen", &shape(count)), world.host.clone());
            calls.spawn(async move { host.perform(call).await });
        }
        calls.join_all().await
    };
    drop(all(1).await);
    let before = peak_kib(true);
    let outcomes = all(count).await;
    (peak_kib(false).saturating_sub(before) / 1024, outcomes)
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
    let name = "escape::exhaustion::without_descriptors_requests_fail_and_every_call_is_recorded";
    let few = alone(name, "ulimit -n 120 &&", false, all_ask());
    let many = alone(name, "ulimit -n 1024 &&", false, all_ask());
    if !is_alone() {
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
        // A host that cannot read its own state stops a call, too.
        let expected = matches!(outcome, Stop::Failed(_) | Stop::Halted(_) | Stop::Unavailable(_));
        assert!(expected, "{outcome:?}");
    }
    let trail = world.trail().await;
    let records = |kind: &str| trail.iter().filter(|record| record["record"] == kind).count();
    // What cannot be recorded does not run, or is not handed out.
    let unavailable = |outcome: &&Outcome| matches!(outcome, Err(Stop::Unavailable(_)));
    let unavailable = outcomes.iter().filter(unavailable).count();
    assert!(records("closed") + unavailable >= 60, "every call is on record, to its end");
    assert!(world.upstream.seen().len() <= records("opened"), "nothing leaves without a record");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    format!("{answered} answered, {} failed", outcomes.len() - answered)
}

/// A value takes 72 bytes of memory once it is read, and a call may have 131,072 of them: that is 9 MiB, and the text
/// is one more.
const EACH_MIB: u64 = 12;
/// What a guest has of its own while it makes such a text.
const GUEST_MIB: u64 = 12;
