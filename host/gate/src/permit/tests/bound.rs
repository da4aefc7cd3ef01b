//! What a yes is for: one test for each thing that it binds.
use super::*;
use crate::{Access, Parent, approval::tests::lent as approved};

/// Whether a yes to `charge(5)` serves this call; the same call always is served afterwards.
async fn serves(other: impl FnOnce(Call) -> Call) -> bool {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    let served = house.gate.settle(other(charge(5))).await.is_ok();
    assert_eq!(code(house.pass(charge(5)).await), "ok", "the positive control");
    served
}

fn by(identity: Identity) -> impl FnOnce(Call) -> Call {
    |call| Call { principal: Principal::authenticated(identity), ..call }
}

#[tokio::test]
async fn a_yes_binds_the_principal() {
    assert!(serves(by(identity())).await);
    assert!(!serves(by(Identity { id: "agent-8".to_owned(), ..identity() })).await);
}

#[tokio::test]
async fn a_yes_binds_whom_the_principal_acts_for() {
    for acts_for in [vec![], vec!["carl".to_owned()], vec!["bea".to_owned(), "carl".to_owned()]] {
        assert!(!serves(by(Identity { acts_for, ..identity() })).await);
    }
}

/// G-04: two ids are never read as one.
#[test]
fn names_that_hold_each_others_separators_stay_apart() {
    let digest = |acts_for: &[&str]| {
        let acts_for = acts_for.iter().map(|&one| one.to_owned()).collect();
        let call = by(Identity { acts_for, ..identity() })(charge(5));
        call.digest(&[], Digest::ZERO)
    };
    assert_ne!(digest(&["bea\ncarl"]), digest(&["bea", "carl"]));
    assert_ne!(digest(&[""]), digest(&[]));
    assert_eq!(digest(&["bea"]), digest(&["bea"]));
}

/// G-06.
#[tokio::test]
async fn a_yes_binds_the_component_that_was_shown() {
    let swapped = |mut call: Call| {
        call.tool.digest = Digest::of(b"another till");
        call
    };
    assert!(!serves(swapped).await);
}

/// G-01.
#[tokio::test]
async fn a_yes_binds_the_arguments() {
    let with = |text: &'static str| {
        move |call| Call { arguments: Arguments::parse(text).unwrap(), ..call }
    };
    assert!(serves(with(r#"{"amount": 5}"#)).await, "the same meaning in other spaces");
    assert!(!serves(with(r#"{"amount":6}"#)).await);
    assert!(!serves(with(r#"{"amount":5,"more":1}"#)).await);
}

#[tokio::test]
async fn a_yes_binds_the_tools_on_whose_behalf_it_is_called() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    house.answer(approval, "ana", "payer", Verdict::Approve).await;
    let above = house.pass(note()).await.unwrap();
    let within = Call { parent: Some(Parent::of(&above, None)), ..charge(5) };
    assert_ne!(house.held(within).await, approval);
    assert_eq!(code(house.pass(charge(5)).await), "ok");
}

#[test]
fn a_yes_binds_the_capabilities_and_the_version_of_the_policies() {
    let one = "money:charges:create".parse().unwrap();
    let other = "notes:lines:write".parse().unwrap();
    let call = charge(5);
    let digest = call.digest(&[one], Digest::of(b"policies"));
    let one = || "money:charges:create".parse().unwrap();
    assert_eq!(digest, call.digest(&[one()], Digest::of(b"policies")));
    assert_ne!(digest, call.digest(&[one(), other], Digest::of(b"policies")));
    assert_ne!(digest, call.digest(&[], Digest::of(b"policies")));
    assert_ne!(digest, call.digest(&[one()], Digest::of(b"other policies")));
}

/// G-04: the credential is part of a capability, and so of the version.
#[test]
fn a_capability_with_another_credential_is_another_version() {
    let version = |credential: &str| {
        let text = format!(
            "[capability.\"shop:items:read\"]\ndescription = \"x\"\ninterface = \"http\"\ndestination = \"https://shop.example\"\nmethods = [\"GET\"]\npaths = [\"/items\"]\ncredential = \"{credential}\"\ninject = {{ header = \"authorization\", as = \"bearer\" }}\nrisk = \"low\"\n"
        );
        let file = SourceFile::new("capabilities.toml", text);
        Capabilities::parse(&file, &["http"]).unwrap().digest()
    };
    assert_eq!(version("shop"), version("shop"));
    assert_ne!(version("shop"), version("till"));
}

#[tokio::test]
async fn a_yes_ends_with_its_question() {
    for (seconds, good) in [(14 * 60, true), (15 * 60, false)] {
        let house = House::new().await;
        let approval = house.held(charge(5)).await;
        house.answer(approval, "ana", "payer", Verdict::Approve).await;
        house.clock.forward(Duration::from_secs(seconds));
        assert_eq!(house.gate.settle(charge(5)).await.is_ok(), good);
    }
}

/// A nonce: whoever saw one question cannot name the next.
#[tokio::test]
async fn each_question_has_a_name_of_its_own() {
    let house = House::new().await;
    let mut names = BTreeSet::new();
    for amount in 0..50 {
        names.insert(house.held(charge(amount)).await.to_string());
    }
    assert_eq!(names.len(), 50);
}

/// A book that says yes to a capability is not believed about a call.
#[tokio::test]
async fn a_yes_to_a_capability_for_a_time_is_no_yes_to_a_call() {
    let house = House::new().await;
    let approval = house.held(charge(5)).await;
    for (by, is_access) in [("ana", true), ("dan", false)] {
        let access = is_access.then(|| Access { seconds: 60, reason: "x".to_owned() });
        house.office.requests()[0].filing.access = access;
        house.answer(approval, by, "payer", Verdict::Approve).await;
        assert_eq!(house.gate.settle(charge(5)).await.is_ok(), !is_access);
    }
}

/// What these people allowed for a time, for the capability that the call wants.
fn lent(call: &Call, people: &[&str]) -> Request {
    approved(call, "money:charges:create", Digest::ZERO, people, (noon(), 60))
}

fn holds(request: Request, call: &Call, seconds: u64) -> bool {
    let now = noon().checked_add(Duration::from_secs(seconds)).unwrap();
    let tool = (&call.tool.name, call.tool.digest);
    !Exceptions::of(&[request], &call.principal, tool, Digest::ZERO, now).is_empty()
}

/// An exception counts only with two others behind it, whatever the book says of its state.
#[test]
fn an_exception_is_checked_by_the_gate_itself() {
    let call = charge(5);
    for names in [&["ana", "dan"][..], &["ana", "dan", "fay"]] {
        assert!(holds(lent(&call, names), &call, 0), "{names:?}");
    }
    for names in [&["ana"][..], &["ana", "ana"], &["ana", "agent-7"], &["bea", "dan"], &[]] {
        assert!(!holds(lent(&call, names), &call, 0), "{names:?}");
    }
    // Nor does the book say how many it takes.
    let mut one = lent(&call, &["ana"]);
    one.filing.approvers.count = 1;
    assert!(!holds(one, &call, 0));
}

#[test]
fn an_exception_is_for_one_caller_one_tool_and_one_set_of_policies() {
    let call = charge(5);
    assert!(holds(lent(&call, &["ana", "dan"]), &call, 0));
    type Change = fn(&mut Request);
    let others: [(&str, Change); 7] = [
        ("one call", |one| one.filing.access = None),
        ("caller", |one| one.filing.principal = "agent-8".to_owned()),
        ("acts for", |one| one.filing.acts_for = vec!["carl".to_owned()]),
        ("tool", |one| one.filing.tool = "note".parse().unwrap()),
        ("component", |one| one.filing.tool_digest = Digest::of(b"another")),
        ("policies", |one| one.filing.policy_version = Digest::of(b"others")),
        ("no answer", |one| one.state = ApprovalState::Open),
    ];
    for (name, change) in others {
        let mut other = lent(&call, &["ana", "dan"]);
        change(&mut other);
        assert!(!holds(other, &call, 0), "{name}");
    }
}

#[test]
fn an_exception_is_over_at_its_end() {
    let call = charge(5);
    for (seconds, holding) in [(59, true), (60, false), (61, false)] {
        assert_eq!(holds(lent(&call, &["ana", "dan"]), &call, seconds), holding, "{seconds}");
    }
}
