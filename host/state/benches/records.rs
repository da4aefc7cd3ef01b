//! How many records a second are durable, with one caller and with many at once?
//!
//! `cargo bench -p toolward-state --bench records`. The database is on the disk that the build is on. Each
//! caller opens an entry and closes it, and waits for each until it is on the disk. The numbers of callers take
//! turns, so that what slows the machine down for a while slows down all of them.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use toolward_gate::{
    AuditLog as _, CallId, Closed, Cost, Digest, Ending, Kind, Opened, Record, SystemClock,
};
use toolward_state::State;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("toolward.db");
        let state = State::open(&path, Arc::new(SystemClock)).await.unwrap();
        let mut found: Vec<Vec<Sample>> = CALLERS.iter().map(|_| Vec::new()).collect();
        for round in 0..=ROUNDS {
            for (column, callers) in CALLERS.into_iter().enumerate() {
                let sample = sample(&state, callers).await;
                if round > 0 {
                    found[column].push(sample);
                }
            }
        }
        println!(
            "{:>8} {:>16} {:>14} {:>14}",
            "callers", "records / s", "wait, median", "wait, 99 %"
        );
        for (callers, samples) in CALLERS.into_iter().zip(&mut found) {
            samples.sort_by(|one, other| one.rate.total_cmp(&other.rate));
            let middle = &samples[samples.len() / 2];
            println!(
                "{callers:>8} {:>16.0} {:>14?} {:>14?}",
                middle.rate, middle.median, middle.tail
            );
        }
        let verified = state.verify(&mut |_, _| ()).await.unwrap();
        assert!(verified.fault.is_none(), "the chain of the bench is whole");
    });
}

/// One round of so many callers.
struct Sample {
    rate: f64,
    median: Duration,
    tail: Duration,
}

async fn sample(state: &State, callers: usize) -> Sample {
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(state.clone(), began))).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    let rate = waits.len() as f64 / began.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |quantile: f64| waits[((waits.len() - 1) as f64 * quantile) as usize];
    Sample { rate, median: at(0.5), tail: at(0.99) }
}

async fn caller(state: State, began: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    while began.elapsed() < ROUND {
        let call = CallId::generate();
        for record in [opened(call), closed(call)] {
            let asked = Instant::now();
            match record {
                Record::Closed(closed) => state.close(closed).await.unwrap(),
                record @ (Record::Opened(_) | Record::Admitted(_) | Record::Changed(_)) => {
                    state.append(&record).await.unwrap();
                }
            }
            waits.push(asked.elapsed());
        }
    }
    waits
}

fn opened(call: CallId) -> Record {
    Record::Opened(Opened {
        call,
        principal: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: BTreeSet::new(),
        groups: BTreeSet::new(),
        acts_for: vec!["owen".to_owned()],
        door: "bench",
        component: "shop".parse().unwrap(),
        tool: "charge".parse().unwrap(),
        tool_digest: Digest::of(b"shop"),
        arguments_digest: Digest::of(b"{}"),
        parent: None,
        host: None,
    })
}

fn closed(call: CallId) -> Record {
    let ending = Ending { outcome: "ok".to_owned(), detail: None };
    Record::Closed(Closed {
        call,
        ending,
        cost: Cost(10),
        tokens: 0,
        used: Cost(10).into(),
        millis: 3,
        notes: Vec::new(),
    })
}

const CALLERS: [usize; 3] = [1, 8, 64];
const ROUND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 7;
