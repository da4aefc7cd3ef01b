//! A yes of somebody who lost the role, and a question beside the one before.
use std::{collections::BTreeSet, time::Duration};

use toolward_gate::{
    Answer, ApprovalBook as _, ApprovalId, ApprovalState, Asking, DenialTarget, DenyList as _,
    Filing, Roles, RolesFrom, Verdict,
};

use super::{
    approvals::question,
    support::{Place, answer, call_with},
};
use crate::State;

fn roles(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A host whose configuration says this of Ana and of whoever runs the command line, who is Ben.
async fn host(place: &Place, ana: &[&str], ben: &[&str]) -> State {
    let roles = Roles {
        operator: Some(("ben".to_owned(), roles(ben))),
        people: [("ana".to_owned(), roles(ana))].into(),
    };
    place.open().await.asking(Asking { roles, ..Asking::default() })
}

fn yes(place: &Place, by: &str, from: RolesFrom) -> Answer {
    Answer { roles_from: from, ..answer(place, by, Verdict::Approve) }
}

async fn file(state: &State, place: &Place, arguments: &str, count: u8) -> ApprovalId {
    let call = call_with("robo", arguments);
    state.file(&Filing::new(&call, &question(count), place.now()).unwrap()).await.unwrap()
}

const CHARGE: &str = r#"{"amount":5}"#;

/// G-24.
#[tokio::test]
async fn a_yes_of_one_who_lost_the_role_does_not_count_when_the_second_comes() {
    let place = Place::new();
    let before = host(&place, &["payer"], &[]).await;
    let id = file(&before, &place, CHARGE, 2).await;
    before.decide(id, yes(&place, "ana", RolesFrom::Person)).await.unwrap();

    let demoted = host(&place, &["gardener"], &[]).await;
    let second = demoted.decide(id, yes(&place, "zoe", RolesFrom::Token)).await.unwrap();
    assert_eq!((second.state, second.lapsed), (ApprovalState::Open, roles(&["ana"])));
    assert!(second.filing.approvers.count == 2 && second.answers.len() == 2);
    // As before, the two would have been enough.
    assert_eq!(before.show(id).await.unwrap().unwrap().lapsed, roles(&[]));
    let third = demoted.decide(id, yes(&place, "kim", RolesFrom::Token)).await.unwrap();
    assert_eq!(third.state, ApprovalState::Approved);
}

/// G-24.
#[tokio::test]
async fn a_question_that_was_approved_waits_again_once_a_yes_lapses() {
    let place = Place::new();
    let before = host(&place, &["payer"], &["payer"]).await;
    for (by, from) in [("ana", RolesFrom::Person), ("ben", RolesFrom::Operator)] {
        let id = file(&before, &place, &format!(r#"{{"to":"{by}"}}"#), 1).await;
        before.decide(id, yes(&place, by, from)).await.unwrap();
        assert_eq!(before.show(id).await.unwrap().unwrap().state, ApprovalState::Approved);
        let demoted = host(&place, &[], &["oncall"]).await;
        let shown = demoted.show(id).await.unwrap().unwrap();
        assert_eq!((shown.state, &shown.lapsed), (ApprovalState::Open, &roles(&[by])));
        assert!(shown.described().contains("it does not count any more"), "{}", shown.described());
        let open = demoted.list(Some(ApprovalState::Open)).await.unwrap();
        assert!(open.iter().any(|one| one.id == id));
        let approved = demoted.list(Some(ApprovalState::Approved)).await.unwrap();
        assert!(approved.iter().all(|one| one.id != id));
        demoted.decide(id, yes(&place, "zoe", RolesFrom::Token)).await.unwrap();
        assert_eq!(demoted.show(id).await.unwrap().unwrap().state, ApprovalState::Approved);
    }
    // Whom this host does not know as its operator, it does not judge.
    let id = file(&before, &place, CHARGE, 1).await;
    before.decide(id, yes(&place, "olga", RolesFrom::Operator)).await.unwrap();
    let shown = host(&place, &[], &[]).await.show(id).await.unwrap().unwrap();
    assert_eq!(shown.state, ApprovalState::Approved);
}

/// G-24: a no stands, whoever said it.
#[tokio::test]
async fn a_no_of_one_who_lost_the_role_stands() {
    let place = Place::new();
    let before = host(&place, &["payer"], &[]).await;
    let id = file(&before, &place, CHARGE, 1).await;
    let no = Answer { roles_from: RolesFrom::Person, ..answer(&place, "ana", Verdict::Deny) };
    before.decide(id, no).await.unwrap();
    let shown = host(&place, &[], &[]).await.show(id).await.unwrap().unwrap();
    assert_eq!((shown.state, shown.lapsed), (ApprovalState::Denied, roles(&[])));
}

/// G-24, E-17.
#[tokio::test]
async fn a_yes_of_one_who_was_denied_since_does_not_count() {
    let place = Place::new();
    let state = place.open().await;
    let id = file(&state, &place, CHARGE, 1).await;
    let through =
        Answer { acts_for: vec!["ana".to_owned()], ..yes(&place, "helper", RolesFrom::Token) };
    state.decide(id, through).await.unwrap();
    let deny = |who: &str| toolward_gate::Denial {
        target: DenialTarget::Subject { id: who.to_owned(), issuer: None, before: place.now() },
        reason: "left".to_owned(),
        by: "ben".to_owned(),
        since: place.now(),
        expires_at: None,
    };
    place.clock.pass(Duration::from_secs(1));
    state.deny(deny("zoe")).await.unwrap();
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Approved);
    state.deny(deny("ana")).await.unwrap();
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Open);
    // What she says with a new login counts.
    place.clock.pass(Duration::from_secs(1));
    let again = file(&state, &place, r#"{"amount":6}"#, 1).await;
    state.decide(again, yes(&place, "ana", RolesFrom::Token)).await.unwrap();
    assert_eq!(state.show(again).await.unwrap().unwrap().state, ApprovalState::Approved);
}

/// G-10.
#[tokio::test]
async fn a_question_says_what_is_other_than_in_the_last_one_of_its_tool_and_principal() {
    let place = Place::new();
    let state = place.open().await;
    let shown = async |id| state.show(id).await.unwrap().unwrap();
    let iban = |last: char| format!(r#"{{"amount":5,"to":"DE89370400440532013{last}00"}}"#);
    let first = file(&state, &place, &iban('0'), 1).await;
    assert!(shown(first).await.filing.compared.is_none());
    let mut last = first;
    for number in 1..4 {
        place.clock.pass(Duration::from_secs(1));
        state.decide(last, answer(&place, "ana", Verdict::Deny)).await.unwrap();
        let now = file(&state, &place, &iban(char::from_digit(number, 10).unwrap()), 1).await;
        let text = shown(now).await.described();
        let told = format!(
            "differs       /to: \"{}\" -> \"{number}\" (after 19 and before 2 characters that are the same)\n",
            number - 1
        );
        assert!(
            text.contains(&told) && text.contains(&format!("compared with {last}, the last")),
            "{text}"
        );
        last = now;
    }
    // One of somebody else is not held against it.
    let other = call_with("tess", &iban('9'));
    let other = state.file(&Filing::new(&other, &question(1), place.now()).unwrap()).await.unwrap();
    assert!(shown(other).await.filing.compared.is_none());
}
