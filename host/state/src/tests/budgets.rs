//! Rates and budgets over windows that slide.
use std::time::Duration;

use jiff::Timestamp;
use toolward_gate::{
    Amount, AuditLog as _, BudgetLedger as _, BudgetLimit, Call, CallId, Cost, RateLimit, Refusal,
    Reservation, ReserveError, Tally, Usage,
};

use super::support::{Place, call, closed};
use crate::State;

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_micros(1);

/// What a call is held to.
#[derive(Clone, Default)]
struct Limits {
    rates: Vec<RateLimit>,
    budgets: Vec<BudgetLimit>,
    /// How long what is set aside for it lasts.
    lasts: Duration,
}

fn rate(calls: u32, window: Duration) -> Limits {
    Limits { rates: vec![RateLimit::new(calls, window)], lasts: MINUTE, ..Limits::default() }
}

fn budget(cost: u64, window: Duration) -> Limits {
    let budgets = vec![BudgetLimit::new(Amount::Cost(Cost(cost)), window)];
    Limits { budgets, lasts: window, ..Limits::default() }
}

impl Limits {
    async fn reserve(
        &self,
        state: &State,
        now: Timestamp,
        call: &Call,
        cost: u64,
    ) -> Result<(), Refusal> {
        let reservation = Reservation {
            call,
            usage: Usage { cost: Cost(cost), tokens: 0, ..Usage::default() }.into(),
            spent: Tally::default(),
            rates: &self.rates,
            budgets: &self.budgets,
            approval: None,
            now,
            expires_at: now.checked_add(self.lasts).unwrap(),
        };
        state.reserve(reservation).await.map_err(|error| match error {
            ReserveError::Refused(refusal) => refusal,
            ReserveError::Unavailable(error) => panic!("{error}: {}", error.cause),
        })
    }

    /// Reserves for a new call of `robo`.
    async fn take(&self, place: &Place, state: &State, cost: u64) -> Result<Call, Refusal> {
        let call = call("robo");
        self.reserve(state, place.now(), &call, cost).await.map(|()| call)
    }
}

#[tokio::test]
async fn a_rate_refuses_the_call_over_it_and_says_when_to_try_again() {
    let place = Place::new();
    let state = place.open().await;
    let two = rate(2, MINUTE);
    two.take(&place, &state, 0).await.unwrap();
    place.clock.pass(Duration::from_secs(20));
    two.take(&place, &state, 0).await.unwrap();
    place.clock.pass(Duration::from_secs(10));
    let refused = two.take(&place, &state, 0).await.unwrap_err();
    let retry_after = Duration::from_secs(30);
    assert_eq!(
        refused,
        Refusal::OverRate { calls: 2, window: MINUTE.into(), retry_after: Some(retry_after) }
    );
    place.clock.pass(retry_after.saturating_sub(MOMENT));
    assert!(two.take(&place, &state, 0).await.is_err(), "a moment too early");
    place.clock.pass(MOMENT);
    two.take(&place, &state, 0).await.unwrap();
    let full_again = two.take(&place, &state, 0).await.unwrap_err();
    let retry_after = Duration::from_secs(20);
    assert_eq!(
        full_again,
        Refusal::OverRate { calls: 2, window: MINUTE.into(), retry_after: Some(retry_after) }
    );
}

/// It is looked for from the end of the window that is nearer.
#[tokio::test]
async fn a_rate_that_was_lowered_says_when_enough_calls_have_left_the_window() {
    let place = Place::new();
    let state = place.open().await;
    for _ in 0..6 {
        rate(6, MINUTE).take(&place, &state, 0).await.unwrap();
        place.clock.pass(Duration::from_secs(5));
    }
    // They began 30, 25, 20, 15, 10 and 5 seconds ago.
    for calls in 1..=6 {
        let refused = rate(calls, MINUTE).take(&place, &state, 0).await.unwrap_err();
        let retry_after = Duration::from_secs(60 - 5 * u64::from(calls));
        assert_eq!(
            refused,
            Refusal::OverRate { calls, window: MINUTE.into(), retry_after: Some(retry_after) }
        );
    }
}

#[tokio::test]
async fn a_rate_of_no_calls_refuses_every_call() {
    let place = Place::new();
    let state = place.open().await;
    assert!(rate(0, MINUTE).take(&place, &state, 0).await.is_err());
    assert!(rate(1, MINUTE).take(&place, &state, 0).await.is_ok());
    assert!(rate(0, MINUTE).take(&place, &state, 0).await.is_err());
}

#[tokio::test]
async fn each_principal_has_a_window_of_its_own() {
    let place = Place::new();
    let state = place.open().await;
    let one = rate(1, MINUTE);
    one.take(&place, &state, 0).await.unwrap();
    assert!(one.take(&place, &state, 0).await.is_err());
    one.reserve(&state, place.now(), &call("rita"), 0).await.unwrap();
    assert!(one.reserve(&state, place.now(), &call("rita"), 0).await.is_err());
}

#[tokio::test]
async fn each_tool_has_a_window_of_its_own() {
    let place = Place::new();
    let state = place.open().await;
    let one = rate(1, MINUTE);
    one.take(&place, &state, 0).await.unwrap();
    let mut refund = call("robo");
    refund.tool.name = "refund".parse().unwrap();
    one.reserve(&state, place.now(), &refund, 0).await.unwrap();
    assert!(one.take(&place, &state, 0).await.is_err());
    let ten = budget(10, MINUTE);
    ten.take(&place, &state, 10).await.unwrap();
    assert!(ten.take(&place, &state, 1).await.is_err());
    refund.id = CallId::generate();
    ten.reserve(&state, place.now(), &refund, 10).await.unwrap();
}

#[tokio::test]
async fn a_budget_is_spent_to_the_last_and_not_beyond() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budget(10, MINUTE);
    ten.take(&place, &state, 6).await.unwrap();
    assert_eq!(ten.take(&place, &state, 5).await.unwrap_err(), Refusal::OverBudget);
    ten.take(&place, &state, 4).await.unwrap();
    assert_eq!(ten.take(&place, &state, 1).await.unwrap_err(), Refusal::OverBudget);
    ten.take(&place, &state, 0).await.unwrap();
}

#[tokio::test]
async fn what_was_spent_leaves_a_budget_at_the_very_end_of_its_window() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budget(10, MINUTE);
    let first = ten.take(&place, &state, 10).await.unwrap();
    state.close(closed(&first, 10)).await.unwrap();
    place.clock.pass(MINUTE.saturating_sub(MOMENT));
    assert_eq!(ten.take(&place, &state, 1).await.unwrap_err(), Refusal::OverBudget);
    place.clock.pass(MOMENT);
    ten.take(&place, &state, 10).await.unwrap();
}

#[tokio::test]
async fn a_cost_that_no_column_holds_is_over_every_budget() {
    let place = Place::new();
    let state = place.open().await;
    let greatest = budget(u64::MAX, MINUTE);
    assert_eq!(greatest.take(&place, &state, u64::MAX).await.unwrap_err(), Refusal::OverBudget);
    let most = u64::MAX / 2;
    greatest.take(&place, &state, most).await.unwrap();
    assert_eq!(
        budget(most, MINUTE).take(&place, &state, 1).await.unwrap_err(),
        Refusal::OverBudget
    );
}

#[tokio::test]
async fn what_nobody_settled_is_given_back_at_the_very_moment_it_expires() {
    let place = Place::new();
    let state = place.open().await;
    let hour = Duration::from_secs(3600);
    let ten = Limits { lasts: MINUTE, ..budget(10, hour) };
    ten.take(&place, &state, 10).await.unwrap();
    place.clock.pass(MINUTE.saturating_sub(MOMENT));
    assert_eq!(ten.take(&place, &state, 1).await.unwrap_err(), Refusal::OverBudget);
    place.clock.pass(MOMENT);
    ten.take(&place, &state, 10).await.unwrap();
}

#[tokio::test]
async fn a_call_that_ends_after_its_reservation_expired_still_counts_with_its_cost() {
    let place = Place::new();
    let state = place.open().await;
    let hour = Duration::from_secs(3600);
    let ten = Limits { lasts: MINUTE, ..budget(10, hour) };
    let late = ten.take(&place, &state, 10).await.unwrap();
    place.clock.pass(MINUTE);
    ten.take(&place, &state, 0).await.unwrap();
    state.close(closed(&late, 7)).await.unwrap();
    assert_eq!(ten.take(&place, &state, 4).await.unwrap_err(), Refusal::OverBudget);
    ten.take(&place, &state, 3).await.unwrap();
}

#[tokio::test]
async fn closing_settles_once_for_the_true_cost_and_at_most_what_was_set_aside() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budget(10, MINUTE);
    let cheap = ten.take(&place, &state, 8).await.unwrap();
    assert_eq!(ten.take(&place, &state, 3).await.unwrap_err(), Refusal::OverBudget);
    state.close(closed(&cheap, 2)).await.unwrap();
    state.close(closed(&cheap, 8)).await.unwrap();
    let dear = ten.take(&place, &state, 3).await.unwrap();
    state.close(closed(&dear, 1000)).await.unwrap();
    assert_eq!(ten.take(&place, &state, 6).await.unwrap_err(), Refusal::OverBudget);
    ten.take(&place, &state, 5).await.unwrap();
}

#[tokio::test]
async fn closing_a_call_that_set_nothing_aside_settles_nothing() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budget(10, MINUTE);
    ten.take(&place, &state, 4).await.unwrap();
    state.close(closed(&call("robo"), 10)).await.unwrap();
    ten.take(&place, &state, 6).await.unwrap();
    assert_eq!(ten.take(&place, &state, 1).await.unwrap_err(), Refusal::OverBudget);
}

#[tokio::test]
async fn nothing_is_counted_when_one_of_several_limits_refuses() {
    let place = Place::new();
    let state = place.open().await;
    let (roomy, narrow) = (budget(10, MINUTE), budget(3, MINUTE));
    let mut both = Limits { rates: rate(1, MINUTE).rates, ..roomy.clone() };
    both.budgets.extend(narrow.budgets);
    assert_eq!(both.take(&place, &state, 4).await.unwrap_err(), Refusal::OverBudget);
    both.take(&place, &state, 3).await.unwrap();
    let over_rate = both.take(&place, &state, 0).await.unwrap_err();
    assert!(matches!(over_rate, Refusal::OverRate { .. }));
    roomy.take(&place, &state, 7).await.unwrap();
}

#[tokio::test]
async fn one_call_reserves_once() {
    let place = Place::new();
    let state = place.open().await;
    let call = call("robo");
    let reservation = || Reservation {
        call: &call,
        usage: Usage { cost: Cost(1), tokens: 0, ..Usage::default() }.into(),
        spent: Tally::default(),
        rates: &[],
        budgets: &[],
        approval: None,
        now: place.now(),
        expires_at: place.now(),
    };
    state.reserve(reservation()).await.unwrap();
    let twice = state.reserve(reservation()).await;
    assert!(matches!(twice, Err(ReserveError::Unavailable(_))));
}

#[tokio::test]
async fn a_clock_that_steps_back_reopens_no_window() {
    let place = Place::new();
    let state = place.open().await;
    let one = Limits { budgets: budget(10, MINUTE).budgets, ..rate(3, MINUTE) };
    one.take(&place, &state, 4).await.unwrap();
    place.clock.step_back(Duration::from_secs(600));
    one.take(&place, &state, 6).await.unwrap();
    assert_eq!(one.take(&place, &state, 1).await.unwrap_err(), Refusal::OverBudget);
    one.take(&place, &state, 0).await.unwrap();
    assert!(matches!(one.take(&place, &state, 0).await.unwrap_err(), Refusal::OverRate { .. }));
    place.clock.pass(Duration::from_secs(660));
    one.take(&place, &state, 10).await.unwrap();
}

#[tokio::test]
async fn counts_and_costs_survive_reopening() {
    let place = Place::new();
    let state = place.open().await;
    let (two, ten) = (rate(2, MINUTE), budget(10, MINUTE));
    two.take(&place, &state, 4).await.unwrap();
    let settled = ten.take(&place, &state, 6).await.unwrap();
    state.close(closed(&settled, 1)).await.unwrap();
    let state = place.reopen(state).await;
    assert!(matches!(two.take(&place, &state, 0).await.unwrap_err(), Refusal::OverRate { .. }));
    assert_eq!(ten.take(&place, &state, 6).await.unwrap_err(), Refusal::OverBudget);
    ten.take(&place, &state, 5).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_that_race_on_two_hosts_do_not_overspend() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let tasks = (0..50).map(|number| {
        let state = if number % 2 == 0 { one.clone() } else { two.clone() };
        let now = place.now();
        tokio::spawn(async move { budget(20, MINUTE).reserve(&state, now, &call("robo"), 1).await })
    });
    let mut outcomes = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        outcomes.push(task.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::OverBudget));
    assert_eq!(refused.count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_that_race_on_two_hosts_keep_the_rate() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let tasks = (0..50).map(|number| {
        let state = if number % 2 == 0 { one.clone() } else { two.clone() };
        let now = place.now();
        tokio::spawn(async move { rate(20, MINUTE).reserve(&state, now, &call("robo"), 0).await })
    });
    let mut admitted = 0_u32;
    for task in tasks.collect::<Vec<_>>() {
        admitted = admitted.saturating_add(u32::from(task.await.unwrap().is_ok()));
    }
    assert_eq!(admitted, 20);
}

#[tokio::test]
async fn what_is_left_is_of_the_tightest_budget_and_grows_as_its_window_slides() {
    let place = Place::new();
    let state = place.open().await;
    let hour = Duration::from_secs(3600);
    let budgets = [
        BudgetLimit::new(Amount::Cost(Cost(100)), hour),
        BudgetLimit::new(Amount::Cost(Cost(30)), MINUTE),
    ];
    let call = call("robo");
    let left = async |budgets| state.remaining(&call, budgets, place.now()).await.unwrap();
    assert_eq!(left(&budgets).await, Some(Cost(30)));
    assert_eq!(left(&[]).await, None);
    budget(100, hour).take(&place, &state, 20).await.unwrap();
    assert_eq!((left(&budgets).await, left(&budgets[..1]).await), (Some(Cost(10)), Some(Cost(80))));
    place.clock.pass(MINUTE);
    assert_eq!((left(&budgets).await, left(&budgets[..1]).await), (Some(Cost(30)), Some(Cost(80))));
    // Looking sets nothing aside, and what is over is nothing left.
    assert_eq!(left(&[BudgetLimit::new(Amount::Cost(Cost(5)), hour)]).await, Some(Cost(0)));
}
