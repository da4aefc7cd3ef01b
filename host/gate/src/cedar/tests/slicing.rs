//! What is left out of a slice would not have counted.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::collections::BTreeSet;

use cedar_policy::PolicySet;

use super::*;
use crate::cedar::request::{Circumstances, heads};

/// Heads of every form, over few names, so that they meet.
fn heads_of(kind: &'static str) -> BoxedStrategy<String> {
    let (types, names): (&[&str], &[&str]) = match kind {
        "principal" => (
            &["Agent", "User"],
            &[
                "Agent::\"agent-7\"",
                "User::\"ana\"",
                "Role::\"assistant\"",
                "Role::\"triage\"",
                "Group::\"desk\"",
            ],
        ),
        _ => (
            &["Tool"],
            &[
                "Tool::\"open_issue\"",
                "Tool::\"get_forecast\"",
                "Component::\"github-issues\"",
                "Component::\"weather\"",
            ],
        ),
    };
    let (types, names) = (prop::sample::select(types), prop::sample::select(names));
    prop_oneof![
        Just(kind.to_owned()),
        types.clone().prop_map(move |one| format!("{kind} is {one}")),
        names.clone().prop_map(move |one| format!("{kind} in {one}")),
        names.clone().prop_map(move |one| format!("{kind} == {one}")),
        (types, names).prop_map(move |(one, name)| format!("{kind} is {one} in {name}")),
    ]
    .boxed()
}

fn actions() -> impl Strategy<Value = String> {
    let one = prop::sample::select(&["call", "use", "github:issues:write", "host:log:write"][..]);
    prop_oneof![
        Just("action".to_owned()),
        one.clone()
            .prop_filter("nobody asks for all of them", |name| *name != "use")
            .prop_map(|name| format!("action == Action::\"{name}\"")),
        prop::collection::vec(one, 1..3).prop_map(|names| {
            let names: Vec<String> =
                names.iter().map(|name| format!("Action::\"{name}\"")).collect();
            format!("action in [{}]", names.join(", "))
        }),
    ]
}

fn drawn() -> impl Strategy<Value = Vec<String>> {
    let conditions = prop::sample::select(
        &[
            "",
            " when { context.door == \"test\" }",
            " unless { context.time.hour == 0 }",
            " when { context.time.epoch_seconds + 9223372036854775807 > 0 }",
        ][..],
    );
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    let one = (effect, heads_of("principal"), actions(), heads_of("resource"), conditions)
        .prop_map(|(effect, who, action, what, when)| {
            format!("{effect}({who}, {action}, {what}){when};")
        });
    prop::collection::vec(one, 0..16)
}

fn callers() -> impl Strategy<Value = Principal> {
    let roles = prop::sample::subsequence(vec!["assistant", "triage", "other"], 0..=3);
    let groups = prop::sample::subsequence(vec!["desk", "other"], 0..=2);
    (prop::sample::select(&["agent-7", "ana"][..]), any::<bool>(), roles, groups).prop_map(
        |(id, agent, roles, groups)| {
            Principal::authenticated(Identity {
                id: id.to_owned(),
                kind: if agent { Kind::Agent } else { Kind::User },
                roles: roles.into_iter().map(str::to_owned).collect(),
                groups: groups.into_iter().map(str::to_owned).collect(),
                acts_for: Vec::new(),
                scope: None,
                ends_at: None,
            })
        },
    )
}

/// Loading takes longer than asking.
static LOADED: std::sync::OnceLock<CedarPolicy> = std::sync::OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_slice_decides_as_the_whole_set_does(texts in drawn(), caller in callers(), forecast in any::<bool>(), hour in 0_i64..24) {
        // The schema is that of these tools; a head that can fit nobody is not a mistake that the slices make.
        let whole = texts.iter().enumerate().map(|(place, text)| cedar_policy::Policy::parse(Some(PolicyId::new(format!("drawn#{}", place + 1))), text).unwrap());
        let whole = PolicySet::from_policies(whole).unwrap();
        let slices = Slices::of(&whole);
        let policy = LOADED.get_or_init(|| load(&shipped()).unwrap());
        let call = if forecast {
            call(caller, "get_forecast", json!({"city": "Berlin"}))
        } else {
            call(caller, "open_issue", json!({"owner": "acme", "repo": "site"}))
        };
        let known = Circumstances { now: Timestamp::from_second(hour * 3600).unwrap(), approved_by: None, remaining: None, exceptions: None, not_yours: &BTreeSet::new() };
        for action in policy.actions(&call) {
            let (request, entities) = policy.request(&call, known, action).unwrap();
            let heads = heads(&call.principal, &call.tool.name, &call.tool.component);
            let slice = slices.set(action, &heads).unwrap();
            let (all, some) = (policy.authorizer.is_authorized(&request, &whole, &entities), policy.authorizer.is_authorized(&request, &slice, &entities));
            prop_assert_eq!(all.decision(), some.decision());
            let reasons = |response: &cedar_policy::Response| response.diagnostics().reason().cloned().collect::<BTreeSet<_>>();
            prop_assert_eq!(reasons(&all), reasons(&some));
            let errors = |response: &cedar_policy::Response| response.diagnostics().errors().map(ToString::to_string).collect::<BTreeSet<_>>();
            prop_assert_eq!(errors(&all), errors(&some));
            // What is about the action for anybody holds what is about it for this caller.
            let about: BTreeSet<_> = slices.about(action).map(|one| one.id().clone()).collect();
            prop_assert!(slice.policies().all(|one| about.contains(one.id())));
        }
    }
}

#[test]
fn a_slice_holds_what_can_fit_and_nothing_for_others() {
    let mut text: String = (0..500)
        .map(|number| {
            format!("permit(principal == Agent::\"other-{number}\", action, resource);\n")
        })
        .collect();
    text += "permit(principal in Group::\"desk\", action, resource);\npermit(principal is Agent, action == Action::\"call\", resource);";
    let policy = load(&[SourceFile::new("many.cedar", text)]).unwrap();
    let asks = open_issue("acme", &[]);
    let heads = heads(&asks.principal, &asks.tool.name, &asks.tool.component);
    let ids = |action: &str| {
        policy.slices.fitting(action, &heads).map(|one| one.id().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(CALL), ["many#502"]);
    assert!(ids("github:issues:write").is_empty());
    assert_eq!(policy.slices.about(CALL).count(), 502);
}
