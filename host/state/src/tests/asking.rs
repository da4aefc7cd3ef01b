//! Questions against a naive model: any order of filing, answering, spending and passing of time.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers, and a panic fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use toolward_gate::{
    Access, Answer, AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, Asking,
    DecideError, Digest, FileError, Filing, Refusal, Step, Verdict, WantedAccess,
};

use super::{
    approvals::question,
    support::{Place, answer, call, call_with, fault, records},
};
use crate::{LinkError, State};

const MINUTE: Duration = Duration::from_secs(60);

fn roles(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn step(name: &str, patience: Duration) -> Step {
    Step { approvers: roles(&[name]), patience }
}

fn by(place: &Place, who: &str, role: &str, verdict: Verdict) -> Answer {
    Answer { roles: roles(&["payer", role]), ..answer(place, who, verdict) }
}

/// First whoever is on call, for five minutes; then their manager, for ten.
fn chain() -> Asking {
    let chain = vec![step("oncall", 5 * MINUTE), step("manager", 10 * MINUTE)];
    Asking { chain, ..Asking::default() }
}

async fn file(state: &State, place: &Place, amount: u64) -> Result<ApprovalId, FileError> {
    let call = call_with("robo", &format!(r#"{{"amount":{amount}}}"#));
    state.file(&Filing::new(&call, &question(1), place.now()).unwrap()).await
}

#[tokio::test]
async fn a_question_goes_to_the_next_after_its_patience_and_then_the_answer_is_no() {
    let place = Place::new();
    let state = place.open().await.asking(chain());
    let id = file(&state, &place, 1).await.unwrap();
    let early = state.decide(id, by(&place, "mia", "manager", Verdict::Approve)).await;
    assert!(matches!(early, Err(DecideError::NotAskedYet(who)) if who == "mia"));
    place.clock.pass(5 * MINUTE);
    // Who was asked first still may answer.
    let later = file(&state, &place, 2).await.unwrap();
    state.decide(later, by(&place, "olga", "oncall", Verdict::Approve)).await.unwrap();
    let first = state.decide(id, by(&place, "mia", "manager", Verdict::Approve)).await.unwrap();
    assert_eq!(first.state, ApprovalState::Approved);

    let nobody = file(&state, &place, 3).await.unwrap();
    place.clock.pass(15 * MINUTE);
    assert_eq!(state.show(nobody).await.unwrap().unwrap().state, ApprovalState::Denied);
    let late = state.decide(nobody, by(&place, "mia", "manager", Verdict::Approve)).await;
    assert!(matches!(late, Err(DecideError::NotOpen { state: ApprovalState::Denied, .. })));
    // It stands for as long as any other no.
    assert_eq!(file(&state, &place, 3).await.unwrap(), nobody);
    place.clock.pass(60 * MINUTE);
    assert_ne!(file(&state, &place, 3).await.unwrap(), nobody);
}

/// G-20.
#[tokio::test]
async fn a_question_keeps_its_steps_when_the_host_starts_with_others() {
    let place = Place::new();
    let state = place.open().await.asking(chain());
    let id = file(&state, &place, 1).await.unwrap();
    let before = state.show(id).await.unwrap().unwrap().filing;
    let state = place.reopen(state).await.asking(Asking::default());
    let after = state.show(id).await.unwrap().unwrap().filing;
    assert_eq!((before.turns, before.expires_at), (after.turns, after.expires_at));
    assert_eq!(before.digest, after.digest);
    let early = state.decide(id, by(&place, "mia", "manager", Verdict::Approve)).await;
    assert!(matches!(early, Err(DecideError::NotAskedYet(_))));
}

/// G-09.
#[tokio::test]
async fn a_flood_of_questions_ends_at_the_limit_of_its_principal() {
    let place = Place::new();
    let state = place.open().await;
    for amount in 0..20 {
        file(&state, &place, amount).await.unwrap();
    }
    let more = file(&state, &place, 20).await.unwrap_err();
    assert!(matches!(more, FileError::Refused(Refusal::TooManyQuestions { open: 20 })), "{more}");
    // The same question again is no further one, and others have room of their own.
    let again = file(&state, &place, 7).await.unwrap();
    let other = Filing::new(&call("rita"), &question(1), place.now()).unwrap();
    state.file(&other).await.unwrap();
    assert_eq!(state.list(Some(ApprovalState::Open)).await.unwrap().len(), 21);
    state.decide(again, answer(&place, "ana", Verdict::Deny)).await.unwrap();
    file(&state, &place, 20).await.unwrap();
    place.clock.pass(60 * MINUTE);
    file(&state, &place, 21).await.unwrap();
}

/// G-09: many at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_file_at_once_do_not_get_past_the_limit() {
    let place = Place::new();
    let asking = || Asking { most_open: 5, ..Asking::default() };
    let (one, two) = (place.open().await.asking(asking()), place.open().await.asking(asking()));
    let filings = (0..40_u64).map(|amount| {
        let state = if amount % 2 == 0 { one.clone() } else { two.clone() };
        let call = call_with("robo", &format!(r#"{{"amount":{amount}}}"#));
        let filing = Filing::new(&call, &question(1), place.now()).unwrap();
        tokio::spawn(async move { state.file(&filing).await.is_ok() })
    });
    let mut filed = 0;
    for filing in filings.collect::<Vec<_>>() {
        filed += usize::from(filing.await.unwrap());
    }
    assert_eq!(filed, 5);
}

/// G-07.
#[tokio::test]
async fn nobody_who_stands_behind_the_asker_or_an_earlier_answer_decides_through_another() {
    let place = Place::new();
    let state = place.open().await;
    let through = |who: &str, owner: &str| Answer {
        acts_for: vec![owner.to_owned()],
        ..answer(&place, who, Verdict::Approve)
    };
    let two = Filing::new(&call("robo"), &question(2), place.now()).unwrap();
    let id = state.file(&two).await.unwrap();
    for owner in ["robo", "owen"] {
        let refused = state.decide(id, through("helper", owner)).await;
        assert!(matches!(refused, Err(DecideError::OwnCall(_))), "{refused:?}");
    }
    state.decide(id, through("helper", "ana")).await.unwrap();
    for twice in [answer(&place, "ana", Verdict::Approve), through("other", "ana")] {
        let refused = state.decide(id, twice).await;
        assert!(matches!(refused, Err(DecideError::AnsweredBefore(_))), "{refused:?}");
    }
    let decided = state.decide(id, through("other", "ben")).await.unwrap();
    assert_eq!(decided.state, ApprovalState::Approved);
}

#[tokio::test]
async fn a_narrower_yes_is_kept_with_its_limits_and_recorded_with_them() {
    let place = Place::new();
    let state = place.open().await;
    let id = file(&state, &place, 1).await.unwrap();
    let limits =
        AnswerLimits { http_requests: Some(2), time_ms: Some(500), ..AnswerLimits::default() };
    let narrower = Answer { limits: limits.clone(), ..answer(&place, "ana", Verdict::Approve) };
    state.decide(id, narrower).await.unwrap();
    let state = place.reopen(state).await;
    assert_eq!(state.show(id).await.unwrap().unwrap().answers[0].limits, limits);
    let record = &records(&state).await[0];
    assert_eq!(record["action"], "approval-approve-narrower");
    assert_eq!(record["reason"], "as agreed (within 500 ms, 2 HTTP requests)");
}

async fn wanted(state: &State, place: &Place) -> ApprovalId {
    let call = call("robo");
    let wanted = WantedAccess {
        principal: &call.principal,
        tool: &call.tool,
        capability: "money:charges:create".parse().unwrap(),
        access: Access { seconds: 1800, reason: "the shop is down".to_owned() },
        roles: BTreeSet::new(),
        policy_version: Digest::of(b"policies"),
        expires_in: 60 * MINUTE,
    };
    state.file(&wanted.file(place.now()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn access_begins_with_the_second_yes_ends_by_itself_and_is_loud_in_the_trail() {
    let place = Place::new();
    let state = place.open().await;
    let id = wanted(&state, &place).await;
    state.decide(id, answer(&place, "robo", Verdict::Approve)).await.unwrap_err();
    state.decide(id, answer(&place, "ana", Verdict::Approve)).await.unwrap();
    state.decide(id, answer(&place, "ana", Verdict::Approve)).await.unwrap_err();
    assert!(state.accesses("robo").await.unwrap().is_empty(), "one is not two");
    place.clock.pass(10 * MINUTE);
    state.decide(id, answer(&place, "ben", Verdict::Approve)).await.unwrap();
    assert_eq!(state.accesses("robo").await.unwrap().len(), 1);
    assert!(state.accesses("rita").await.unwrap().is_empty());
    place.clock.pass(30 * MINUTE - Duration::from_micros(1));
    assert_eq!(state.accesses("robo").await.unwrap().len(), 1);
    place.clock.pass(Duration::from_micros(1));
    assert!(state.accesses("robo").await.unwrap().is_empty());
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Expired);
    let actions: Vec<_> = records(&state).await.iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["access-request", "access-approve", "access-approve"]);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn one_person_ends_an_access_before_its_time() {
    let place = Place::new();
    let state = place.open().await;
    let id = wanted(&state, &place).await;
    for who in ["ana", "ben"] {
        state.decide(id, answer(&place, who, Verdict::Approve)).await.unwrap();
    }
    assert_eq!(state.accesses("robo").await.unwrap().len(), 1);
    let ended = state.decide(id, answer(&place, "ana", Verdict::Deny)).await.unwrap();
    assert_eq!(ended.state, ApprovalState::Denied);
    assert!(state.accesses("robo").await.unwrap().is_empty());
    // A call's yes is not taken back like this: who decided first has decided.
    let call = file(&state, &place, 1).await.unwrap();
    state.decide(call, answer(&place, "ana", Verdict::Approve)).await.unwrap();
    let late = state.decide(call, answer(&place, "ben", Verdict::Deny)).await;
    assert!(matches!(late, Err(DecideError::NotOpen { .. })));
}

/// What happens to questions.
#[derive(Clone, Debug)]
enum Event {
    File(u64),
    Answer { question: usize, who: usize, yes: bool },
    Spend(usize),
    Pass(u64),
    Restart,
}

/// Who could answer: name, whom it acts for, its role.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("robo", "", "oncall"),
    ("owen", "", "oncall"),
    ("bot", "owen", "oncall"),
    ("ana", "", "oncall"),
    ("anas-bot", "ana", "manager"),
    ("mia", "", "manager"),
];

/// Questions, said without the code that keeps them: minutes since the beginning.
#[derive(Default)]
struct Model {
    now: u64,
    questions: Vec<Modelled>,
}

struct Modelled {
    amount: u64,
    filed: u64,
    yes: BTreeSet<&'static str>,
    denied: bool,
    spent: bool,
}

const FIRST: u64 = 5;
const LAST: u64 = 15;
const GOOD: u64 = LAST + 60;
const MOST: usize = 3;

impl Modelled {
    fn state(&self, now: u64) -> &'static str {
        let age = now - self.filed;
        let approved = self.yes.len() >= 2;
        match () {
            () if self.spent => "spent",
            () if self.denied => "denied",
            () if age >= GOOD => "expired",
            () if approved => "approved",
            () if age >= LAST => "denied",
            () => "open",
        }
    }
}

impl Model {
    fn same(&self, amount: u64) -> Option<usize> {
        let stands =
            |one: &Modelled| one.amount == amount && !one.spent && self.now - one.filed < GOOD;
        (0..self.questions.len()).rev().find(|number| stands(&self.questions[*number]))
    }

    /// The number of the question; `None` where there is no room.
    fn file(&mut self, amount: u64) -> Option<usize> {
        if let Some(same) = self.same(amount) {
            return Some(same);
        }
        let now = self.now;
        if self.questions.iter().filter(|one| one.state(now) == "open").count() >= MOST {
            return None;
        }
        let yes = BTreeSet::new();
        self.questions.push(Modelled { amount, filed: now, yes, denied: false, spent: false });
        Some(self.questions.len() - 1)
    }

    /// Whether the answer is taken.
    fn answer(&mut self, question: usize, who: usize, says_yes: bool) -> bool {
        let (name, owner, role) = PEOPLE[who];
        let now = self.now;
        let question = &mut self.questions[question];
        let person = if owner.is_empty() { name } else { owner };
        let party = ["robo", "owen"].contains(&name) || ["robo", "owen"].contains(&owner);
        let asked = role == "oncall" || now - question.filed >= FIRST;
        let again = question.yes.contains(person);
        if party || question.state(now) != "open" || !asked || again {
            return false;
        }
        if says_yes {
            question.yes.insert(person);
        } else {
            question.denied = true;
        }
        true
    }

    fn spend(&mut self, question: usize) -> bool {
        let now = self.now;
        let approved = self.questions[question].state(now) == "approved";
        self.questions[question].spent |= approved;
        approved
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..4_u64).prop_map(Event::File),
        6 => (0..6_usize, 0..PEOPLE.len(), prop::bool::weighted(0.85))
            .prop_map(|(question, who, yes)| Event::Answer { question, who, yes }),
        2 => (0..6_usize).prop_map(Event::Spend),
        2 => prop::sample::select(vec![0, 1, 4, 5, 10, 15, 60]).prop_map(Event::Pass),
        1 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 1..30)
}

fn asking() -> Asking {
    Asking { most_open: 3, ..chain() }
}

async fn agree(events: Vec<Event>) {
    let place = Place::new();
    let mut state = place.open().await.asking(asking());
    let mut model = Model::default();
    let mut ids: BTreeMap<usize, ApprovalId> = BTreeMap::new();
    for event in events {
        match event {
            Event::Pass(minutes) => {
                model.now += minutes;
                place.clock.pass(Duration::from_secs(60 * minutes));
            }
            Event::Restart => state = place.reopen(state).await.asking(asking()),
            Event::File(amount) => {
                let call = call_with("robo", &format!(r#"{{"amount":{amount}}}"#));
                let filing = Filing::new(&call, &question(2), place.now()).unwrap();
                let filed = state.file(&filing).await.ok();
                let number = model.file(amount);
                assert_eq!(filed.is_some(), number.is_some());
                if let (Some(id), Some(number)) = (filed, number) {
                    assert_eq!(*ids.entry(number).or_insert(id), id);
                }
            }
            Event::Answer { question, who, yes } => {
                let Some(id) = ids.get(&question) else { continue };
                let (name, owner, role) = PEOPLE[who];
                let verdict = if yes { Verdict::Approve } else { Verdict::Deny };
                let acts_for = [owner].into_iter().filter(|one| !one.is_empty()).map(str::to_owned);
                let said =
                    Answer { acts_for: acts_for.collect(), ..by(&place, name, role, verdict) };
                assert_eq!(state.decide(*id, said).await.is_ok(), model.answer(question, who, yes));
            }
            Event::Spend(question) => {
                let Some(id) = ids.get(&question) else { continue };
                let mut writing = state.write().await.unwrap();
                let now = crate::micros(place.now());
                let spent = crate::approvals::spend(&mut writing, *id, now).await.is_ok();
                writing.commit().await.unwrap();
                assert_eq!(spent, model.spend(question));
            }
        }
        for (number, id) in &ids {
            let shown = state.show(*id).await.unwrap().unwrap();
            assert_eq!(shown.state.word(), model.questions[*number].state(model.now));
        }
    }
    assert_eq!(fault(&state).await, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// G-05, G-07, G-09, G-15, G-16, G-20: any order of them, with restarts.
    #[test]
    fn questions_are_what_a_naive_model_says(events in events()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(agree(events));
    }
}

#[tokio::test]
async fn people_are_told_once_for_each_step_and_again_where_that_failed() {
    let place = Place::new();
    let (one, two) = (place.open().await.asking(chain()), place.open().await.asking(chain()));
    let tellers = ["desk".to_owned()];
    assert!(one.take_tellings(&tellers).await.unwrap().is_empty());
    let id = file(&one, &place, 1).await.unwrap();
    let first = one.take_tellings(&tellers).await.unwrap();
    assert_eq!((first.len(), first[0].request.id, first[0].turn, first[0].attempt), (1, id, 1, 1));
    assert!(two.take_tellings(&tellers).await.unwrap().is_empty(), "one host tells it");
    one.not_told(&first[0]).await.unwrap();
    assert!(two.take_tellings(&tellers).await.unwrap().is_empty(), "not at once");
    place.clock.pass(Duration::from_secs(1));
    let again = two.take_tellings(&tellers).await.unwrap();
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    two.told(&again[0], None).await.unwrap();
    place.clock.pass(MINUTE);
    assert!(one.take_tellings(&tellers).await.unwrap().is_empty());
    place.clock.pass(4 * MINUTE);
    assert_eq!(one.take_tellings(&tellers).await.unwrap()[0].turn, 2);
    let told = records(&one).await;
    assert_eq!((told.len(), &told[0]["action"]), (1, &serde_json::json!("approval-tell")));
}

#[tokio::test]
async fn telling_is_tried_a_bounded_number_of_times() {
    let place = Place::new();
    let state = place.open().await;
    file(&state, &place, 1).await.unwrap();
    let mut tried = 0;
    for _ in 0..20 {
        for telling in state.take_tellings(&["desk".to_owned()]).await.unwrap() {
            state.not_told(&telling).await.unwrap();
            tried += 1;
        }
        place.clock.pass(MINUTE);
    }
    assert_eq!(tried, 6);
}

#[tokio::test]
async fn a_link_serves_once_until_the_question_is_over_and_only_its_digest_is_kept() {
    let place = Place::new();
    let state = place.open().await;
    let id = file(&state, &place, 1).await.unwrap();
    let request = state.show(id).await.unwrap().unwrap();
    let word = state.make_link(&request, "ana").await.unwrap();
    for _ in 0..2 {
        let link = state.follow_link(&word).await.unwrap();
        assert_eq!((link.approval, link.person.as_str()), (id, "ana"));
    }
    assert!(state.follow_link("made-up").await.is_err());
    // What is no answer leaves it as it is.
    let no = answer(&place, "ana", Verdict::Deny);
    let limits = AnswerLimits { http_requests: Some(1), ..AnswerLimits::default() };
    let unfit = state.decide_by_link(&word, Answer { limits, ..no.clone() }).await;
    assert!(matches!(unfit, Err(LinkError::Undecided(DecideError::Unfit(_)))), "{unfit:?}");
    let own = state.decide_by_link(&word, answer(&place, "robo", Verdict::Approve)).await;
    assert!(matches!(own, Err(LinkError::Undecided(DecideError::OwnCall(_)))), "{own:?}");
    let (first, second) = tokio::join!(
        state.decide_by_link(&word, no.clone()),
        state.decide_by_link(&word, no.clone())
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert!(matches!(state.follow_link(&word).await, Err(LinkError::Gone)));
    assert_eq!(state.show(id).await.unwrap().unwrap().state, ApprovalState::Denied);
    let late = state.make_link(&request, "ana").await.unwrap();
    place.clock.pass(60 * MINUTE);
    assert!(matches!(state.decide_by_link(&late, no).await, Err(LinkError::Gone)));
    state.shut().await;
    let bytes = std::fs::read(place.path()).unwrap();
    assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()));
}

/// G-26.
#[tokio::test]
async fn a_signed_answer_counts_once() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    assert!(one.is_first_answer("v0=aa").await.unwrap());
    assert!(!two.is_first_answer("v0=aa").await.unwrap());
    assert!(two.is_first_answer("v0=bb").await.unwrap());
}
