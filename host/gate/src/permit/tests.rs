use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    Answer, AnswerLimits, ApprovalId, ApprovalState, Arguments, CallId, Capabilities, Cause,
    CedarPolicy, DecideError, Digest, Identity, InstalledTool, Kind, Notes, Ownership, Principal,
    ProgressSink, Request, RolesFrom, SourceFile, Switch, SwitchFeed, SwitchSet, SwitchTarget,
    ToolRef, Verdict, Want,
};

mod bound;
mod delegated;
mod exchanged;
mod owned;
mod rounds;

const CAPABILITIES: &str = r#"
[capability."money:charges:create"]
description = "Money moves."
interface = "log"
risk = "high"

[capability."notes:lines:write"]
description = "A line in a book."
interface = "log"
risk = "low"
"#;

const POLICIES: &str = r#"
@id("call") permit(principal in Role::"assistant", action == Action::"call", resource);
@id("charge") @approval("one-of:payer")
permit(principal, action == Action::"money:charges:create", resource == Tool::"charge");
@id("big-charge") @approval("two-of:payer")
permit(principal, action == Action::"money:charges:create", resource == Tool::"charge")
when { context.arguments.amount > 1000 };
@id("not-by-eve")
forbid(principal, action, resource)
when { context has approval && context.approval.by.contains("eve") };
@id("note") @rate("2/minute")
permit(principal, action == Action::"notes:lines:write", resource == Tool::"note");
"#;

/// A book, a ledger and the switches, in memory. The book takes every answer: what does not count must be
/// left out by the gate itself.
#[derive(Default)]
struct Office {
    requests: Mutex<Vec<Request>>,
    admitted: Mutex<Vec<(String, Timestamp)>>,
    switches: Mutex<SwitchSet>,
    closed: bool,
    /// What was approved for a time, and how often somebody looked.
    accesses: Mutex<Vec<Request>>,
    looked: AtomicUsize,
    left: Option<Cost>,
    /// What each admission set aside, and what of it was used at once.
    aside: Mutex<Vec<(Cost, Cost)>>,
}

impl Office {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap()
    }

    fn open(&self) -> Result<(), Unavailable> {
        if self.closed { Err(Unavailable::new("the office", "closed")) } else { Ok(()) }
    }

    fn admit(&self, reservation: &Reservation<'_>) -> Result<(), Refusal> {
        let mut admitted = self.admitted.lock().unwrap();
        let tool = reservation.call.tool.name.to_string();
        for rate in reservation.rates {
            let since = rate.window.begin(reservation.now).unwrap();
            let calls = admitted.iter().filter(|(name, at)| *name == tool && *at > since).count();
            if calls >= usize::try_from(rate.calls).unwrap() {
                let (calls, window) = (rate.calls, rate.window);
                return Err(Refusal::OverRate { calls, window, retry_after: None });
            }
        }
        if let Some(approval) = &reservation.approval {
            let mut requests = self.requests();
            let request = requests.iter_mut().find(|one| one.id == approval.id()).unwrap();
            if request.state != ApprovalState::Approved {
                return Err(Refusal::AlreadySpent);
            }
            request.state = ApprovalState::Spent;
        }
        let of = |tally: &crate::Tally| tally.total().cost;
        self.aside.lock().unwrap().push((of(&reservation.usage), of(&reservation.spent)));
        admitted.push((tool, reservation.now));
        Ok(())
    }
}

#[async_trait]
impl ApprovalBook for Office {
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, FileError> {
        self.open()?;
        let mut requests = self.requests();
        let stands = |one: &&Request| {
            one.filing.digest == filing.digest
                && matches!(one.state, ApprovalState::Open | ApprovalState::Approved)
                && one.filing.expires_at > filing.filed_at
        };
        if let Some(request) = requests.iter().find(stands) {
            return Ok(request.id);
        }
        let id = ApprovalId::generate();
        let (filing, state) = (filing.clone(), ApprovalState::Open);
        requests.push(Request { id, filing, state, answers: Vec::new(), lapsed: BTreeSet::new() });
        Ok(id)
    }

    async fn wait(&self, id: ApprovalId, _: Duration) -> Result<Request, Unavailable> {
        Ok(self.show(id).await?.unwrap())
    }

    async fn list(&self, state: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        let fits = |one: &&Request| state.is_none_or(|state| one.state == state);
        Ok(self.requests().iter().filter(fits).cloned().collect())
    }

    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable> {
        Ok(self.requests().iter().find(|one| one.id == id).cloned())
    }

    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError> {
        let mut requests = self.requests();
        let request = requests.iter_mut().find(|one| one.id == id).unwrap();
        request.answers.push(answer);
        request.state = ApprovalState::Approved;
        Ok(request.clone())
    }

    async fn accesses(&self, principal: &str) -> Result<Vec<Request>, Unavailable> {
        self.looked.fetch_add(1, Ordering::SeqCst);
        let accesses = self.accesses.lock().unwrap();
        Ok(accesses.iter().filter(|one| one.filing.principal == principal).cloned().collect())
    }
}

#[async_trait]
impl BudgetLedger for Office {
    async fn reserve(&self, reservation: Reservation<'_>) -> Result<(), ReserveError> {
        self.open()?;
        Ok(self.admit(&reservation)?)
    }

    async fn remaining(
        &self,
        _: &Call,
        budgets: &[crate::BudgetLimit],
        _: Timestamp,
    ) -> Result<Option<Cost>, Unavailable> {
        Ok(self.left.filter(|_| !budgets.is_empty()))
    }
}

#[async_trait]
impl SwitchFeed for Office {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(self.switches.lock().unwrap().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.switches.lock().unwrap().thrown.push(switch);
        Ok(())
    }
    async fn lift(&self, target: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        let mut switches = self.switches.lock().unwrap();
        let before = switches.thrown.len();
        switches.thrown.retain(|one| one.target != *target);
        Ok(switches.thrown.len() < before)
    }
}

/// Noon, until it is moved.
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn forward(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn noon() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

/// A gate before an office, under [`POLICIES`].
struct House {
    gate: Gate,
    office: Arc<Office>,
    clock: Arc<HandClock>,
}

impl House {
    async fn new() -> Self {
        Self::with(Office::default()).await
    }

    async fn with(office: Office) -> Self {
        let (office, clock) = (Arc::new(office), Arc::new(HandClock(Mutex::new(noon()))));
        let gate = Gate {
            policy: Arc::new(policy()),
            approvals: office.clone(),
            budgets: office.clone(),
            switches: Arc::new(Switchboard::follow(office.clone()).await.unwrap()),
            ownership: Ownership::open(),
            clock: clock.clone(),
        };
        Self { gate, office, clock }
    }

    /// Settles the call and admits it.
    async fn pass(&self, call: Call) -> Result<Permit, Stop> {
        let settled = self.gate.settle(call).await?;
        self.gate.admit(settled).await
    }

    /// The approval that the call is held for.
    async fn held(&self, call: Call) -> ApprovalId {
        match self.gate.settle(call).await {
            Err(Stop::Held { approval, .. }) => approval,
            other => panic!("not held: {other:?}"),
        }
    }

    async fn answer(&self, id: ApprovalId, by: &str, role: &str, verdict: Verdict) {
        let answer = Answer {
            by: by.to_owned(),
            acts_for: vec![],
            roles: [role.to_owned()].into(),
            verdict,
            roles_from: RolesFrom::Token,
            limits: AnswerLimits::default(),
            comment: "because".to_owned(),
            at: self.clock.now(),
        };
        self.office.decide(id, answer).await.unwrap();
    }

    async fn throw(&self, target: SwitchTarget) {
        let (reason, by) = ("a drill".to_owned(), "ana".to_owned());
        let switch = Switch { target, reason, by, since: self.clock.now(), expires_at: None };
        self.office.throw(switch).await.unwrap();
    }
}

fn tools() -> [InstalledTool; 2] {
    let tool = |name: &str, capability: &str| InstalledTool {
        name: name.parse().unwrap(),
        component: "till".parse().unwrap(),
        digest: Digest::of(b"till"),
        wants: [Want { capability: capability.parse().unwrap(), required: true }].into(),
        input_schema: json!({
            "type": "object",
            "properties": { "amount": { "type": "integer" } },
            "required": ["amount"],
        }),
    };
    [tool("charge", "money:charges:create"), tool("note", "notes:lines:write")]
}

fn policy() -> CedarPolicy {
    let file = SourceFile::new("capabilities.toml", CAPABILITIES);
    let capabilities = Capabilities::parse(&file, &["log"]).unwrap();
    let policies = [SourceFile::new("house.cedar", POLICIES)];
    CedarPolicy::load(&policies, Arc::new(capabilities), &tools(), "development").unwrap()
}

fn identity() -> Identity {
    Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: ["assistant".to_owned()].into(),
        groups: [].into(),
        acts_for: vec!["bea".to_owned()],
        scope: None,
        ends_at: None,
    }
}

fn call_by(identity: Identity, tool: &str, amount: i64) -> Call {
    let tool = tools().into_iter().find(|one| one.name.as_str() == tool).unwrap();
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: tool.name,
            component: tool.component,
            digest: tool.digest,
            wants: tool.wants,
        },
        arguments: Arguments::from_value(json!({ "amount": amount })).unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

fn charge(amount: i64) -> Call {
    call_by(identity(), "charge", amount)
}

fn note() -> Call {
    call_by(identity(), "note", 1)
}

fn code<T>(outcome: Result<T, Stop>) -> &'static str {
    outcome.map_or_else(|stop| stop.code(), |_| "ok")
}

#[tokio::test]
async fn a_gate_that_is_logged_is_named_and_tells_nothing() {
    assert_eq!(format!("{:?}", House::new().await.gate), "Gate { .. }");
}

#[tokio::test]
async fn a_call_of_low_risk_passes_without_a_question() {
    let house = House::new().await;
    let permit = house.pass(note()).await.unwrap();
    assert_eq!(permit.terms().basis.policies, ["call", "note"]);
    assert!(house.office.requests().is_empty());
}

#[tokio::test]
async fn a_call_nobody_permits_is_refused_before_anything_is_filed() {
    let house = House::new().await;
    let stranger = Identity { roles: BTreeSet::new(), ..identity() };
    assert_eq!(code(house.pass(call_by(stranger, "charge", 5)).await), "forbidden");
    assert!(house.office.requests().is_empty());
    assert_eq!(code(house.pass(charge(5)).await), "held");
    assert_eq!(house.office.requests().len(), 1);
}

#[tokio::test]
async fn a_call_of_high_risk_is_held_and_passes_with_the_yes_of_somebody_else() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    assert_eq!(house.held(charge(5)).await, approval, "the same call asks the same question");
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    let permit = house.pass(charge(5)).await.unwrap();
    assert_eq!(permit.terms().basis.policies, ["call", "charge"]);
    let notes = permit.call().notes.read();
    assert!(
        notes.iter().any(|note| matches!(note, Note::Approved { by, .. } if by.contains("ana")))
    );
}

#[tokio::test]
async fn a_yes_is_for_one_amount_of_one_caller() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    assert_ne!(house.held(charge(6)).await, approval);
    let other = Identity { id: "agent-8".to_owned(), ..identity() };
    assert_ne!(house.held(call_by(other, "charge", 5)).await, approval);
    assert_eq!(code(house.pass(charge(5)).await), "ok");
}

#[tokio::test]
async fn an_approval_is_spent_once() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    let one = house.gate.settle(charge(5)).await.unwrap();
    let two = house.gate.settle(charge(5)).await.unwrap();
    assert_eq!(code(house.gate.admit(one).await), "ok");
    assert_eq!(code(house.gate.admit(two).await), "already-spent");
    assert_ne!(house.held(charge(5)).await, approval, "the next call asks anew");
}

#[tokio::test]
async fn an_answer_does_not_outlive_its_question() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    house.clock.forward(Duration::from_secs(14 * 60));
    assert_eq!(code(house.gate.settle(charge(5)).await), "ok");
    house.clock.forward(Duration::from_secs(60));
    assert_ne!(house.held(charge(5)).await, approval);
}

#[tokio::test]
async fn one_no_denies_whoever_says_yes_besides() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    house.answer(approval, "dan", "payer", Verdict::Deny).await;
    let stop = house.gate.settle(charge(5)).await.unwrap_err();
    assert_eq!((stop.code(), stop.to_string().as_str()), ("denied", "`dan` said no: because"));
}

#[tokio::test]
async fn the_caller_and_whom_it_acts_for_cannot_approve_its_call() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "agent-7", "payer", Verdict::Approve).await;
    house.answer(approval, "bea", "payer", Verdict::Approve).await;
    assert_eq!(house.held(charge(5)).await, approval);
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(charge(5)).await), "ok");
}

#[tokio::test]
async fn a_yes_without_the_role_that_is_asked_for_does_not_count() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "dan", "gardener", Verdict::Approve).await;
    assert_eq!(house.held(charge(5)).await, approval);
    house.answer(approval, "dan", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(charge(5)).await), "ok");
}

#[tokio::test]
async fn two_of_asks_for_two_different_people() {
    let house = House::new().await;
    let approval = house.held(charge(2000)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    assert_eq!(house.held(charge(2000)).await, approval);
    house.answer(approval, "dan", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(charge(2000)).await), "ok");
}

#[tokio::test]
async fn the_policy_is_asked_again_about_who_approved() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "eve", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(charge(5)).await), "forbidden");
    let approval = house.held(charge(6)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(charge(6)).await), "ok");
}

#[tokio::test]
async fn a_switch_thrown_after_settling_stops_admission() {
    let house = House::new().await;
    let witness = house.pass(note()).await.unwrap();
    let settled = house.gate.settle(note()).await.unwrap();
    let target = SwitchTarget::Capability("notes:lines:write".to_owned());
    house.throw(target.clone()).await;
    assert_eq!(witness.life().end().await, Cause::SwitchThrown(target.clone()));
    let stop = house.gate.admit(settled).await.unwrap_err();
    assert!(
        matches!(stop, Stop::Refused(Refusal::Halted(Cause::SwitchThrown(by))) if by == target)
    );
    assert_eq!(house.office.admitted.lock().unwrap().len(), 1, "nothing is spent on a refusal");
}

#[tokio::test]
async fn every_name_of_a_call_has_a_switch_and_another_one_has_none() {
    let stopping = [
        SwitchTarget::Everything,
        SwitchTarget::Tool("note".to_owned()),
        SwitchTarget::Tool("till".to_owned()),
        SwitchTarget::Digest(Digest::of(b"till").to_string()),
        SwitchTarget::Provider("notes".to_owned()),
        SwitchTarget::Principal("agent-7".to_owned()),
        SwitchTarget::Principal("bea".to_owned()),
    ];
    for target in stopping {
        assert_eq!(code(under(target.clone()).await.pass(note()).await), "halted", "{target}");
    }
    let house = under(SwitchTarget::Tool("charge".to_owned())).await;
    assert_eq!(code(house.pass(note()).await), "ok");
}

/// A house that starts with this switch thrown.
async fn under(target: SwitchTarget) -> House {
    let (reason, by) = ("a drill".to_owned(), "ana".to_owned());
    let switch = Switch { target, reason, by, since: noon(), expires_at: None };
    let switches = Mutex::new(SwitchSet { thrown: vec![switch], ..SwitchSet::default() });
    House::with(Office { switches, ..Office::default() }).await
}

#[tokio::test]
async fn a_caller_whose_token_has_ended_is_not_admitted() {
    let house = House::new().await;
    let until = |ends_at| call_by(Identity { ends_at: Some(ends_at), ..identity() }, "note", 1);
    let later = noon().checked_add(Duration::from_secs(60)).unwrap();
    assert_eq!(code(house.pass(until(noon())).await), "identity-ended");
    assert_eq!(code(house.pass(until(later)).await), "ok");
}

#[tokio::test]
async fn a_call_over_the_rate_is_refused_until_the_window_has_passed() {
    let house = House::new().await;
    assert_eq!(code(house.pass(note()).await), "ok");
    assert_eq!(code(house.pass(note()).await), "ok");
    assert_eq!(code(house.pass(note()).await), "over-rate");
    house.clock.forward(Duration::from_secs(61));
    assert_eq!(code(house.pass(note()).await), "ok");
}

#[tokio::test]
async fn a_book_or_ledger_that_does_not_answer_stops_the_call() {
    let house = House::with(Office { closed: true, ..Office::default() }).await;
    assert_eq!(code(house.gate.settle(charge(5)).await), "unavailable");
    let settled = house.gate.settle(note()).await.unwrap();
    assert_eq!(code(house.gate.admit(settled).await), "unavailable");
}
