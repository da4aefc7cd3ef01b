//! How long does a call live once it has met a limit?
//!
//! What is measured begins before the limit and not after it: when the tool's last word but one was taken, when the
//! call was made, or when its time was over at the earliest. So every figure is at least what it is said to be.
use std::time::{Duration, Instant};

use tokio::{sync::mpsc, task::JoinHandle};
use toolward_gate::{Limit, ProgressSink, Refusal, Stop, Terms};
use toolward_sandbox::{Output, SandboxSettings};

use super::{desk::Desk, server::Server, yard::Yard};

/// What is changed about the terms of a call.
type Change = fn(&mut Terms);
/// Whether the call ended for the limit.
type Met = fn(&Stop) -> bool;

/// Alone, and beside others that compute.
pub(crate) async fn limits(component: &[u8]) -> anyhow::Result<()> {
    println!("\nFrom a limit to the end of the call; at most 250 ms are allowed:\n");
    for beside in [0, BESIDE] {
        println!("  beside {beside} that compute");
        let yard = Yard::open(component, BESIDE.max(1)).await?;
        let mut others = Vec::new();
        for _ in 0..beside {
            others.push(begun(&yard, "spin").await?);
        }
        for case in cases(component).await? {
            case.measure().await?;
        }
        queue(component).await?;
        response().await?;
        for (run, _said) in others {
            run.abort();
        }
    }
    Ok(())
}

/// One limit, and how it is met.
struct Case {
    limit: &'static str,
    yard: Yard,
    tool: &'static str,
    since: Since,
    met: fn(&Stop) -> bool,
}

#[derive(Clone, Copy)]
enum Since {
    /// The tool says that it is next.
    Announced,
    /// The call was made.
    Made,
    /// So long after the call was made.
    Later(Duration),
}

async fn cases(component: &[u8]) -> anyhow::Result<Vec<Case>> {
    let table = wat::parse_str(TABLE)?;
    let time: fn(&Stop) -> bool = |stop| matches!(stop, Stop::Halted(_));
    let usual: fn(&mut Terms) = |_: &mut Terms| ();
    let short: fn(&mut Terms) = |terms: &mut Terms| terms.time = SHORT;
    let no_instances: fn(&mut Terms) = |terms: &mut Terms| terms.sandbox.limits.instances = 0;
    let no_handles: fn(&mut Terms) = |terms: &mut Terms| terms.sandbox.limits.component_handles = 0;
    let rows: [(_, &[u8], Change, _, _, Met); 11] = [
        ("memory", component, usual, "fill", Since::Announced, |stop| met(stop, Limit::Memory)),
        ("stack", component, usual, "sink", Since::Announced, |stop| met(stop, Limit::Stack)),
        ("tables", &table, usual, "go", Since::Made, |stop| met(stop, Limit::Tables)),
        ("instances", component, no_instances, "compute", Since::Made, |stop| {
            met(stop, Limit::Instances)
        }),
        ("handles", component, no_handles, "spin", Since::Made, |stop| met(stop, Limit::Handles)),
        ("arguments of a host call", component, usual, "shout", Since::Announced, |stop| {
            met(stop, Limit::HostCall)
        }),
        ("result", component, usual, "gush", Since::Announced, |stop| {
            met(stop, Limit::Output) || met(stop, Limit::HostCall)
        }),
        ("parts of a result", component, usual, "recite", Since::Announced, |stop| {
            met(stop, Limit::Output)
        }),
        ("time, while it computes", component, short, "spin", Since::Later(SHORT), time),
        ("time, while it waits", component, short, "wait", Since::Later(SHORT), time),
        ("time, while it floods the log", component, short, "chatter", Since::Later(SHORT), time),
    ];
    let mut cases = Vec::new();
    for (limit, bytes, change, tool, since, met) in rows {
        let yard = Yard::with(bytes, SandboxSettings::default(), change).await?;
        cases.push(Case { limit, yard, tool, since, met });
    }
    Ok(cases)
}

impl Case {
    async fn measure(&self) -> anyhow::Result<()> {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let (one, outcome) = self.once().await?;
            ended(self.limit, outcome, self.met)?;
            took.push(one);
        }
        tell(self.limit, &mut took);
        Ok(())
    }

    async fn once(&self) -> anyhow::Result<(Duration, Result<Output, Stop>)> {
        let (sender, mut said) = mpsc::channel(1);
        let mut began = Instant::now();
        let run = self.yard.start(self.tool, ProgressSink::to(sender)).await?;
        if let Since::Announced = self.since {
            said.recv().await;
            began = Instant::now();
            said.recv().await;
        }
        let outcome = run.await?;
        let before = if let Since::Later(time) = self.since { time } else { Duration::ZERO };
        Ok((began.elapsed().saturating_sub(before), outcome))
    }
}

/// The one place is taken: who may not wait is told, and so is who waited for long enough.
async fn queue(component: &[u8]) -> anyhow::Result<()> {
    let settings = || SandboxSettings { concurrent_calls: 1, ..SandboxSettings::default() };
    let full: fn(&mut Terms) = |terms: &mut Terms| terms.sandbox.limits.queue_length = 0;
    let late: fn(&mut Terms) = |terms: &mut Terms| terms.sandbox.limits.queue_time = SHORT;
    let rows: [(_, Change, _, Met); 2] = [
        ("queue length", full, Since::Made, |stop| {
            matches!(stop, Stop::Refused(Refusal::QueueFull))
        }),
        ("queue time", late, Since::Later(SHORT), |stop| {
            matches!(stop, Stop::Refused(Refusal::QueueTime { .. }))
        }),
    ];
    for (limit, change, since, met) in rows {
        let yard = Yard::with(component, settings(), change).await?;
        let (run, _said) = begun(&yard, "spin").await?;
        Case { limit, yard, tool: "compute", since, met }.measure().await?;
        run.abort();
    }
    Ok(())
}

/// A response that does not end, from the moment in which the server had handed over as much as may come.
async fn response() -> anyhow::Result<()> {
    let server = Server::start(&[]).await?;
    let desk = Desk::open("127.0.0.1", server.address.port(), &server.root).await?;
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let outcome = desk.fetch("/items/0".to_owned()).await;
        let ended = Instant::now();
        let passed = server.passed().ok_or_else(|| anyhow::anyhow!("less was sent"))?;
        took.push(ended.saturating_duration_since(passed));
        let told = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        anyhow::ensure!(told.contains("longer than"), "the response is cut: {told}");
    }
    tell("response", &mut took);
    Ok(())
}

/// A call of a tool that never ends, which has begun.
async fn begun(yard: &Yard, tool: &str) -> anyhow::Result<Begun> {
    let (sender, mut said) = mpsc::channel(1);
    let run = yard.start(tool, ProgressSink::to(sender)).await?;
    said.recv().await;
    Ok((run, said))
}

type Begun = (JoinHandle<Result<Output, Stop>>, mpsc::Receiver<toolward_gate::Said>);

fn met(stop: &Stop, limit: Limit) -> bool {
    matches!(stop, Stop::Limit(met) if *met == limit)
}

fn ended(limit: &str, outcome: Result<Output, Stop>, met: fn(&Stop) -> bool) -> anyhow::Result<()> {
    match outcome {
        Err(stop) if met(&stop) => Ok(()),
        other => anyhow::bail!("the limit `{limit}` was not what ended the call: {other:?}"),
    }
}

fn tell(limit: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let (middle, longest) = (took[took.len() / 2], took[took.len() - 1]);
    let word = if longest < ALLOWED { "" } else { "   TOO LONG" };
    println!("    {limit:<36} median {middle:>9.1?}   longest {longest:>9.1?}{word}");
}

/// A component without a world of ours: no compiler of a usual language grows a table.
const TABLE: &str = r#"(component
    (core module $m
        (table 1 funcref)
        (func (export "go")
            (if (i32.eq (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1))
                (then unreachable))))
    (core instance $m (instantiate $m))
    (func (export "go") (canon lift (core func $m "go"))))"#;
const ALLOWED: Duration = Duration::from_millis(250);
const SHORT: Duration = Duration::from_millis(50);
const BESIDE: u32 = 8;
const TIMES: usize = 40;
