//! A thousand callers at once, again and again: how many are admitted that do not fit?
#![expect(clippy::print_stdout, reason = "small numbers; a figure")]
mod killed;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Barrier;
use toolward_gate::{
    AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Closed, Cost, RateLimit, Refusal,
    Reservation, ReserveError, Tally, Unavailable, Usage,
};

use super::{
    limits::{budgets, of},
    support::{Place, call, closed},
};
use crate::State;

const CALLERS: usize = 1000;
const FIT: usize = 100;
/// `CROWD_ROUNDS=100` for longer.
const ROUNDS: usize = 8;

fn rounds() -> usize {
    std::env::var("CROWD_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(ROUNDS)
}

/// What a round is about: one limit each, of which exactly [`FIT`] calls fit.
fn limits(round: usize) -> (Vec<RateLimit>, Vec<BudgetLimit>) {
    match round % 4 {
        0 => (Vec::new(), budgets("usd:0.0001/minute")),
        1 => (vec![RateLimit::new(100, Duration::from_secs(60))], Vec::new()),
        2 => (Vec::new(), budgets("requests:100/month of shop by principal")),
        _ => (Vec::new(), budgets("bytes:10000/total,tokens:100/hour,usd:1/day by tool")),
    }
}

fn one() -> Tally {
    of("shop", Usage { cost: Cost(1), tokens: 1, requests: 1, bytes: 100 })
}

async fn admitted(
    now: Timestamp,
    state: &State,
    call: &Call,
    (rates, budgets): (&[RateLimit], &[BudgetLimit]),
) -> bool {
    let expires_at = now.checked_add(Duration::from_secs(60)).unwrap();
    loop {
        // Used from here on: a host that is gone may have run it.
        let (usage, spent, approval) = (one(), one(), None);
        let reservation =
            Reservation { call, usage, spent, rates, budgets, approval, now, expires_at };
        match state.reserve(reservation).await {
            Ok(()) => return true,
            Err(ReserveError::Refused(Refusal::OverBudget | Refusal::OverRate { .. })) => {
                return false;
            }
            Err(ReserveError::Unavailable(error)) => turned_away(&error),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Who ends in the middle of the crowd gives nothing back that it used.
async fn end(state: &State, call: &Call) {
    let end = || Closed { used: one(), ..closed(call, 1) };
    while let Err(error) = state.close(end()).await {
        turned_away(&error);
    }
}

/// A busy machine may keep the file with the other host for longer than a write waits. Then the write fails, whole,
/// and the caller comes again.
fn turned_away(error: &Unavailable) {
    assert!(error.cause.contains("database is locked"), "{error:?}");
    TURNED_AWAY.fetch_add(1, Ordering::Relaxed);
}

static TURNED_AWAY: AtomicUsize = AtomicUsize::new(0);

/// H-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_at_once_on_two_hosts_are_never_over_admitted() {
    let place = Arc::new(Place::new());
    let hosts = [place.open().await, place.open().await];
    let (mut over, mut under) = (0, 0);
    for round in 0..rounds() {
        let limits = Arc::new(limits(round));
        let together = Arc::new(Barrier::new(CALLERS));
        let callers = (0..CALLERS).map(|number| {
            let (place, state) = (place.clone(), hosts[number % 2].clone());
            let (limits, together) = (limits.clone(), together.clone());
            tokio::spawn(async move {
                let call = call(&format!("robo-{round}"));
                together.wait().await;
                let is_in = admitted(place.now(), &state, &call, (&limits.0, &limits.1)).await;
                if is_in {
                    end(&state, &call).await;
                }
                is_in
            })
        });
        let mut count = 0_usize;
        for caller in callers.collect::<Vec<_>>() {
            count += usize::from(caller.await.unwrap());
        }
        over += count.saturating_sub(FIT);
        under += FIT.saturating_sub(count);
    }
    println!(
        "over-admissions in {} rounds of {CALLERS} callers, of whom {FIT} fit: {over}; refused although they fit: {under}; turned away by a lock, and came again: {}",
        rounds(),
        TURNED_AWAY.load(Ordering::Relaxed)
    );
    assert_eq!((over, under), (0, 0));
}

/// The same crowd without the one transaction: looking first and setting aside afterwards over-admits, so that the
/// rounds above would show it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_first_and_sets_aside_afterwards_is_over_admitted() {
    let place = Arc::new(Place::new());
    let state = place.open().await;
    let limit = Arc::new(budgets("usd:0.00001/minute"));
    let together = Arc::new(Barrier::new(100));
    let callers = (0..100).map(|_| {
        let (place, state, limit, together) =
            (place.clone(), state.clone(), limit.clone(), together.clone());
        tokio::spawn(async move {
            let call = call("robo");
            let left = state.remaining(&call, &limit, place.now()).await.unwrap();
            together.wait().await;
            left >= Some(Cost(1)) && admitted(place.now(), &state, &call, (&[], &[])).await
        })
    });
    let mut count = 0;
    for caller in callers.collect::<Vec<_>>() {
        count += usize::from(caller.await.unwrap());
    }
    assert!(count > 10, "{count}");
}
