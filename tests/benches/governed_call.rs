//! What does a governed call cost, against bare wasmtime in the same run?
//!
//! `cargo bench -p toolward-tests --bench governed_call`. First criterion measures each by itself; then they
//! take turns, and the ratios of their medians are printed, and where the time of a governed call goes.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
mod support {
    pub(crate) mod bare;
    pub(crate) mod house;
    pub(crate) mod paired;
}

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use support::{
    bare::Bare,
    house::{House, Parts},
    paired::{Rounds, ratio, sum, timed},
};
use tokio::runtime::Runtime;

/// Everything that is measured.
struct Subjects {
    bare: Bare,
    /// Its database is on the disk that the build is on.
    disk: House,
    /// Its database is in memory, so that a commit waits for nothing.
    memory: Option<House>,
}

fn main() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let subjects = Arc::new(runtime.block_on(Subjects::set_up())?);
    one_by_one(&runtime, &subjects);
    let turns = {
        let subjects = subjects.clone();
        async move { subjects.in_turns().await }
    };
    // On a worker, where doors carry calls.
    let rounds = runtime.block_on(async { tokio::spawn(turns).await })??;
    report(&rounds, subjects.memory.is_some());
    Ok(())
}

impl Subjects {
    async fn set_up() -> anyhow::Result<Self> {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guest");
        let component = toolward::build::build_tool(&guest, &mut |_| {})?.bytes;
        let memory = Path::new(MEMORY);
        let memory =
            if memory.is_dir() { Some(House::build(memory, &component).await?) } else { None };
        let disk = House::build(Path::new(env!("CARGO_TARGET_TMPDIR")), &component).await?;
        Ok(Self { bare: Bare::new(&component)?, disk, memory })
    }

    async fn bare(&self) -> anyhow::Result<Duration> {
        let (took, answer) = timed(self.bare.call("nothing", "{}")).await;
        anyhow::ensure!(answer? == "{}", "the tool does nothing");
        Ok(took)
    }

    /// A round takes each once, until there are many rounds or there was much time.
    async fn in_turns(&self) -> anyhow::Result<Rounds> {
        let began = Instant::now();
        let mut rounds = Rounds::of(&COLUMNS);
        for round in 0..ROUNDS + WARM_UP {
            let bare = self.bare().await?;
            let Parts { open, settle, admit, run, close } = self.disk.parts().await?;
            let disk = self.disk.perform().await?;
            let memory = match &self.memory {
                Some(memory) => memory.perform().await?,
                None => Duration::ZERO,
            };
            if round >= WARM_UP {
                rounds.push(&[bare, run, disk, open, settle, admit, close, memory]);
            }
            if began.elapsed() > LONGEST && round > WARM_UP {
                break;
            }
        }
        Ok(rounds)
    }
}

/// Each by itself, so that criterion can compare with the run before.
fn one_by_one(runtime: &Runtime, subjects: &Subjects) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let mut group = criterion.benchmark_group("governed_call");
    group.bench_function("bare", |bencher| {
        bencher.to_async(runtime).iter_custom(|times| sum(times, || subjects.bare()));
    });
    group.bench_function("sandbox", |bencher| {
        bencher.to_async(runtime).iter_custom(|times| {
            sum(times, || async { anyhow::Ok(subjects.disk.parts().await?.run) })
        });
    });
    group.bench_function("governed", |bencher| {
        bencher.to_async(runtime).iter_custom(|times| sum(times, || subjects.disk.perform()));
    });
    group.finish();
    criterion.final_summary();
}

fn report(rounds: &Rounds, in_memory: bool) {
    println!("\nIn turns, medians; the last column is against bare wasmtime:\n");
    println!("{}", rounds.table(BARE));
    let [governed, bare, run] = [GOVERNED, BARE, RUN].map(|name| rounds.median(name));
    let writes: Duration = [OPEN, ADMIT, CLOSE].map(|name| rounds.median(name)).iter().sum();
    println!("  a governed call against bare wasmtime:  {:.1} x", ratio(governed, bare));
    println!("  the sandbox against bare wasmtime:      {:.2} x", ratio(run, bare));
    println!(
        "  of a governed call, the three commits:  {:.0} % (write-ahead log, `synchronous = FULL`: each is on the disk before the call goes on)",
        ratio(writes, governed) * 100.0
    );
    if in_memory {
        println!(
            "  with the database in memory:            {:.1} x",
            ratio(rounds.median(IN_MEMORY), bare)
        );
        println!(
            "  a durable trail against one in memory:  {:.2} x",
            ratio(governed, rounds.median(IN_MEMORY))
        );
    }
}

const BARE: &str = "bare wasmtime: instantiate and call";
const RUN: &str = "the sandbox alone";
const GOVERNED: &str = "a governed call";
const OPEN: &str = "  of it: the audit entry is opened (commit)";
const ADMIT: &str = "  of it: admitted and counted (commit)";
const CLOSE: &str = "  of it: the audit entry is closed (commit)";
const IN_MEMORY: &str = "a governed call, its database in memory";
const COLUMNS: [&str; 8] =
    [BARE, RUN, GOVERNED, OPEN, "  of it: the policy is asked", ADMIT, CLOSE, IN_MEMORY];
/// A folder in memory, on Linux.
const MEMORY: &str = "/dev/shm";
const ROUNDS: u32 = 1_000;
const WARM_UP: u32 = 20;
const LONGEST: Duration = Duration::from_secs(40);
