//! Whatever happens, and in whatever order: no more is spent in a window than its budget.
use std::time::Duration;

use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use toolward_gate::{
    Amount, AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Cost, Refusal, Reservation,
    ReserveError, Tally, Usage,
};
use uuid::Uuid;

use super::support::{Place, call, closed};
use crate::State;

const BUDGET: u64 = 100;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Event {
    Reserve {
        cost: u64,
        lasts: u64,
    },
    /// Closes one of the calls whose reservation has not expired.
    Close {
        which: prop::sample::Index,
        cost: u64,
    },
    /// Reservations expire, and calls leave the window.
    Pass(u64),
    TurnBack(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..60_u64, 0..90_u64).prop_map(|(cost, lasts)| Event::Reserve { cost, lasts }),
        3 => (any::<prop::sample::Index>(), 0..80_u64).prop_map(|(which, cost)| Event::Close { which, cost }),
        2 => (1..45_u64).prop_map(Event::Pass),
        1 => (1..45_u64).prop_map(Event::TurnBack),
    ]
}

/// A call that was admitted, as it ought to be counted.
struct Admitted {
    call: Call,
    at: Timestamp,
    reserved: u64,
    settled: Option<u64>,
    expires_at: Timestamp,
}

/// What one principal has been admitted for.
struct Account {
    principal: String,
    admitted: Vec<Admitted>,
}

impl Account {
    /// The time, which for an account does not run backwards.
    fn now(&self, place: &Place) -> Timestamp {
        self.admitted.iter().map(|one| one.at).max().map_or(place.now(), |at| at.max(place.now()))
    }

    /// The sum over the window that ends now.
    fn sum(&self, now: Timestamp) -> u64 {
        let counted = self.admitted.iter().filter(|one| one.at > now.checked_sub(WINDOW).unwrap());
        let cost = |one: &Admitted| match one.settled {
            Some(cost) => cost,
            None if one.expires_at > now => one.reserved,
            None => 0,
        };
        counted.map(cost).sum()
    }

    async fn reserve(&mut self, place: &Place, state: &State, cost: u64, lasts: u64) {
        let (call, lasts) = (call(&self.principal), Duration::from_secs(lasts));
        let reservation = Reservation {
            call: &call,
            usage: Usage { cost: Cost(cost), tokens: 0, ..Usage::default() }.into(),
            spent: Tally::default(),
            rates: &[],
            budgets: &[BudgetLimit::new(Amount::Cost(Cost(BUDGET)), WINDOW)],
            approval: None,
            now: place.now(),
            expires_at: place.now().checked_add(lasts).unwrap(),
        };
        let now = self.now(place);
        let fits = self.sum(now).saturating_add(cost) <= BUDGET;
        match state.reserve(reservation).await {
            Ok(()) => assert!(fits, "{cost} was admitted and does not fit"),
            Err(ReserveError::Refused(Refusal::OverBudget)) => {
                assert!(!fits, "{cost} was refused and fits");
                return;
            }
            Err(other) => panic!("{other}"),
        }
        let expires_at = now.checked_add(lasts).unwrap();
        self.admitted.push(Admitted { call, at: now, reserved: cost, settled: None, expires_at });
    }

    async fn close(&mut self, place: &Place, state: &State, which: prop::sample::Index, cost: u64) {
        let now = self.now(place);
        let runs = |one: &&mut Admitted| one.settled.is_none() && one.expires_at > now;
        let mut running: Vec<&mut Admitted> = self.admitted.iter_mut().filter(runs).collect();
        if running.is_empty() {
            return;
        }
        let which = which.index(running.len());
        let one = &mut running[which];
        state.close(closed(&one.call, cost)).await.unwrap();
        one.settled = Some(cost.min(one.reserved));
    }
}

/// One principal a case, so that the cases share a file and nothing else.
async fn take(state: &State, place: &Place, events: Vec<Event>) {
    let principal = Uuid::new_v4().to_string();
    let mut account = Account { principal, admitted: Vec::new() };
    for event in events {
        match event {
            Event::Reserve { cost, lasts } => account.reserve(place, state, cost, lasts).await,
            Event::Close { which, cost } => account.close(place, state, which, cost).await,
            Event::Pass(seconds) => place.clock.pass(Duration::from_secs(seconds)),
            Event::TurnBack(seconds) => place.clock.step_back(Duration::from_secs(seconds)),
        }
        assert!(account.sum(account.now(place)) <= BUDGET);
    }
}

#[test]
fn no_sequence_of_reserving_closing_and_expiring_overspends_or_refuses_what_fits() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let state = runtime.block_on(place.open());
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let events = prop::collection::vec(event(), 1..25);
    let run = |events| {
        runtime.block_on(take(&state, &place, events));
        Ok(())
    };
    TestRunner::new(config).run(&events, run).unwrap();
}
