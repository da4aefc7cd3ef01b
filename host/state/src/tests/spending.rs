//! A yes on its way through the gate, with this crate as its book, its ledger and its switches.
use std::{sync::Arc, time::Duration};

use toolward_gate::{
    Amount, ApprovalBook as _, ApprovalId, ApprovalState, Basis, BudgetLimit, Call, Cost, Decision,
    Digest, EgressTerms, Facts, Gate, Ownership, Policy, RateLimit, Refusal, Risk, SandboxTerms,
    Stop, Switchboard, Terms, Verdict,
};

use super::{
    approvals::question,
    support::{Place, answer, call},
};
use crate::State;

const HOUR: Duration = Duration::from_secs(3600);

/// Asks a person about every call, and allows what was approved.
pub(super) struct Asks(pub(super) Terms);

impl Policy for Asks {
    fn decide(&self, _: &Call, facts: &Facts) -> Decision {
        if facts.approval.is_some() {
            Decision::Allow(self.0.clone())
        } else {
            Decision::Ask(question(1))
        }
    }
}

pub(super) fn terms(calls: u32) -> Terms {
    Terms {
        time: Duration::from_secs(10),
        cost: Cost(1).into(),
        rates: vec![RateLimit::new(calls, HOUR)],
        budgets: vec![BudgetLimit::new(Amount::Cost(Cost(10)), HOUR)],
        egress: EgressTerms::default(),
        sandbox: SandboxTerms::default(),
        recording: toolward_gate::Recording::Digest,
        basis: Basis {
            policies: vec!["charge".to_owned()],
            policy_version: Digest::of(b"policies"),
            risk: Risk::High,
        },
    }
}

async fn gate(place: &Place, state: &State, calls: u32) -> Gate {
    let state = Arc::new(state.clone());
    Gate {
        policy: Arc::new(Asks(terms(calls))),
        approvals: state.clone(),
        budgets: state.clone(),
        switches: Arc::new(Switchboard::follow(state).await.unwrap()),
        ownership: Ownership::open(),
        clock: place.clock.clone(),
    }
}

/// Asks about a call, and answers yes.
async fn approve(place: &Place, state: &State, gate: &Gate) -> ApprovalId {
    let Err(Stop::Held { approval, .. }) = gate.settle(call("robo")).await else {
        panic!("the call was not held")
    };
    state.decide(approval, answer(place, "ana", Verdict::Approve)).await.unwrap();
    approval
}

async fn state_of(state: &State, id: ApprovalId) -> ApprovalState {
    state.show(id).await.unwrap().unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn one_yes_serves_one_call_when_two_race_on_two_hosts() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let (here, there) = (gate(&place, &one, 100).await, gate(&place, &two, 100).await);
    for _ in 0..5 {
        let id = approve(&place, &one, &here).await;
        let first = here.settle(call("robo")).await.unwrap();
        let second = there.settle(call("robo")).await.unwrap();
        let (first, second) = tokio::join!(here.admit(first), there.admit(second));
        let refused = match (first, second) {
            (Ok(_), Err(stop)) | (Err(stop), Ok(_)) => stop,
            other => panic!("not exactly one was admitted: {other:?}"),
        };
        assert!(matches!(refused, Stop::Refused(Refusal::AlreadySpent)));
        assert_eq!(state_of(&two, id).await, ApprovalState::Spent);
    }
}

#[tokio::test]
async fn a_spent_yes_stays_spent_after_reopening_and_the_next_call_asks_anew() {
    let place = Place::new();
    let state = place.open().await;
    let before = gate(&place, &state, 100).await;
    let id = approve(&place, &state, &before).await;
    let kept = before.settle(call("robo")).await.unwrap();
    let settled = before.settle(call("robo")).await.unwrap();
    assert!(before.admit(settled).await.is_ok());
    let state = place.reopen(state).await;
    let after = gate(&place, &state, 100).await;
    assert_eq!(state_of(&state, id).await, ApprovalState::Spent);
    let again = after.admit(kept).await;
    assert!(matches!(again, Err(Stop::Refused(Refusal::AlreadySpent))));
    let anew = after.settle(call("robo")).await;
    assert!(matches!(anew, Err(Stop::Held { approval, .. }) if approval != id));
}

#[tokio::test]
async fn a_yes_is_good_until_it_expires() {
    let place = Place::new();
    let state = place.open().await;
    let gate = gate(&place, &state, 100).await;
    approve(&place, &state, &gate).await;
    let in_time = gate.settle(call("robo")).await.unwrap();
    place.clock.pass(HOUR.saturating_sub(Duration::from_micros(1)));
    assert!(gate.admit(in_time).await.is_ok());
    let late = approve(&place, &state, &gate).await;
    let settled = gate.settle(call("robo")).await.unwrap();
    place.clock.pass(HOUR);
    let refused = gate.admit(settled).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::AlreadySpent))));
    assert_eq!(state_of(&state, late).await, ApprovalState::Expired);
}

#[tokio::test]
async fn a_yes_is_not_spent_on_a_call_that_another_limit_refuses() {
    let place = Place::new();
    let state = place.open().await;
    let (closed, open) = (gate(&place, &state, 0).await, gate(&place, &state, 1).await);
    let id = approve(&place, &state, &closed).await;
    let settled = closed.settle(call("robo")).await.unwrap();
    let refused = closed.admit(settled).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::OverRate { .. }))));
    assert_eq!(state_of(&state, id).await, ApprovalState::Approved);
    let settled = open.settle(call("robo")).await.unwrap();
    assert!(open.admit(settled).await.is_ok(), "the refused call did not count either");
    assert_eq!(state_of(&state, id).await, ApprovalState::Spent);
}

#[tokio::test]
async fn nothing_is_counted_for_a_call_whose_yes_is_spent() {
    let place = Place::new();
    let state = place.open().await;
    let gate = gate(&place, &state, 2).await;
    approve(&place, &state, &gate).await;
    let first = gate.settle(call("robo")).await.unwrap();
    let second = gate.settle(call("robo")).await.unwrap();
    assert!(gate.admit(first).await.is_ok());
    let refused = gate.admit(second).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::AlreadySpent))));
    approve(&place, &state, &gate).await;
    let third = gate.settle(call("robo")).await.unwrap();
    assert!(gate.admit(third).await.is_ok(), "two calls were admitted, and two fit");
}
