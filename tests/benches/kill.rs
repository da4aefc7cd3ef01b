//! How long does it take from a kill to silence, with 1,000 calls in flight, and what does a durable trail cost?
//!
//! `cargo bench -p toolward-tests --bench kill`, with room for 4,000 open files (`ulimit -n 8192`). The calls go
//! through a whole host: policies, SQLite, a fresh sandbox each, and a connection each to a server on loopback,
//! which says when it saw each of them end. `KILL_CALLS=50` for fewer, where it is tried in a debug build.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
mod support {
    pub(crate) mod crowd;
    pub(crate) mod silent;
}

use std::time::{Duration, Instant};

use anyhow::Context as _;
use support::crowd::{Crowd, Trail};

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` and `cargo bench -- --list` ask for nothing here.
    if std::env::args().any(|word| word == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async { tokio::spawn(all()).await })?
}

async fn all() -> anyhow::Result<()> {
    let (calls, crowd) = (calls()?, Crowd::gather(Trail::Durable).await?);
    println!(
        "\nFrom a kill that is acknowledged to silence at the upstream, {calls} calls in flight:\n"
    );
    for here in [true, false] {
        let (mut silence, mut after) = (Vec::new(), 0);
        let mut acknowledged = Vec::new();
        for _ in 0..ROUNDS {
            let kill = crowd.kill(calls, here).await?;
            acknowledged.push(kill.acknowledged);
            silence.extend(kill.ended);
            after += kill.began_after;
        }
        let who = if here { "by this host" } else { "by another program" };
        println!("  thrown {who:<19} {}", percentiles(&mut silence));
        println!("  {:<26} {}", "  until acknowledged", percentiles(&mut acknowledged));
        println!("  {:<26} {after} requests began after it", "");
    }
    println!("\nA governed call, with and without a trail, in turns:\n");
    let without = Crowd::gather(Trail::None).await?;
    let (mut durable, mut none) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        durable.push(timed(&crowd).await?);
        none.push(timed(&without).await?);
    }
    println!("  durable  {}\n  none     {}", percentiles(&mut durable), percentiles(&mut none));
    let middle = |all: &[Duration]| all[all.len() / 2].as_secs_f64();
    println!("  ratio of the medians: {:.2}", middle(&durable) / middle(&none));
    Ok(())
}

/// Fails where the number is none, or the files that it needs cannot be open at once: such a run would measure less
/// than it says.
fn calls() -> anyhow::Result<usize> {
    let calls = match std::env::var("KILL_CALLS") {
        Ok(text) => text.parse().context("KILL_CALLS is no number")?,
        Err(_) => CALLS,
    };
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most = files.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    // The host's end of each connection and the server's, and room for the rest.
    let wanted = calls * 3 + 256;
    anyhow::ensure!(
        most.is_none_or(|most| most >= wanted),
        "{calls} calls need {wanted} open files: run `ulimit -n 8192` before"
    );
    Ok(calls)
}

async fn timed(crowd: &Crowd) -> anyhow::Result<Duration> {
    let began = Instant::now();
    crowd.call("quick").await?;
    Ok(began.elapsed())
}

fn percentiles(all: &mut [Duration]) -> String {
    all.sort();
    let at = |share: usize| all[(all.len() - 1) * share / 100];
    format!(
        "50%: {:>9.1?}   99%: {:>9.1?}   most: {:>9.1?}   of {}",
        at(50),
        at(99),
        at(100),
        all.len()
    )
}

const CALLS: usize = 1_000;
const ROUNDS: usize = 5;
const TURNS: usize = 300;
