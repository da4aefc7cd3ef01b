//! Questions: asked once, answered by others, good for a time.
use std::{collections::BTreeSet, time::Duration};

use toolward_gate::{
    Answer, ApprovalBook as _, ApprovalId, ApprovalState, Approvers, Call, DecideError, Digest,
    Filing, Question, Risk, Verdict,
};

use super::support::{Place, answer, call, call_with, fault, records};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn question(count: u8) -> Question {
    Question {
        risk: Risk::High,
        approvers: Approvers { count, roles: ["payer".to_owned()].into() },
        patience: Duration::ZERO,
        expires_in: HOUR,
        capabilities: vec!["money:charges:create".parse().unwrap()],
        policy_version: Digest::of(b"policies"),
    }
}

fn filing(place: &Place, call: &Call, count: u8) -> Filing {
    Filing::new(call, &question(count), place.now()).unwrap()
}

fn yes(place: &Place, by: &str) -> Answer {
    answer(place, by, Verdict::Approve)
}

fn no(place: &Place, by: &str) -> Answer {
    answer(place, by, Verdict::Deny)
}

#[tokio::test]
async fn the_same_call_is_asked_about_once_and_another_call_anew() {
    let place = Place::new();
    let state = place.open().await;
    let first = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    place.clock.pass(Duration::from_secs(1));
    let again = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    assert_eq!(first, again);
    let other = call_with("robo", r#"{"amount":6}"#);
    let other = state.file(&filing(&place, &other, 1)).await.unwrap();
    assert_ne!(first, other);
    let open = state.list(Some(ApprovalState::Open)).await.unwrap();
    let open: Vec<ApprovalId> = open.iter().map(|request| request.id).collect();
    assert_eq!(open, [other, first], "the newest comes first");
    assert!(state.list(Some(ApprovalState::Approved)).await.unwrap().is_empty());
    assert_eq!(state.list(None).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_file_the_same_call_at_once_share_one_question() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let filings = (0..16).map(|number| {
        let state = if number % 2 == 0 { one.clone() } else { two.clone() };
        let filing = filing(&place, &call("robo"), 1);
        tokio::spawn(async move { state.file(&filing).await.unwrap().to_string() })
    });
    let mut ids = BTreeSet::new();
    for filing in filings.collect::<Vec<_>>() {
        ids.insert(filing.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn another_person_decides_and_neither_the_asker_nor_whom_it_acts_for() {
    let place = Place::new();
    let state = place.open().await;
    let id = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    for party in ["robo", "owen"] {
        let refused = state.decide(id, yes(&place, party)).await;
        assert!(matches!(refused, Err(DecideError::OwnCall(by)) if by == party));
    }
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Open);
    let decided = state.decide(id, yes(&place, "ana")).await.unwrap();
    assert_eq!(decided.state, ApprovalState::Approved);
    let shown = state.show(id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.answers.len()), (ApprovalState::Approved, 1));
    assert_eq!(shown.filing.arguments, r#"{"amount":5}"#);
}

#[tokio::test]
async fn one_without_a_role_that_was_asked_for_does_not_decide() {
    let place = Place::new();
    let state = place.open().await;
    let id = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    let stranger = Answer { roles: ["gardener".to_owned()].into(), ..yes(&place, "ana") };
    let refused = state.decide(id, stranger).await.unwrap_err();
    assert_eq!(refused.to_string(), "`ana` has none of the roles that may decide: payer");
    let with_role = state.decide(id, yes(&place, "ana")).await.unwrap();
    assert_eq!(with_role.state, ApprovalState::Approved);
}

#[tokio::test]
async fn anybody_but_the_parties_decides_where_no_role_is_asked_for() {
    let place = Place::new();
    let state = place.open().await;
    let mut anybody = filing(&place, &call("robo"), 0);
    anybody.approvers.roles.clear();
    let id = state.file(&anybody).await.unwrap();
    let without_role = |by: &str| Answer { roles: BTreeSet::new(), ..yes(&place, by) };
    let party = state.decide(id, without_role("owen")).await;
    assert!(matches!(party, Err(DecideError::OwnCall(_))));
    let nobody_yet = state.show(id).await.unwrap().unwrap();
    assert_eq!(nobody_yet.state, ApprovalState::Open, "no answers are never enough");
    let decided = state.decide(id, without_role("ana")).await.unwrap();
    assert_eq!(decided.state, ApprovalState::Approved);
}

#[tokio::test]
async fn an_approval_that_was_never_filed_is_not_decided() {
    let place = Place::new();
    let state = place.open().await;
    let id = ApprovalId::generate();
    let refused = state.decide(id, yes(&place, "ana")).await;
    assert!(matches!(refused, Err(DecideError::Unknown(unknown)) if unknown == id));
    assert!(state.show(id).await.unwrap().is_none());
    assert!(state.wait(id, Duration::ZERO).await.is_err());
    let filed = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    assert!(state.decide(filed, yes(&place, "ana")).await.is_ok());
}

#[tokio::test]
async fn a_no_stands_until_the_question_expires_and_no_yes_follows_it() {
    let place = Place::new();
    let state = place.open().await;
    let id = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    state.decide(id, yes(&place, "ana")).await.unwrap();
    let denied = state.decide(id, no(&place, "ben")).await.unwrap();
    assert_eq!(denied.state, ApprovalState::Denied);
    let late = state.decide(id, yes(&place, "cleo")).await;
    assert!(matches!(late, Err(DecideError::NotOpen { state: ApprovalState::Denied, .. })));
    let again = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    assert_eq!(again, id, "asking again does not ask another person");
    place.clock.pass(HOUR);
    let anew = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    assert_ne!(anew, id);
}

#[tokio::test]
async fn two_different_people_are_needed_where_two_are_asked_for() {
    let place = Place::new();
    let state = place.open().await;
    let id = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    let first = state.decide(id, yes(&place, "ana")).await.unwrap();
    assert_eq!(first.state, ApprovalState::Open);
    let twice = state.decide(id, yes(&place, "ana")).await;
    assert!(matches!(twice, Err(DecideError::AnsweredBefore(by)) if by == "ana"));
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Open);
    let second = state.decide(id, yes(&place, "ben")).await.unwrap();
    assert_eq!(second.state, ApprovalState::Approved);
    let third = state.decide(id, no(&place, "cleo")).await;
    assert!(matches!(third, Err(DecideError::NotOpen { state: ApprovalState::Approved, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_opposite_answers_at_once_one_counts() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    for amount in 0..8 {
        let call = call_with("robo", &format!(r#"{{"amount":{amount}}}"#));
        let id = one.file(&filing(&place, &call, 1)).await.unwrap();
        let (said_yes, said_no) =
            tokio::join!(one.decide(id, yes(&place, "ana")), two.decide(id, no(&place, "ben")));
        assert_ne!(said_yes.is_ok(), said_no.is_ok());
        let shown = one.show(id).await.unwrap().unwrap();
        let expected =
            if said_yes.is_ok() { ApprovalState::Approved } else { ApprovalState::Denied };
        assert_eq!((shown.state, shown.answers.len()), (expected, 1));
    }
}

#[tokio::test]
async fn a_question_is_open_until_the_very_moment_it_expires() {
    let place = Place::new();
    let state = place.open().await;
    let id = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    place.clock.pass(HOUR.saturating_sub(Duration::from_micros(1)));
    assert_eq!(state.decide(id, yes(&place, "ana")).await.unwrap().state, ApprovalState::Open);
    assert_eq!(state.file(&filing(&place, &call("robo"), 2)).await.unwrap(), id);
    place.clock.pass(Duration::from_micros(1));
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Expired);
    let late = state.decide(id, yes(&place, "ben")).await;
    assert!(matches!(late, Err(DecideError::NotOpen { state: ApprovalState::Expired, .. })));
    assert!(state.list(Some(ApprovalState::Open)).await.unwrap().is_empty());
    assert_eq!(state.list(Some(ApprovalState::Expired)).await.unwrap().len(), 1);
    assert_ne!(state.file(&filing(&place, &call("robo"), 2)).await.unwrap(), id);
}

#[tokio::test]
async fn questions_and_answers_survive_reopening() {
    let place = Place::new();
    let state = place.open().await;
    let open = state.file(&filing(&place, &call("robo"), 2)).await.unwrap();
    state.decide(open, yes(&place, "ana")).await.unwrap();
    let denied = state.file(&filing(&place, &call("rita"), 1)).await.unwrap();
    state.decide(denied, no(&place, "ben")).await.unwrap();
    let state = place.reopen(state).await;
    assert_eq!(state.show(denied).await.unwrap().unwrap().state, ApprovalState::Denied);
    assert_eq!(state.file(&filing(&place, &call("robo"), 2)).await.unwrap(), open);
    let twice = state.decide(open, yes(&place, "ana")).await;
    assert!(matches!(twice, Err(DecideError::AnsweredBefore(_))));
    let second = state.decide(open, yes(&place, "ben")).await.unwrap();
    assert_eq!(second.state, ApprovalState::Approved);
    assert_eq!(second.answers[0].by, "ana");
}

#[tokio::test]
async fn an_answer_that_was_taken_is_in_the_trail_and_one_that_was_not_is_absent() {
    let place = Place::new();
    let state = place.open().await;
    let approved = state.file(&filing(&place, &call("robo"), 1)).await.unwrap();
    let denied = state.file(&filing(&place, &call("rita"), 1)).await.unwrap();
    state.decide(approved, yes(&place, "robo")).await.unwrap_err();
    assert!(records(&state).await.is_empty());
    state.decide(approved, yes(&place, "ana")).await.unwrap();
    state.decide(approved, yes(&place, "cleo")).await.unwrap_err();
    state.decide(denied, no(&place, "ben")).await.unwrap();
    let change = |by: &str, action: &str, subject: ApprovalId| {
        serde_json::json!({
            "record": "changed", "by": by, "action": action,
            "subject": subject.to_string(), "reason": "as agreed",
        })
    };
    let expected =
        [change("ana", "approval-approve", approved), change("ben", "approval-deny", denied)];
    assert_eq!(records(&state).await, expected);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_hears_an_answer_given_here_or_by_another_host() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    for (principal, deciding) in [("robo", here.clone()), ("rita", there)] {
        let id = here.file(&filing(&place, &call(principal), 1)).await.unwrap();
        let unanswered = here.wait(id, Duration::ZERO).await.unwrap();
        assert_eq!(unanswered.state, ApprovalState::Open, "patience is over at once");
        let waiting = {
            let here = here.clone();
            tokio::spawn(async move { here.wait(id, HOUR).await.unwrap() })
        };
        tokio::task::yield_now().await;
        deciding.decide(id, yes(&place, "ana")).await.unwrap();
        assert_eq!(waiting.await.unwrap().state, ApprovalState::Approved);
    }
}
