//! Every limit of the terms: just enough is enough, and less ends the call with its own word, soon.
use std::time::Duration;

use toolward_gate::{Limit, Refusal, SandboxLimits, Stop, Terms};

use super::{run, wanting};
use crate::{
    Output, Sandbox, SandboxSettings,
    testing::{self, EMIT, First, Guest, NAME, OBTAIN, SEND, terms},
};

/// What a guest meets under limits that were changed.
async fn under(guest: &Guest, granted: Terms, change: impl FnOnce(&mut SandboxLimits)) -> Met {
    let mut granted = granted;
    change(&mut granted.sandbox.limits);
    met(run(guest, granted).await)
}

#[derive(Debug, PartialEq)]
enum Met {
    Nothing,
    Limit(Limit),
}

fn met(result: Result<Output, Stop>) -> Met {
    match result {
        Ok(_) => Met::Nothing,
        Err(Stop::Limit(limit)) => Met::Limit(limit),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn elements_of_tables_end_at_their_limit() {
    let guest = Guest { first: First::GrowTable(99), ..Guest::answering("{}") };
    let enough = under(&guest, terms(&[]), |limits| limits.table_elements = 100).await;
    let scarce = under(&guest, terms(&[]), |limits| limits.table_elements = 99).await;
    assert_eq!((enough, scarce), (Met::Nothing, Met::Limit(Limit::Tables)));
    let endless = Guest { first: First::GrowTable(i32::MAX), ..Guest::answering("{}") };
    assert_eq!(under(&endless, terms(&[]), |_| ()).await, Met::Limit(Limit::Tables));
}

#[tokio::test]
async fn tables_and_memories_are_counted() {
    let guest = Guest::answering("{}");
    assert_eq!(under(&guest, terms(&[]), |limits| limits.tables = 1).await, Met::Nothing);
    let none = under(&guest, terms(&[]), |limits| limits.tables = 0).await;
    assert_eq!(none, Met::Limit(Limit::Tables));
    assert_eq!(under(&guest, terms(&[]), |limits| limits.memories = 1).await, Met::Nothing);
    let none = under(&guest, terms(&[]), |limits| limits.memories = 0).await;
    assert_eq!(none, Met::Limit(Limit::Memory));
}

#[tokio::test]
async fn instances_are_counted() {
    let guest = Guest { imports: vec![EMIT], ..Guest::answering("{}") };
    let guest = Guest { manifest: wanting("host:log:write", true), ..guest };
    let granted = terms(&[("host:log:write", "log")]);
    let mut all = Vec::new();
    for count in 0..6 {
        all.push(under(&guest, granted.clone(), |limits| limits.instances = count).await);
    }
    let needs = all.iter().position(|met| *met == Met::Nothing).unwrap();
    assert!(needs > 1, "{all:?}");
    assert!(all[..needs].iter().all(|met| *met == Met::Limit(Limit::Instances)), "{all:?}");
    assert!(all[needs..].iter().all(|met| *met == Met::Nothing), "{all:?}");
}

#[tokio::test]
async fn handles_of_every_kind_are_counted() {
    let name = i32::try_from(NAME).unwrap();
    let guest = Guest {
        imports: vec![OBTAIN, SEND],
        first: First::CallImport(vec![name, 19, 512]),
        manifest: wanting("github:issues:write", true),
        ..Guest::answering("{}")
    };
    let granted = terms(&[("github:issues:write", "http")]);
    let enough = under(&guest, granted.clone(), |limits| limits.component_handles = 8).await;
    let scarce = under(&guest, granted, |limits| limits.component_handles = 0).await;
    assert_eq!((enough, scarce), (Met::Nothing, Met::Limit(Limit::Handles)));
}

#[tokio::test]
async fn what_a_host_call_brings_in_ends_at_its_limit() {
    let guest = Guest {
        imports: vec![EMIT],
        first: First::CallImport(vec![1, 2048, 20_000, 2048, 0]),
        manifest: wanting("host:log:write", true),
        ..Guest::answering("{}")
    };
    let granted = terms(&[("host:log:write", "log")]);
    let change = |bytes| {
        move |limits: &mut SandboxLimits| {
            (limits.output_bytes, limits.host_call_bytes) = (100, bytes);
        }
    };
    let enough = under(&guest, granted.clone(), change(100_000)).await;
    let scarce = under(&guest, granted, change(10_000)).await;
    assert_eq!((enough, scarce), (Met::Nothing, Met::Limit(Limit::HostCall)));
}

#[tokio::test]
async fn the_ceiling_holds_whatever_the_terms_say() {
    let mut ceiling = SandboxLimits::ceiling();
    ceiling.memory_bytes = 1 << 20;
    let settings = SandboxSettings { concurrent_calls: 1, ceiling, ..SandboxSettings::default() };
    let sandbox = Sandbox::new(settings).unwrap();
    let mut generous = terms(&[]);
    generous.sandbox.limits.memory_bytes = 64 << 20;
    for (pages, expected) in [(14, Met::Nothing), (15, Met::Limit(Limit::Memory))] {
        let guest = Guest { first: First::Grow(pages), ..Guest::answering("{}") };
        assert_eq!(met(called(&sandbox, &guest, generous.clone()).await), expected);
    }
}

#[tokio::test]
async fn a_call_without_a_place_waits_or_is_told_at_once() {
    let settings = SandboxSettings { concurrent_calls: 1, ..SandboxSettings::default() };
    let sandbox = Sandbox::new(settings).unwrap();
    let spinning = Guest { first: First::Spin, ..Guest::answering("{}") };
    let short = Terms { time: Duration::from_millis(300), ..terms(&[]) };
    let waiting = |queue_length, queue_time| {
        let mut granted = terms(&[]);
        (granted.sandbox.limits.queue_length, granted.sandbox.limits.queue_time) =
            (queue_length, queue_time);
        granted
    };
    let quick = Guest::answering("{}");
    // Both are there before the place is taken: compiling is not waiting.
    sandbox.install(quick.component()).await.unwrap();
    sandbox.install(spinning.component()).await.unwrap();
    let (_, full, late, waited) = tokio::join!(
        called(&sandbox, &spinning, short),
        called(&sandbox, &quick, waiting(0, Duration::from_secs(9))),
        called(&sandbox, &quick, waiting(9, Duration::from_millis(20))),
        called(&sandbox, &quick, waiting(9, Duration::from_secs(9))),
    );
    assert!(matches!(full, Err(Stop::Refused(Refusal::QueueFull))), "{full:?}");
    assert!(matches!(late, Err(Stop::Refused(Refusal::QueueTime { .. }))), "{late:?}");
    waited.unwrap();
}

pub(super) async fn called(
    sandbox: &Sandbox,
    guest: &Guest,
    granted: Terms,
) -> Result<Output, Stop> {
    let inspection = sandbox.install(guest.component()).await.unwrap();
    let notes = toolward_gate::Notes::default();
    let (grant, _switches) = testing::grant(inspection.digest, granted, notes).await;
    sandbox.run(grant).await
}
