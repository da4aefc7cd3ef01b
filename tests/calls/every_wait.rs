//! A call that ends at any of its waits leaves nothing: no place, no task, no open entry, nothing set aside.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{
    fs,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use toolward_gate::{Clock as _, ProgressSink, Said, Stop, Switch, SwitchFeed as _, SwitchTarget};
use toolward_sandbox::Output;

use crate::world::{Guest, MARKER, Setting, World, alone, within};

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

/// Both tools run where they were made: each of their waits is one of the call's.
const HERE: Duration = Duration::MAX;
/// Both run on threads of the background from their beginning.
const APART: Duration = Duration::ZERO;
/// They begin here, and are moved at their first wait.
const MOVED: Duration = Duration::from_nanos(1);

/// One place for the tool, and one for the tool that it calls: one that was not given back would be missed.
async fn world(share: Duration) -> World {
    let share = Some(share);
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

/// Is ready after so many turns of the runtime, after the tool has said that it comes to `stage`. What it meets there is
/// chance: the tool is at work on another thread.
async fn after_turns(heard: Arc<AtomicU64>, stage: u64, turns: usize) {
    while heard.load(SeqCst) < stage {
        tokio::task::yield_now().await;
    }
    for _ in 0..turns {
        tokio::task::yield_now().await;
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

/// What a host at rest has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rest {
    tasks: usize,
    /// A connection is kept for the next request: a task at each of its ends, both of which are here. How many are kept
    /// is chance where the tool is not at work on this thread: it sends its next request before the connection of the
    /// last one is back, and has another one made.
    connections: usize,
}

impl Rest {
    /// After whole calls, when what a start does once is over, too.
    async fn of(world: &World) -> Self {
        for _ in 0..2 {
            assert!(call(world).await.text().contains(MARKER));
        }
        let mut fewest = within(Self::steady(world)).await;
        // A connection of the database is given back by a task, which waits for a thread.
        for _ in 0..50 {
            let steady = within(Self::steady(world)).await;
            if steady.own_tasks() < fewest.own_tasks() {
                fewest = steady;
            }
        }
        fewest
    }

    /// What stays for so many turns of the runtime: a connection that begins or ends counts, for some turns, without its
    /// tasks.
    async fn steady(world: &World) -> Self {
        let (mut last, mut turns) = (Self::now(world), 0);
        while turns < 500 {
            tokio::task::yield_now().await;
            let now = Self::now(world);
            turns = if now == last { turns + 1 } else { 0 };
            last = now;
        }
        last
    }

    fn now(world: &World) -> Self {
        Self { tasks: tasks(), connections: world.upstream.connections() }
    }

    /// Those that are no connection's.
    fn own_tasks(self) -> usize {
        self.tasks.saturating_sub(2 * self.connections)
    }
}

/// Entries that were opened and not closed.
async fn open_entries(world: &World) -> usize {
    let trail = world.trail().await;
    let count = |kind: &str| trail.iter().filter(|one: &&Value| one["record"] == kind).count();
    count("opened").saturating_sub(count("closed"))
}

/// Waits until as little is there as before; what a call of a call has to close is closed by then.
async fn nothing_is_left(world: &World, before: Rest) {
    let settled = async {
        while Rest::steady(world).await.own_tasks() > before.own_tasks()
            || open_entries(world).await > 0
        {}
    };
    within(settled).await;
    assert_eq!(world.set_aside().await, 0, "what was set aside is given back");
}

#[tokio::test]
async fn what_a_running_call_holds_is_noticed() {
    let world = world(HERE).await;
    let before = Rest::of(&world).await;
    let slow = json!({ "method": "GET", "target": "/items/slow" });
    let running = async {
        world.upstream.slow_began().await;
        let now = Rest::now(&world);
        assert!(now.own_tasks() > before.own_tasks(), "{now:?}, before {before:?}");
        assert_eq!((open_entries(&world).await, world.set_aside().await), (1, 1));
        // Its own place is free, and that of the tool that it calls is not.
        let refused = call_until(&world, |_| std::future::pending()).await.1;
        let Err(Stop::Failed(failure)) = &refused else { panic!("{refused:?}") };
        assert_eq!(failure.code, "queue-full");
        world.upstream.release();
    };
    let (outcome, ()) = tokio::join!(world.call("fetch", slow), running);
    outcome.unwrap();
    nothing_is_left(&world, before).await;
    assert!(call(&world).await.text().contains(MARKER));
}

#[tokio::test]
async fn a_call_that_is_cancelled_at_any_of_its_waits_leaves_nothing() {
    let world = world(HERE).await;
    let before = Rest::of(&world).await;
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

/// Wherever the other thread is in it. Alone, since it counts descriptors of the process, too.
#[test]
fn a_call_in_the_background_that_is_cancelled_leaves_nothing() {
    let name = "calls::every_wait::a_call_in_the_background_that_is_cancelled_leaves_nothing";
    alone(name, "", true, async {
        let mut said = String::new();
        for share in [APART, MOVED] {
            let cancelled = cancelled_in_the_background(share).await;
            assert!(cancelled >= 10, "it was cancelled while it ran: {cancelled} times");
            said += &format!("{share:?}: {cancelled} cancelled; ");
        }
        said
    });
}

/// How often it was cancelled in time.
async fn cancelled_in_the_background(share: Duration) -> u32 {
    let world = world(share).await;
    let before = Rest::of(&world).await;
    let sockets = sockets() - 2 * before.connections;
    let mut cancelled = 0;
    for stage in STAGES {
        // Some microseconds, and some milliseconds.
        for turns in (0..12).map(|which| (1 << which) - 1) {
            let (last, outcome) =
                call_until(&world, |heard| after_turns(heard, stage, turns)).await;
            let is_whole = outcome.is_ok();
            match outcome {
                Err(Stop::Cancelled) => cancelled += 1,
                Ok(_) => {}
                Err(other) => panic!("{stage}, {turns}: {other:?}"),
            }
            let sent = world.upstream.seen().len();
            nothing_is_left(&world, before).await;
            assert!(world.upstream.seen().len() <= sent + 1);
            if is_whole || last > stage {
                break;
            }
        }
        assert!(call(&world).await.text().contains(MARKER), "after {stage}");
        nothing_is_left(&world, before).await;
    }
    // The last connections are on their way out.
    let gone = async {
        while self::sockets() > sockets + 2 * world.upstream.connections() {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    assert!(world.verified().await.fault.is_none());
    cancelled
}

fn sockets() -> usize {
    let all = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|one| fs::read_link(one.ok()?.path()).ok());
    all.filter(|to| to.to_string_lossy().starts_with("socket:")).count()
}

#[tokio::test]
async fn a_call_that_is_killed_at_any_of_its_waits_leaves_nothing() {
    for share in [HERE, APART] {
        killed_at_any_wait(share).await;
    }
}

async fn killed_at_any_wait(share: Duration) {
    let world = world(share).await;
    let before = Rest::of(&world).await;
    let mut halted = 0;
    for stage in STAGES {
        for left in 0..3 {
            let throwing = Throwing::default();
            let at = |heard| throwing.clone().at(&world, AtPoll { heard, stage, left });
            let (_, outcome) = call_until(&world, at).await;
            throwing.over().await;
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

/// A switch that is thrown to its end, also when the call that it is to halt is over first.
#[derive(Clone, Default)]
struct Throwing(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Throwing {
    /// Throws the switch of the tool then, and does not cancel anything.
    fn at(self, world: &World, then: AtPoll) -> impl Future<Output = ()> + Send + use<> {
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
            let throw = async move { host.gate.switches.throw(switch).await.unwrap() };
            *self.0.lock().unwrap() = Some(tokio::spawn(throw));
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it is thrown, if it is to be.
    async fn over(self) {
        let throwing = self.0.lock().unwrap().take();
        if let Some(throwing) = throwing {
            throwing.await.unwrap();
        }
    }
}
