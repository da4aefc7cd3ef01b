//! What does the sandbox cost, against bare wasmtime in the same run?
//!
//! `cargo bench -p toolward-tests --bench sandbox`. Calls in a second, calls that wait, the way from a guest to
//! the host, epochs, the time from a kill or a limit to silence, and tools in other languages.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
mod support {
    pub(crate) mod bare;
    pub(crate) mod desk;
    pub(crate) mod languages;
    pub(crate) mod limits;
    pub(crate) mod neighbours;
    #[expect(dead_code, reason = "the bench of egress counts connections")]
    pub(crate) mod server;
    pub(crate) mod yard;
    pub(crate) mod yes;
}

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use support::{bare::Bare, yard::Yard};
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` and `cargo bench -- --list` ask for nothing here.
    if std::env::args().any(|word| word == "--list") {
        return Ok(());
    }
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/busy");
    let component = toolward::build::build_tool(&guest, &mut |_| {})?.bytes;
    let runtime = Runtime::new()?;
    runtime.block_on(async { tokio::spawn(all(component)).await })?
}

/// `cargo bench --bench sandbox -- WORD` measures what has that word in its name.
async fn all(component: Vec<u8>) -> anyhow::Result<()> {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    if wanted("calls") {
        calls_in_a_second(&component).await?;
        host_calls(&component).await?;
    }
    if wanted("epochs") {
        epochs(&component).await?;
    }
    if wanted("kills") {
        kills(&component).await?;
    }
    if wanted("limits") {
        support::limits::limits(&component).await?;
    }
    if wanted("neighbours") {
        support::neighbours::neighbours(&component).await?;
    }
    if wanted("languages") {
        support::languages::languages().await?;
    }
    if wanted("waiting") {
        waiting(&component).await?;
    }
    Ok(())
}

async fn calls_in_a_second(component: &[u8]) -> anyhow::Result<()> {
    println!("\nCalls in a second, of a tool that computes nothing, each in a fresh instance:\n");
    let bare = Arc::new(Bare::new(component)?);
    let yard = Arc::new(Yard::open(component, 128).await?);
    for at_once in [1, 8, 64] {
        let (mut plain, mut governed) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let bare = bare.clone();
            plain.push(
                rate(at_once, move || {
                    let bare = bare.clone();
                    async move { bare.call("compute", r#"{"times":1}"#).await.map(drop) }
                })
                .await?,
            );
            let yard = yard.clone();
            governed.push(
                rate(at_once, move || {
                    let yard = yard.clone();
                    async move { yard.run("compute", r#"{"times":1}"#).await.map(drop) }
                })
                .await?,
            );
        }
        let (plain, governed) = (median(&mut plain), median(&mut governed));
        println!(
            "  {at_once:>3} in flight: bare wasmtime {plain:>9.0}   the sandbox {governed:>9.0}   {:.2} of it",
            governed / plain
        );
    }
    Ok(())
}

/// Calls in a second, with so many in flight.
async fn rate<F>(
    at_once: usize,
    once: impl Fn() -> F + Clone + Send + 'static,
) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (began, end) = (Instant::now(), Instant::now() + ROUND);
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let once = once.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while Instant::now() < end {
                    once().await?;
                    done += 1;
                }
                anyhow::Ok(done)
            })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

async fn host_calls(component: &[u8]) -> anyhow::Result<()> {
    println!("\nFrom the guest to the host and back (`clock.now-ms`):\n");
    let bare = Bare::new(component)?;
    let yard = Yard::open(component, 8).await?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 3 {
        let mut took = [Duration::ZERO; 2];
        for (index, times) in [r#"{"times":0}"#, r#"{"times":100000}"#].iter().enumerate() {
            let began = Instant::now();
            bare.call("ask", times).await?;
            took[index] = began.elapsed();
        }
        plain.push((took[1].saturating_sub(took[0])).as_secs_f64() * 1e9 / 100_000.0);
        for (index, times) in [r#"{"times":0}"#, r#"{"times":100000}"#].iter().enumerate() {
            let began = Instant::now();
            yard.run("ask", times).await?;
            took[index] = began.elapsed();
        }
        ours.push((took[1].saturating_sub(took[0])).as_secs_f64() * 1e9 / 100_000.0);
    }
    let (plain, ours) = (median(&mut plain), median(&mut ours));
    println!("  bare wasmtime {plain:.0} ns   the sandbox {ours:.0} ns   {:.2} x", ours / plain);
    Ok(())
}

async fn epochs(component: &[u8]) -> anyhow::Result<()> {
    println!("\nEpochs, on a guest that computes (Fibonacci of 27, by calls):\n");
    let (with, without) =
        (Bare::with_epochs(component, true)?, Bare::with_epochs(component, false)?);
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 5 {
        for (bare, times) in [(&with, &mut on), (&without, &mut off)] {
            let began = Instant::now();
            bare.call("compute", r#"{"times":27}"#).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let (on, off) = (median(&mut on), median(&mut off));
    println!("  without {off:.2} ms   with {on:.2} ms   {:.2} x", on / off);
    Ok(())
}

async fn kills(component: &[u8]) -> anyhow::Result<()> {
    println!("\nFrom a thrown switch to the end of the call:\n");
    let yard = Arc::new(Yard::open(component, 8).await?);
    for tool in ["spin", "wait"] {
        let mut took = Vec::new();
        for _ in 0..KILLS {
            took.push(yard.kill(tool).await?.as_secs_f64() * 1e6);
        }
        let middle = median(&mut took);
        let tail = took[took.len() * 99 / 100];
        println!(
            "  a guest that {:<22} median {middle:>7.0} µs   99%: {tail:>7.0} µs",
            if tool == "spin" { "computes" } else { "waits for the host" }
        );
    }
    Ok(())
}

async fn waiting(component: &[u8]) -> anyhow::Result<()> {
    println!("\nCalls that wait in a host call, all at once:\n");
    for calls in [100, 1_000, 10_000] {
        match Yard::open(component, calls).await {
            Ok(yard) => println!("  {calls:>6}: {}", yard.wait(calls).await?),
            Err(error) => println!("  {calls:>6}: {error:#}"),
        }
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(500);
const KILLS: usize = 200;
