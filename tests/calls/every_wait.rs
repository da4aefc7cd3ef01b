//! A call that ends at any of its waits leaves nothing: no place, no task, no open entry, nothing set aside.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use toolward_gate::{Clock as _, ProgressSink, Said, Stop, Switch, SwitchFeed as _, SwitchTarget};
use toolward_sandbox::Output;

use crate::world::{Guest, MARKER, Setting, World, within};

const LENT: &str = r#"
[capability."house:tools:call"]
description = "Have the shop's tools do something."
interface = "tools"
tools = ["read_item"]
lends = ["shop:items:read"]
risk = "low"
"#;

const PERMITTED: &str = r#"
@id("house")
permit(
    principal in Role::"assistant",
    action in [Action::"house:tools:call", Action::"shop:items:read", Action::"shop:notes:use"],
    resource in Component::"relay"
);
"#;

/// One place for the tool, and one for the tool that it calls: one that was not given back would be missed. Both run
/// where they were made: each of their waits is one of the call's.
async fn world() -> World {
    let share = Some(Duration::MAX);
    let usual = Setting { remembers: true, places: Some(2), share, ..Setting::default() };
    usual.guest(Guest::Relay).capability(LENT).policy(PERMITTED).world().await
}

/// Is ready when it is polled for the `left`th time, as often as the call beside it is, after the tool has said
/// that it comes to `stage`.
struct AtPoll {
    heard: Arc<AtomicU64>,
    stage: u64,
    left: usize,
}

impl Future for AtPoll {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.heard.load(SeqCst) < self.stage {
            return Poll::Pending;
        }
        match self.left {
            0 => Poll::Ready(()),
            left => {
                self.left = left - 1;
                Poll::Pending
            }
        }
    }
}

/// What the tool said last before its call ended, and how it ended. There is room for one word of it, so that it
/// waits for its listener, too.
async fn call_until<F: Future<Output = ()> + Send + 'static>(
    world: &World,
    cancelled: impl FnOnce(Arc<AtomicU64>) -> F,
) -> (u64, Result<Output, Stop>) {
    let (to, mut heard) = mpsc::channel::<Said>(1);
    let call = world.read_heard("do_everything", &json!({ "item": "1" }), ProgressSink::to(to));
    let last = Arc::new(AtomicU64::new(0));
    let listen = async {
        while let Some(said) = heard.recv().await {
            let Said::Progress(progress) = said else { continue };
            last.store(progress.done, SeqCst);
        }
    };
    let performed = world.host.perform_unless(call, cancelled(last.clone()));
    let (outcome, ()) = tokio::join!(within(performed), listen);
    (last.load(SeqCst), outcome)
}

async fn call(world: &World) -> Output {
    call_until(world, |_| std::future::pending()).await.1.unwrap()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// The tasks of a host at rest after whole calls: what a start does once is over, and a connection is kept for the
/// next call.
async fn at_rest(world: &World) -> usize {
    for _ in 0..2 {
        assert!(call(world).await.text().contains(MARKER));
    }
    let mut fewest = tasks();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        fewest = fewest.min(tasks());
    }
    fewest
}

/// Entries that were opened and not closed.
async fn open_entries(world: &World) -> usize {
    let trail = world.trail().await;
    let count = |kind: &str| trail.iter().filter(|one: &&Value| one["record"] == kind).count();
    count("opened").saturating_sub(count("closed"))
}

/// Waits until as little is there as before; what a call of a call has to close is closed by then.
async fn nothing_is_left(world: &World, before: usize) {
    let settled = async {
        while tasks() > before || open_entries(world).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(settled).await;
    assert_eq!(world.set_aside().await, 0, "what was set aside is given back");
}

#[tokio::test]
async fn what_a_running_call_holds_is_noticed() {
    let world = world().await;
    let before = at_rest(&world).await;
    let slow = json!({ "method": "GET", "target": "/items/slow" });
    let running = async {
        world.upstream.slow_began().await;
        assert!(tasks() > before);
        assert_eq!((open_entries(&world).await, world.set_aside().await), (1, 1));
        // Its own place is free, and that of the tool that it calls is not.
        let refused = call_until(&world, |_| std::future::pending()).await.1;
        let Err(Stop::Failed(failure)) = &refused else { panic!("{refused:?}") };
        assert_eq!(failure.code, "queue-full");
        world.upstream.release();
    };
    let (outcome, ()) = tokio::join!(world.call("fetch", slow), running);
    outcome.unwrap();
    // Both calls were there at once: there is one more connection.
    nothing_is_left(&world, before + 2).await;
    assert!(call(&world).await.text().contains(MARKER));
}

#[tokio::test]
async fn a_call_that_is_cancelled_at_any_of_its_waits_leaves_nothing() {
    let world = world().await;
    let before = at_rest(&world).await;
    for stage in STAGES {
        for left in 0.. {
            let at = |heard| AtPoll { heard, stage, left };
            let (last, outcome) = call_until(&world, at).await;
            let sent = world.upstream.seen().len();
            nothing_is_left(&world, before).await;
            // A called tool may have been about to send.
            assert!(world.upstream.seen().len() <= sent + 1);
            assert!(left > 0 || last == stage, "it was cancelled in {last} and not in {stage}");
            if outcome.is_ok() || last > stage {
                break;
            }
            assert!(matches!(outcome, Err(Stop::Cancelled)), "{stage}, {left}: {outcome:?}");
            assert!(call(&world).await.text().contains(MARKER), "after {stage}, {left}");
            nothing_is_left(&world, before).await;
        }
    }
    assert!(world.verified().await.fault.is_none());
}

#[tokio::test]
async fn a_call_that_is_killed_at_any_of_its_waits_leaves_nothing() {
    let world = world().await;
    let before = at_rest(&world).await;
    let mut halted = 0;
    for stage in STAGES {
        for left in 0..3 {
            let at = |heard| kill_at(&world, AtPoll { heard, stage, left });
            let (_, outcome) = call_until(&world, at).await;
            nothing_is_left(&world, before).await;
            match outcome {
                Err(Stop::Halted(_)) => halted += 1,
                // It had not begun, or was done before the switch was.
                Err(Stop::Refused(_)) | Ok(_) => {}
                Err(other) => panic!("{stage}, {left}: {other:?}"),
            }
            world.state.lift(&target(), "ana", "it was a drill").await.unwrap();
            let lifted = async {
                while !world.host.gate.switches.known().thrown.is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            within(lifted).await;
            assert!(call(&world).await.text().contains(MARKER), "after {stage}, {left}");
        }
    }
    assert!(halted > 0, "it was killed while it ran");
}

/// Before the first word of the tool, and after each but the last.
const STAGES: std::ops::RangeInclusive<u64> = 0..=5;

fn target() -> SwitchTarget {
    SwitchTarget::Tool("do_everything".to_owned())
}

/// Throws the switch of the tool then, and does not cancel anything.
fn kill_at(world: &World, then: AtPoll) -> impl Future<Output = ()> + Send + use<> {
    let (host, by) = (world.host.clone(), "ana".to_owned());
    let switch = Switch {
        target: target(),
        reason: "a drill".to_owned(),
        by,
        since: world.clock.now(),
        expires_at: None,
    };
    async move {
        then.await;
        host.gate.switches.throw(switch).await.unwrap();
        std::future::pending::<()>().await;
    }
}
