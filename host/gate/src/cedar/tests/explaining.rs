//! Why, and what would have to change.
use super::*;
use crate::{Outcome, Supposition};

fn explained(policy: &CedarPolicy, call: &Call, approved_by: Option<&str>) -> Explanation {
    let approved_by = approved_by.map(|by| [by.to_owned()].into());
    policy.explain(
        call,
        &Supposition {
            now: Timestamp::UNIX_EPOCH,
            approved_by,
            remaining: None,
            not_yours: BTreeSet::new(),
        },
    )
}

#[test]
fn an_explanation_names_who_decided_and_where_each_obligation_came_from() {
    let policy = load(&shipped()).unwrap();
    let charge = |amount: i64| {
        let arguments = json!({"amount": amount, "currency": "eur"});
        call(principal(&["assistant"], None), "create_charge", arguments)
    };
    let mut told = Vec::new();
    for (made, by) in [
        (charge(100), None),
        (charge(100), Some("ana")),
        (charge(500_001), None),
        (open_issue("acme", &["assistant"]), None),
        (open_issue("evil", &["assistant", "triage"]), None),
        (open_issue("acme", &[]), None),
    ] {
        let explanation = serde_json::to_value(explained(&policy, &made, by)).unwrap();
        let mut members = explanation.as_object().unwrap().clone();
        members.remove("policy_version");
        told.push(serde_json::to_string_pretty(&members).unwrap());
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_explanation_says_what_the_decision_is() {
    let mut files = shipped();
    files.push(SourceFile::new("stop.cedar", "@id(\"stop\") forbid(principal, action == Action::\"call\", resource) when { context.arguments has city && context.arguments.city == \"Atlantis\" };"));
    let policy = load(&files).unwrap();
    for city in ["Berlin", "Atlantis"] {
        let asks = call(principal(&["assistant"], None), "get_forecast", json!({"city": city}));
        let explanation = explained(&policy, &asks, None);
        let decided = match decide(&policy, &asks) {
            Decision::Allow(_) => "allow",
            Decision::Ask(_) => "ask",
            Decision::Refuse(_) => "refuse",
        };
        assert_eq!(explanation.outcome.word(), decided);
        let refused = city == "Atlantis";
        assert_eq!(matches!(explanation.outcome, Outcome::Refuse { .. }), refused);
        assert_eq!(policy.refused_by(&asks, &facts()), if refused { vec!["stop"] } else { vec![] });
    }
}

#[test]
fn a_policy_that_fails_is_named_as_what_has_to_be_mended() {
    let mut files = shipped();
    files.push(SourceFile::new("sum.cedar", "@id(\"sum\") forbid(principal, action == Action::\"payments:charges:create\", resource) when { context.arguments.amount + 9223372036854775807 < 0 };"));
    let charge = call(
        principal(&["assistant"], None),
        "create_charge",
        json!({"amount": 100, "currency": "eur"}),
    );
    let explanation = explained(&load(&files).unwrap(), &charge, None);
    let action = &explanation.actions[1];
    assert!(!action.allowed && action.errors[0].contains("sum"), "{action:?}");
    assert!(action.changes[0].contains("mended"), "{action:?}");
}

#[test]
fn a_credential_of_somebody_else_is_told_with_how_its_owner_can_lend_it() {
    let policy = load(&shipped()).unwrap();
    let asks = open_issue("acme", &["assistant", "triage"]);
    let write = |not_yours: &[&str]| {
        let supposed = Supposition {
            now: Timestamp::UNIX_EPOCH,
            approved_by: None,
            remaining: None,
            not_yours: not_yours.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let explanation = policy.explain(&asks, &supposed);
        let action = &explanation.actions[1];
        (explanation.outcome.word(), action.allowed, action.changes.join("; "))
    };
    assert_eq!(write(&[]), ("allow", true, String::new()));
    assert_eq!(write(&["stripe"]), ("allow", true, String::new()));
    let (outcome, allowed, changes) = write(&["github"]);
    assert_eq!((outcome, allowed), ("refuse", false));
    assert!(changes.contains("toolward secret grant github --to"), "{changes}");
}
