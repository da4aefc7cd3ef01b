//! Do short calls notice what runs beside them?
//!
//! Short calls come at a pace of their own, whatever became of the one before: a call that comes late is late for
//! its caller, too. The three surroundings take turns.
use std::{
    collections::BTreeMap,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::MissedTickBehavior};
use toolward_gate::{ProgressSink, Terms};
use toolward_sandbox::SandboxSettings;

use super::yard::Yard;

/// What runs beside the calls that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nobody,
    Healthy,
    Hostile,
}

pub(crate) async fn neighbours(component: &[u8]) -> anyhow::Result<()> {
    println!(
        "\nShort calls, one every {PACE:.1?}, beside {AT_ONCE} callers whose calls follow each other (each \
         begins one every {EACH:.0?} at most):\n"
    );
    let short: fn(&mut Terms) = |terms: &mut Terms| terms.time = EACH;
    let settings = || SandboxSettings { concurrent_calls: 64, ..SandboxSettings::default() };
    let yard = Arc::new(Yard::with(component, settings(), |_| ()).await?);
    let theirs = Arc::new(Yard::beside(&yard, component, short).await?);
    let mut seen: BTreeMap<Beside, Vec<[f64; 2]>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for beside in [Beside::Nobody, Beside::Healthy, Beside::Hostile] {
            let mut took = window(&yard, &theirs, beside).await?;
            took.sort_unstable();
            let of =
                |hundredth: usize| took[(took.len() - 1) * hundredth / 100].as_secs_f64() * 1e6;
            if round > 0 {
                seen.entry(beside).or_default().push([of(50), of(99)]);
            }
        }
    }
    report(&seen);
    Ok(())
}

/// Median and 99th percentile of each round; of these, the medians, and the median of what moved in a round.
fn report(seen: &BTreeMap<Beside, Vec<[f64; 2]>>) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let alone = &seen[&Beside::Nobody];
    for (beside, rounds) in seen {
        let [middle, tail] =
            [0, 1].map(|which| median(rounds.iter().map(|one| one[which]).collect()));
        let moved = rounds.iter().zip(alone).map(|(one, alone)| (one[1] / alone[1] - 1.0) * 100.0);
        println!(
            "  beside {beside:<8} median {middle:>7.0} µs   99%: {tail:>7.0} µs   the 99% moves by {:>5.0} %",
            median(moved.collect()),
            beside = format!("{beside:?}").to_lowercase(),
        );
    }
}

/// How long the short calls of one window took.
async fn window(
    yard: &Arc<Yard>,
    theirs: &Arc<Yard>,
    beside: Beside,
) -> anyhow::Result<Vec<Duration>> {
    let mut others = JoinSet::new();
    for which in 0..AT_ONCE {
        others.spawn(keep_calling(theirs.clone(), beside, which));
    }
    tokio::time::sleep(EACH).await;
    let mut calls = JoinSet::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..CALLS {
        let due = pace.tick().await.into_std();
        let yard = yard.clone();
        calls.spawn(async move {
            yard.run("compute", r#"{"times":10}"#).await?;
            anyhow::Ok(Instant::now().saturating_duration_since(due))
        });
    }
    let took = calls.join_all().await.into_iter().collect();
    others.shutdown().await;
    took
}

/// Hostile calls end in many ways, and none of them is of interest here.
async fn keep_calling(yard: Arc<Yard>, beside: Beside, which: usize) {
    const HOSTILE: [&str; 8] = ["spin", "fill", "spin", "chatter", "sink", "spin", "gush", "shout"];
    let mut at = which;
    let mut pace = tokio::time::interval(EACH);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let tool = match beside {
            Beside::Nobody => pending::<&str>().await,
            Beside::Healthy => "compute",
            Beside::Hostile => HOSTILE[at % HOSTILE.len()],
        };
        at += 1;
        if let Ok(run) = yard.start(tool, ProgressSink::default()).await {
            drop(run.await);
        }
    }
}

const AT_ONCE: usize = 12;
/// How long a hostile call may last.
const EACH: Duration = Duration::from_millis(50);
const PACE: Duration = Duration::from_millis(1);
const CALLS: usize = 600;
const ROUNDS: usize = 25;
