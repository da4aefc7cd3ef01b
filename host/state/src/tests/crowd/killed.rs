//! A crowd whose host is killed (SIGKILL) in the middle of it: does what was admitted still count?
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::sync::Barrier;
use toolward_gate::{BudgetLedger as _, BudgetLimit, Clock as _, RateLimit};

use super::{
    super::{
        crash::{self, FOLDER, tell},
        faults,
        limits::budgets,
        support::{SetClock, call},
    },
    CALLERS, FIT, admitted,
};
use crate::State;

type Limits = (Vec<RateLimit>, Vec<BudgetLimit>);

/// One limit each, of which exactly [`FIT`] calls fit, and which lasts longer than what a lost host set aside.
fn limits(kind: &str) -> Limits {
    match kind {
        "rate" => (vec![RateLimit::new(100, Duration::from_secs(3600))], Vec::new()),
        budget => (Vec::new(), budgets(budget)),
    }
}

const KINDS: [&str; 4] =
    ["usd:0.0001/hour", "rate", "requests:100/month of shop by principal", "bytes:10000/total"];
const KIND: &str = "TOOLWARD_TEST_LIMIT";

/// All of the crowd where nobody kills its host.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_crowd_of_a_child() {
    let own = TempDir::new().unwrap();
    let folder = std::env::var_os(FOLDER).map_or_else(|| own.path().to_owned(), PathBuf::from);
    let kind = std::env::var(KIND).unwrap_or_else(|_| "rate".to_owned());
    let (clock, limits) = (SetClock::at_ten(), Arc::new(limits(&kind)));
    let state = State::open(&folder.join("state.db"), clock.clone()).await.unwrap();
    let together = Arc::new(Barrier::new(CALLERS));
    let callers = (0..CALLERS).map(|_| {
        let (clock, state, limits) = (clock.clone(), state.clone(), limits.clone());
        let together = together.clone();
        tokio::spawn(async move {
            let call = call("robo");
            together.wait().await;
            let is_in = admitted(clock.now(), &state, &call, (&limits.0, &limits.1)).await;
            if is_in {
                tell("admitted");
            }
            is_in
        })
    });
    let mut count = 0;
    for caller in callers.collect::<Vec<_>>() {
        count += usize::from(caller.await.unwrap());
    }
    tell(&format!("steps {}", faults::count()));
    assert_eq!(count, FIT);
}

/// H-01 and H-11: with a host that is lost among its callers.
#[test]
fn a_crowd_whose_host_is_killed_is_not_over_admitted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (steps, rounds) = (steps(), super::rounds());
    let (mut killed, mut over, mut lost) = (0, 0, 0);
    for round in 0..rounds {
        let (folder, kind) = (TempDir::new().unwrap(), KINDS[round % KINDS.len()]);
        // How many there are depends on who comes together: the last ones may not be there.
        let step = steps * (2 * round + 1) / (2 * rounds);
        let Some(told) = killed_at(folder.path(), kind, step) else { continue };
        killed += 1;
        let (counted, more) = runtime.block_on(survivor(folder.path(), kind));
        lost += told.saturating_sub(counted);
        over += (counted + more).saturating_sub(FIT);
        assert_eq!(counted + more, FIT, "round {round}, `{kind}` at step {step} of {steps}");
    }
    println!(
        "hosts killed among {CALLERS} callers: {killed} in {rounds} rounds; over-admissions: {over}; admitted and not counted: {lost}"
    );
    assert!(killed * 2 > rounds, "{killed} of {rounds}");
    assert_eq!((over, lost), (0, 0));
}

fn killed_at(folder: &Path, kind: &str, step: usize) -> Option<usize> {
    let (_, told) = crash::killed_at(CROWD, folder, &step.to_string(), &[(KIND, kind)])?;
    Some(told.iter().filter(|one| *one == "admitted").count())
}

fn steps() -> usize {
    let folder = TempDir::new().unwrap();
    let output = crash::child(CROWD, folder.path(), None).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let steps = text.lines().find_map(|line| line.strip_prefix("told: steps ")).unwrap();
    steps.parse().unwrap()
}

/// How much counts on what is left, and how many more fit; when all that was set aside is given back.
async fn survivor(folder: &Path, kind: &str) -> (usize, usize) {
    let (clock, limits) = (SetClock::at_ten(), limits(kind));
    clock.pass(Duration::from_secs(120));
    let state = State::open(&folder.join("state.db"), clock.clone()).await.unwrap();
    state.close_interrupted().await.unwrap();
    // The first one tells by what it is held.
    let mut more =
        usize::from(admitted(clock.now(), &state, &call("robo"), (&limits.0, &limits.1)).await);
    let shown = state.standings(Some("robo"), clock.now()).await.unwrap();
    let each = if kind.starts_with("bytes") { 100 } else { 1 };
    let used = usize::try_from(shown[0].used + shown[0].reserved).unwrap() / each;
    let counted = used - more;
    while admitted(clock.now(), &state, &call("robo"), (&limits.0, &limits.1)).await {
        more += 1;
    }
    (counted, more)
}

const CROWD: &str = "tests::crowd::killed::the_crowd_of_a_child";
