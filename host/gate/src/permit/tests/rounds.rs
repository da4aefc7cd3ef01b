//! What is looked at in each round of settling: the door, exceptions, what is left, and answers that settle nothing.
use super::*;
use crate::{Approvers, Exceptions, Parent, Tally, approval::tests::lent};

#[tokio::test]
async fn a_token_for_one_door_opens_that_one_alone() {
    let house = House::new().await;
    let through = |door: &str| {
        let call = note();
        Call { principal: call.principal.clone().only_through(door), ..call }
    };
    assert_eq!(code(house.gate.settle(through("elsewhere")).await), "other-door");
    assert_eq!(code(house.gate.settle(through("test")).await), "ok");
    // Behind the door already.
    let above = house.pass(note()).await.unwrap();
    let below = Call { parent: Some(Parent::of(&above, None)), ..through("elsewhere") };
    assert_eq!(code(house.gate.settle(below).await), "ok");
}

/// Asks a person, whoever has said yes.
struct AsksForEver(AtomicUsize);

impl Policy for AsksForEver {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < 10, "it asks for ever");
        Decision::Ask(Question {
            risk: crate::Risk::High,
            approvers: Approvers { count: 1, roles: BTreeSet::new() },
            patience: Duration::ZERO,
            expires_in: Duration::from_secs(60),
            capabilities: Vec::new(),
            policy_version: self.version(),
        })
    }
}

#[tokio::test]
async fn a_question_that_an_answer_did_not_settle_is_refused() {
    let mut house = House::new().await;
    house.gate.policy = Arc::new(AsksForEver(AtomicUsize::new(0)));
    let approval = house.held(note()).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    assert_eq!(code(house.gate.settle(note()).await), "forbidden");
}

/// Calls are allowed, and no capability.
const CALLS_ALONE: &str =
    r#"@id("call") permit(principal in Role::"assistant", action == Action::"call", resource);"#;

fn under_policies(text: &str) -> CedarPolicy {
    let file = SourceFile::new("capabilities.toml", CAPABILITIES);
    let capabilities = Capabilities::parse(&file, &["log"]).unwrap();
    let policies = [SourceFile::new("house.cedar", text)];
    CedarPolicy::load(&policies, Arc::new(capabilities), &tools(), "development").unwrap()
}

/// What two people allowed the caller, for ten seconds more.
fn access(call: &Call, capability: &str, policy: &CedarPolicy) -> Request {
    lent(call, capability, policy.version(), &["ana", "dan"], (noon(), 10))
}

#[tokio::test]
async fn what_people_allowed_for_a_time_is_looked_for_where_something_is_lacking_and_once() {
    for allowed in [true, false] {
        let mut house = House::new().await;
        let policy = under_policies(CALLS_ALONE);
        let lent = access(&note(), "notes:lines:write", &policy);
        house.gate.policy = Arc::new(policy);
        house.office.accesses.lock().unwrap().extend(allowed.then_some(lent));
        let call = note();
        let notes = call.notes.clone();
        let settled = house.gate.settle(call).await;
        assert_eq!(house.office.looked.load(Ordering::SeqCst), 1);
        let exceptional = notes.read().iter().any(|note| matches!(note, Note::Exceptional { .. }));
        assert_eq!(exceptional, allowed);
        let Ok(settled) = settled else {
            assert!(!allowed);
            continue;
        };
        assert!(allowed);
        let permit = house.gate.admit(settled).await.unwrap();
        assert!(permit.terms().time <= Duration::from_secs(10), "it ends with the exception");
    }
    let house = House::new().await;
    assert_eq!(code(house.pass(note()).await), "ok");
    assert_eq!(house.office.looked.load(Ordering::SeqCst), 0, "nothing is lacking");
}

#[tokio::test]
async fn an_optional_capability_that_is_lacking_is_looked_for_and_lent() {
    let house = House::new().await;
    let wanting = || {
        let mut call = note();
        let optional =
            Want { capability: "money:charges:create".parse().unwrap(), required: false };
        call.tool.wants = call.tool.wants.iter().cloned().chain([optional]).collect();
        call
    };
    let settled = house.gate.settle(wanting()).await.unwrap();
    assert_eq!(settled.terms.sandbox.grants.capabilities.len(), 1);
    assert_eq!(house.office.looked.load(Ordering::SeqCst), 1);
    let lent = access(&wanting(), "money:charges:create", &policy());
    house.office.accesses.lock().unwrap().push(lent);
    let approval = house.held(wanting()).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    let settled = house.gate.settle(wanting()).await.unwrap();
    assert_eq!(settled.terms.sandbox.grants.capabilities.len(), 2);
}

#[tokio::test]
async fn a_tool_is_shown_to_whom_people_allowed_what_it_needs_and_no_other_tool_for_it() {
    let mut house = House::new().await;
    let policy = under_policies(CALLS_ALONE);
    let call = note();
    let lent = access(&call, "notes:lines:write", &policy);
    house.gate.policy = Arc::new(policy);
    let tool = |digest| InstalledTool {
        name: call.tool.name.clone(),
        component: call.tool.component.clone(),
        digest,
        wants: call.tool.wants.clone(),
        input_schema: json!({}),
    };
    let (this, other) = (tool(call.tool.digest), tool(Digest::of(b"another component")));
    assert!(!house.gate.offer(&call.principal).await.unwrap().has(&this));
    house.office.accesses.lock().unwrap().push(lent);
    let offer = house.gate.offer(&call.principal).await.unwrap();
    assert!(offer.has(&this));
    assert!(!offer.has(&other));
    assert_eq!(house.office.looked.load(Ordering::SeqCst), 2, "once for all tools");
    assert_eq!(format!("{offer:?}"), r#"Offer { principal: "agent-7", .. }"#);
}

#[tokio::test]
async fn a_policy_that_asks_how_much_is_left_is_told() {
    let policy = format!(
        "{CALLS_ALONE} @budget(\"usd:1/day\") permit(principal, action == Action::\"notes:lines:write\", resource) when {{ context has remaining && context.remaining >= 10 }};"
    );
    for (left, expected) in [(Some(10), "ok"), (Some(9), "not-granted"), (None, "not-granted")] {
        let office = Office { left: left.map(Cost), ..Office::default() };
        let mut house = House::with(office).await;
        house.gate.policy = Arc::new(under_policies(&policy));
        assert_eq!(code(house.gate.settle(note()).await), expected, "{left:?}");
    }
}

/// Allows everything at a price.
struct Priced(Terms);

impl Policy for Priced {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        Decision::Allow(self.0.clone())
    }
}

#[tokio::test]
async fn what_a_call_costs_is_set_aside_and_used_when_it_is_admitted() {
    let facts = Facts {
        now: noon(),
        approval: None,
        remaining: None,
        exceptions: Exceptions::default(),
        not_yours: BTreeSet::new(),
    };
    let Decision::Allow(terms) = policy().decide(&note(), &facts) else { panic!() };
    let mut house = House::new().await;
    house.gate.policy = Arc::new(Priced(Terms { cost: Tally::from(Cost(7)), ..terms }));
    drop(house.pass(note()).await.unwrap());
    assert_eq!(*house.office.aside.lock().unwrap(), [(Cost(7), Cost(7))]);
}
