//! What is set aside while a call runs, and budgets of tokens.
use std::time::Duration;

use toolward_gate::{
    Adjustment, Amount, AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Closed, Cost, Refusal,
    Reservation, ReserveError, Tally, Usage,
};

use super::support::{Place, call, closed};
use crate::State;

const MINUTE: Duration = Duration::from_secs(60);

fn usage(cost: u64, tokens: u64) -> Usage {
    Usage { cost: Cost(cost), tokens, ..Usage::default() }
}

/// Ten micro-dollars and a hundred tokens.
fn budgets() -> Vec<BudgetLimit> {
    [Amount::Cost(Cost(10)), Amount::Tokens(100)].map(|most| BudgetLimit::new(most, MINUTE)).into()
}

fn told(done: Result<(), ReserveError>) -> Result<(), Refusal> {
    done.map_err(|error| match error {
        ReserveError::Refused(refusal) => refusal,
        ReserveError::Unavailable(error) => panic!("{error}: {}", error.cause),
    })
}

async fn reserve(place: &Place, state: &State, usage: Usage) -> Result<Call, Refusal> {
    let (call, now) = (call("robo"), place.now());
    let reservation = Reservation {
        call: &call,
        usage: usage.into(),
        spent: Tally::default(),
        rates: &[],
        budgets: &budgets(),
        approval: None,
        now,
        expires_at: now.checked_add(MINUTE).unwrap(),
    };
    told(state.reserve(reservation).await).map(|()| call)
}

async fn adjust(place: &Place, state: &State, call: &Call, usage: Usage) -> Result<(), Refusal> {
    let (call, now) = (call.id, place.now());
    told(
        state
            .adjust(Adjustment {
                call,
                usage: usage.into(),
                spent: Tally::default(),
                budgets: &budgets(),
                behalf: &[],
                now,
            })
            .await,
    )
}

/// Writes down what was used already.
async fn charge(place: &Place, state: &State, call: &Call, usage: Usage) {
    let (call, now) = (call.id, place.now());
    told(
        state
            .adjust(Adjustment {
                call,
                usage: usage.into(),
                spent: usage.into(),
                budgets: &[],
                behalf: &[],
                now,
            })
            .await,
    )
    .unwrap();
}

#[tokio::test]
async fn tokens_have_a_budget_beside_the_one_of_money() {
    let place = Place::new();
    let state = place.open().await;
    assert_eq!(reserve(&place, &state, usage(1, 101)).await.unwrap_err(), Refusal::OverBudget);
    assert_eq!(reserve(&place, &state, usage(11, 1)).await.unwrap_err(), Refusal::OverBudget);
    let most = reserve(&place, &state, usage(1, 100)).await.unwrap();
    assert_eq!(reserve(&place, &state, usage(1, 1)).await.unwrap_err(), Refusal::OverBudget);
    state.close(Closed { used: usage(1, 60).into(), ..closed(&most, 1) }).await.unwrap();
    let state = place.reopen(state).await;
    assert_eq!(reserve(&place, &state, usage(1, 41)).await.unwrap_err(), Refusal::OverBudget);
    reserve(&place, &state, usage(1, 40)).await.unwrap();
    place.clock.pass(MINUTE);
    reserve(&place, &state, usage(10, 100)).await.unwrap();
}

#[tokio::test]
async fn a_running_call_sets_more_aside_as_long_as_it_fits() {
    let place = Place::new();
    let state = place.open().await;
    let (one, two) = (
        reserve(&place, &state, usage(2, 10)).await.unwrap(),
        reserve(&place, &state, usage(2, 10)).await.unwrap(),
    );
    adjust(&place, &state, &one, usage(8, 10)).await.unwrap();
    assert_eq!(adjust(&place, &state, &two, usage(3, 10)).await.unwrap_err(), Refusal::OverBudget);
    assert_eq!(adjust(&place, &state, &two, usage(2, 91)).await.unwrap_err(), Refusal::OverBudget);
    adjust(&place, &state, &one, usage(4, 10)).await.unwrap();
    adjust(&place, &state, &two, usage(6, 90)).await.unwrap();
    assert_eq!(reserve(&place, &state, usage(1, 0)).await.unwrap_err(), Refusal::OverBudget);
}

#[tokio::test]
async fn what_was_used_is_charged_although_it_is_more_than_the_budget() {
    let place = Place::new();
    let state = place.open().await;
    let call = reserve(&place, &state, usage(2, 0)).await.unwrap();
    charge(&place, &state, &call, usage(12, 0)).await;
    state.close(closed(&call, 12)).await.unwrap();
    assert_eq!(reserve(&place, &state, usage(0, 0)).await.unwrap_err(), Refusal::OverBudget);
    place.clock.pass(MINUTE);
    reserve(&place, &state, usage(10, 0)).await.unwrap();
}

/// H-04.
#[tokio::test]
async fn amounts_that_no_column_holds_are_refused_before_and_do_not_wrap_after() {
    let place = Place::new();
    let state = place.open().await;
    let call = reserve(&place, &state, usage(2, 0)).await.unwrap();
    let most = usage(u64::MAX, u64::MAX);
    assert_eq!(adjust(&place, &state, &call, most).await.unwrap_err(), Refusal::OverBudget);
    for used in [call, reserve(&place, &state, usage(2, 0)).await.unwrap()] {
        charge(&place, &state, &used, most).await;
        state.close(Closed { used: most.into(), ..closed(&used, u64::MAX) }).await.unwrap();
    }
    assert_eq!(reserve(&place, &state, usage(0, 0)).await.unwrap_err(), Refusal::OverBudget);
    place.clock.pass(MINUTE);
    reserve(&place, &state, usage(10, 100)).await.unwrap();
}

#[tokio::test]
async fn a_call_that_set_nothing_aside_or_was_settled_is_not_adjusted() {
    let place = Place::new();
    let state = place.open().await;
    let adjusted = async |call: &Call| {
        let (call, now) = (call.id, place.now());
        let adjustment = Adjustment {
            call,
            usage: usage(1, 0).into(),
            spent: Tally::default(),
            budgets: &[],
            behalf: &[],
            now,
        };
        state.adjust(adjustment).await
    };
    assert!(matches!(adjusted(&call("robo")).await, Err(ReserveError::Unavailable(_))));
    let one = reserve(&place, &state, usage(1, 0)).await.unwrap();
    assert!(adjusted(&one).await.is_ok());
    state.close(closed(&one, 1)).await.unwrap();
    assert!(matches!(adjusted(&one).await, Err(ReserveError::Unavailable(_))));
}
