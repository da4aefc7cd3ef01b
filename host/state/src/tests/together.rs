//! What is done and what is recorded of it happen together, or not at all.
use std::time::Duration;

use toolward_gate::{
    Amount, ApprovalBook as _, ApprovalState, AuditLog as _, BudgetLedger as _, BudgetLimit, Call,
    Cost, DecideError, Filing, Reservation, Switch, SwitchFeed as _, SwitchTarget, Tally, Usage,
    Verdict,
};

use super::{
    approvals::question,
    support::{Place, answer, call, closed, fault, records},
};
use crate::State;

/// Makes every record fail, as a full disk would.
async fn lose_the_trail(place: &Place) {
    place.run("ALTER TABLE audit RENAME TO lost").await.unwrap();
}

async fn find_the_trail(place: &Place) {
    place.run("ALTER TABLE lost RENAME TO audit").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_not_taken() {
    let place = Place::new();
    let state = place.open().await;
    let filing = Filing::new(&call("robo"), &question(1), place.now()).unwrap();
    let id = state.file(&filing).await.unwrap();
    lose_the_trail(&place).await;
    let failed = state.decide(id, answer(&place, "ana", Verdict::Approve)).await;
    assert!(matches!(failed, Err(DecideError::Unavailable(_))));
    let shown = state.show(id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.answers.len()), (ApprovalState::Open, 0));
    find_the_trail(&place).await;
    let decided = state.decide(id, answer(&place, "ana", Verdict::Approve)).await.unwrap();
    assert_eq!(decided.state, ApprovalState::Approved);
    assert_eq!(records(&state).await.len(), 1);
}

#[tokio::test]
async fn a_switch_is_neither_thrown_nor_lifted_where_that_cannot_be_recorded() {
    let place = Place::new();
    let state = place.open().await;
    let switch = Switch {
        target: SwitchTarget::Everything,
        reason: "a test".to_owned(),
        by: "ana".to_owned(),
        since: place.now(),
        expires_at: None,
    };
    lose_the_trail(&place).await;
    assert!(state.throw(switch.clone()).await.is_err());
    assert!(state.read().await.unwrap().thrown.is_empty());
    find_the_trail(&place).await;
    state.throw(switch.clone()).await.unwrap();
    lose_the_trail(&place).await;
    assert!(state.lift(&switch.target, "ben", "over").await.is_err());
    assert_eq!(state.read().await.unwrap().thrown, std::slice::from_ref(&switch));
    find_the_trail(&place).await;
    assert!(state.lift(&switch.target, "ben", "over").await.unwrap());
    assert_eq!(records(&state).await.len(), 2);
}

#[tokio::test]
async fn a_call_is_not_settled_where_its_end_cannot_be_recorded() {
    let place = Place::new();
    let state = place.open().await;
    let first = call("robo");
    assert!(takes_ten(&place, &state, &first).await);
    lose_the_trail(&place).await;
    assert!(state.close(closed(&first, 0)).await.is_err());
    assert!(!takes_ten(&place, &state, &call("robo")).await, "it is set aside still");
    find_the_trail(&place).await;
    state.close(closed(&first, 0)).await.unwrap();
    assert!(takes_ten(&place, &state, &call("robo")).await);
    assert_eq!(fault(&state).await, None);
}

/// Whether the whole of a budget could be set aside for a call.
async fn takes_ten(place: &Place, state: &State, call: &Call) -> bool {
    let hour = Duration::from_secs(3600);
    let reservation = Reservation {
        call,
        usage: Usage { cost: Cost(10), tokens: 0, ..Usage::default() }.into(),
        spent: Tally::default(),
        rates: &[],
        budgets: &[BudgetLimit::new(Amount::Cost(Cost(10)), hour)],
        approval: None,
        now: place.now(),
        expires_at: place.now().checked_add(hour).unwrap(),
    };
    state.reserve(reservation).await.is_ok()
}
