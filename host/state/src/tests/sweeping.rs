//! What is over leaves, a bounded number of rows at a time; what still counts stays.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::time::Duration;

use toolward_gate::{
    ApprovalBook as _, AuditLog as _, BudgetLedger as _, CallId, Cost, CredentialGrant, Filing,
    GrantBook as _, Reservation, Tally,
};

use super::{
    approvals::question,
    limits::budgets,
    support::{Place, call, closed, records},
};
use crate::{State, Swept};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn used(place: &Place, state: &State, principal: &str, settled: bool) {
    let (call, now) = (call(principal), place.now());
    let reservation = Reservation {
        call: &call,
        usage: Cost(1).into(),
        spent: Tally::default(),
        rates: &[],
        budgets: &budgets("usd:1/total"),
        approval: None,
        now,
        expires_at: now.checked_add(40 * DAY).unwrap(),
    };
    state.reserve(reservation).await.unwrap();
    if settled {
        state.close(closed(&call, 1)).await.unwrap();
    }
}

#[tokio::test]
async fn one_sweep_removes_a_bounded_number_of_rows_and_the_sum_stays() {
    let place = Place::new();
    let state = place.open().await;
    let rows = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1200) \
         INSERT INTO uses SELECT 'call-' || n, 'charge', '', 'robo', 1, 1000000 * n, 1000000 * n, 1, 2, 0, 0, 0, 0, 0, 0, 0 FROM numbers";
    place.run(rows).await.unwrap();
    used(&place, &state, "robo", true).await;
    let all = || async { state.standings(Some("robo"), place.now()).await.unwrap()[0].used };
    assert_eq!(all().await, 2401);
    let mut swept = Vec::new();
    loop {
        let one = state.sweep().await.unwrap();
        assert_eq!(all().await, 2401);
        swept.push(one.uses);
        if one.is_all() {
            break;
        }
    }
    assert_eq!(swept, [500, 500, 200]);
    assert_eq!(state.sweep().await.unwrap(), Swept::default());
}

#[tokio::test]
async fn what_is_in_a_window_or_runs_stays() {
    let place = Place::new();
    let state = place.open().await;
    used(&place, &state, "robo", true).await;
    used(&place, &state, "rita", false).await;
    place.clock.pass(31 * DAY);
    assert_eq!(state.sweep().await.unwrap(), Swept::default(), "a month may have 31 days");
    place.clock.pass(2 * DAY);
    assert_eq!(state.sweep().await.unwrap().uses, 1, "the other one is not settled");
    place.clock.pass(10 * DAY);
    assert_eq!(state.sweep().await.unwrap().uses, 1, "nobody will settle it");
}

#[tokio::test]
async fn old_questions_leave_and_the_trail_keeps_them() {
    let place = Place::new();
    let state = place.open().await;
    let filing = Filing::new(&call("robo"), &question(1), place.now()).unwrap();
    let id = state.file(&filing).await.unwrap();
    place
        .run("INSERT INTO approval_tellings (approval, teller, turn, attempts, next_at, told_at) SELECT id, 'mail', 1, 1, 0, 0 FROM approvals; INSERT INTO approval_links SELECT 'digest', id, 'ana', 0, NULL FROM approvals")
        .await
        .unwrap();
    let before = records(&state).await.len();
    place.clock.pass(20 * DAY);
    assert_eq!(state.sweep().await.unwrap().approvals, 0);
    assert!(state.show(id).await.unwrap().is_some());
    place.clock.pass(20 * DAY);
    assert_eq!(state.sweep().await.unwrap().approvals, 1);
    assert!(state.show(id).await.unwrap().is_none());
    assert_eq!(records(&state).await.len(), before);
}

#[tokio::test]
async fn a_grant_that_has_ended_does_not_come_back_with_a_clock_that_is_set_back() {
    let place = Place::new();
    let state = place.open().await;
    let grant = CredentialGrant {
        credential: "stripe".parse().unwrap(),
        to: "role:payer".parse().unwrap(),
        tool: None,
        by: "ana".to_owned(),
        reason: String::new(),
        since: place.now(),
        ends_at: place.now().checked_add(DAY).unwrap(),
    };
    state.grant(grant).await.unwrap();
    assert_eq!(state.sweep().await.unwrap().grants, 0);
    place.clock.pass(DAY);
    assert_eq!(state.sweep().await.unwrap().grants, 1);
    place.clock.step_back(DAY);
    assert!(state.grants(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_call_that_is_closed_after_its_rows_were_swept_changes_nothing() {
    let place = Place::new();
    let state = place.open().await;
    used(&place, &state, "robo", false).await;
    place.clock.pass(50 * DAY);
    assert_eq!(state.sweep().await.unwrap().uses, 1);
    let mut late = call("robo");
    late.id = CallId::generate();
    state.close(closed(&late, 5)).await.unwrap();
    let standing = &state.standings(Some("robo"), place.now()).await.unwrap()[0];
    assert_eq!(standing.used, 0, "nothing of it was spent for certain");
}
