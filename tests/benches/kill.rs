//! How long does it take from a kill to silence, with 1,000 calls in flight, and what does a durable trail cost?
//!
//! `cargo bench -p toolward-tests --bench kill`, with room for 4,000 open files (`ulimit -n 8192`). The calls go
//! through a whole host: policies, SQLite, a fresh sandbox each, and a connection each to a server on loopback,
//! which says when it saw each of them end.
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
    let crowd = Crowd::gather(Trail::Durable).await?;
    println!(
        "\nFrom a kill that is acknowledged to silence at the upstream, {CALLS} calls in flight:\n"
    );
    for here in [true, false] {
        let (mut silence, mut after) = (Vec::new(), 0);
        let mut acknowledged = Vec::new();
        for _ in 0..ROUNDS {
            let kill = crowd.kill(CALLS, here).await?;
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
