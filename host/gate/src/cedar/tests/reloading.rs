//! Policies that are exchanged, and a policy that says nothing of itself.
use super::*;

const OPEN: &str = r#"
@id("all") @budget("usd:20/day") permit(principal, action, resource)
unless { context has remaining && context.remaining < 5 };
@id("not-evil") forbid(principal, action == Action::"call", resource)
when { context.arguments has owner && context.arguments.owner == "evil" };
"#;
const SHUT: &str = r#"@id("shut") forbid(principal, action, resource);"#;

fn reading(text: &str) -> CedarPolicy {
    load(&[SourceFile::new("a.cedar", text)]).unwrap()
}

/// Everything that is asked of a policy.
fn answers(
    policy: &dyn Policy,
) -> (Digest, Vec<&'static str>, Vec<BudgetLimit>, bool, Vec<Vec<String>>) {
    let calls = ["acme", "evil"].map(|owner| open_issue(owner, &[]));
    let tool = tools().into_iter().find(|tool| tool.name == calls[0].tool.name).unwrap();
    (
        policy.version(),
        calls.iter().map(|call| policy.decide(call, &facts()).code()).collect(),
        policy.wants_remaining(&calls[0]),
        policy.offers(&calls[0].principal, &tool, &Exceptions::default()),
        calls.iter().map(|call| policy.refused_by(call, &facts())).collect(),
    )
}

#[test]
fn an_exchange_answers_as_the_policies_of_the_moment_do() {
    let exchange = Exchange::new(reading(OPEN));
    let open = answers(&reading(OPEN));
    assert_eq!(answers(&exchange), open);
    assert_eq!(
        (open.1.as_slice(), open.2.is_empty(), open.3),
        (&["allow", "refuse"][..], false, true)
    );
    assert_eq!(open.4, [vec![], vec!["not-evil".to_owned()]]);

    // Whoever began with the policies of a moment ends with them.
    let before = exchange.current().unwrap();
    assert_eq!(exchange.put(reading(SHUT)), open.0);
    assert_eq!(answers(before.as_ref()), open);

    let shut = answers(&reading(SHUT));
    assert_eq!(answers(&exchange), shut);
    assert_eq!(answers(exchange.current().unwrap().as_ref()), shut);
    assert_eq!(
        (shut.1.as_slice(), shut.2.is_empty(), shut.3),
        (&["refuse", "refuse"][..], true, false)
    );
    assert_eq!(shut.4, [["shut"], ["shut"]]);
}

/// Only decides.
struct Terse;

impl Policy for Terse {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        Decision::Refuse(Refusal::Forbidden)
    }
}

#[test]
fn a_policy_that_only_decides_hides_no_tool_and_names_nothing() {
    let nothing = (Digest::ZERO, vec!["refuse"; 2], vec![], true, vec![vec![], vec![]]);
    assert_eq!(answers(&Terse), nothing);
    assert!(Terse.current().is_none());
}
