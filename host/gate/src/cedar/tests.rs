use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Approvers, Arguments, CallId, Identity, Kind, Notes, ProgressSink, ToolRef};

const CAPABILITIES: &str = include_str!("../../../../policies/capabilities.toml");
const INTERFACES: [&str; 7] = ["http", "log", "clock", "random", "progress", "key-value", "tools"];

pub(super) fn capabilities() -> Arc<Capabilities> {
    Arc::new(
        Capabilities::parse(&SourceFile::new("capabilities.toml", CAPABILITIES), &INTERFACES)
            .unwrap(),
    )
}

fn tool(
    name: &str,
    component: &str,
    wants: &[(&str, bool)],
    properties: &Value,
    required: &[&str],
) -> InstalledTool {
    let want = |(name, required): &(&str, bool)| Want {
        capability: name.parse().unwrap(),
        required: *required,
    };
    InstalledTool {
        name: name.parse().unwrap(),
        component: component.parse().unwrap(),
        digest: Digest::of(component.as_bytes()),
        wants: wants.iter().map(want).collect(),
        input_schema: json!({"type": "object", "properties": properties, "required": required}),
    }
}

pub(super) fn tools() -> Vec<InstalledTool> {
    let issue = json!({"owner": {"type": "string"}, "repo": {"type": "string"}, "labels": {"type": "array", "items": {"type": "string"}}});
    vec![
        tool(
            "get_forecast",
            "weather",
            &[
                ("weather:geocoding:read", true),
                ("weather:forecast:read", true),
                ("host:log:write", false),
            ],
            &json!({"city": {"type": "string"}}),
            &["city"],
        ),
        tool(
            "list_issues",
            "github-issues",
            &[("github:issues:read", true)],
            &issue,
            &["owner", "repo"],
        ),
        tool(
            "open_issue",
            "github-issues",
            &[("github:issues:write", true), ("host:log:write", false)],
            &issue,
            &["owner", "repo"],
        ),
        tool(
            "create_charge",
            "payments",
            &[("payments:charges:create", true)],
            &json!({"amount": {"type": "integer"}, "currency": {"type": "string"}}),
            &["amount", "currency"],
        ),
    ]
}

pub(super) fn shipped() -> Vec<SourceFile> {
    vec![
        SourceFile::new("default.cedar", include_str!("../../../../policies/default.cedar")),
        SourceFile::new(
            "weather.cedar",
            include_str!("../../../../policies/examples/weather.cedar"),
        ),
        SourceFile::new(
            "github-issues.cedar",
            include_str!("../../../../policies/examples/github-issues.cedar"),
        ),
        SourceFile::new(
            "payments.cedar",
            include_str!("../../../../policies/examples/payments.cedar"),
        ),
    ]
}

pub(super) fn load(files: &[SourceFile]) -> Result<CedarPolicy, Vec<SourceError>> {
    CedarPolicy::load(files, capabilities(), &tools(), "development")
}

fn principal(roles: &[&str], scope: Option<&[&str]>) -> Principal {
    let scope = scope.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
    Principal::authenticated(Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope,
        ends_at: None,
    })
}

fn call(principal: Principal, name: &str, arguments: Value) -> Call {
    let tool = tools().into_iter().find(|tool| tool.name.as_str() == name).unwrap();
    call_of(principal, &tool, arguments)
}

pub(super) fn call_of(principal: Principal, tool: &InstalledTool, arguments: Value) -> Call {
    let tool = tool.clone();
    Call {
        id: CallId::generate(),
        principal,
        tool: ToolRef {
            name: tool.name,
            component: tool.component,
            digest: tool.digest,
            wants: tool.wants,
        },
        arguments: Arguments::from_value(arguments).unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

fn decide(policy: &CedarPolicy, call: &Call) -> Decision {
    policy.decide(call, &facts())
}

fn facts() -> Facts {
    let (exceptions, not_yours) = (Exceptions::default(), [].into());
    Facts { now: Timestamp::UNIX_EPOCH, approval: None, remaining: None, exceptions, not_yours }
}

fn outcome(policy: &CedarPolicy, call: &Call) -> String {
    match decide(policy, call) {
        Decision::Allow(terms) => format!("allow {}", terms.basis.policies.join(" ")),
        Decision::Ask(question) => format!("ask {:?}", question.risk),
        Decision::Refuse(refusal) => format!("refuse {}", refusal.code()),
    }
}

fn open_issue(owner: &str, roles: &[&str]) -> Call {
    call(principal(roles, None), "open_issue", json!({"owner": owner, "repo": "site"}))
}

#[test]
fn the_shipped_policies_load_and_decide_as_they_read() {
    let policy = load(&shipped()).unwrap();
    let triage = ["assistant", "triage"];
    assert_eq!(
        outcome(&policy, &open_issue("acme", &triage)),
        "allow github-issues-call github-issues-write host-services"
    );
    assert_eq!(outcome(&policy, &open_issue("evil", &triage)), "refuse not-granted");
    assert_eq!(outcome(&policy, &open_issue("acme", &["assistant"])), "refuse not-granted");
    assert_eq!(outcome(&policy, &open_issue("acme", &[])), "refuse forbidden");
    let charge = |amount: i64| {
        call(
            principal(&["assistant"], None),
            "create_charge",
            json!({"amount": amount, "currency": "eur"}),
        )
    };
    assert_eq!(outcome(&policy, &charge(100)), "ask High");
    assert_eq!(outcome(&policy, &charge(500_001)), "refuse not-granted");
    assert_eq!(outcome(&policy, &charge(-1)), "refuse not-granted");
}

#[test]
fn without_policies_everything_is_refused() {
    let policy = load(&[]).unwrap();
    assert_eq!(outcome(&policy, &open_issue("acme", &["assistant", "triage"])), "refuse forbidden");
}

#[test]
fn a_token_that_leaves_a_capability_out_narrows_what_the_policies_allow() {
    let policy = load(&shipped()).unwrap();
    let with = |scope: &[&str]| {
        call(
            principal(&["assistant", "triage"], Some(scope)),
            "open_issue",
            json!({"owner": "acme", "repo": "site"}),
        )
    };
    assert_eq!(outcome(&policy, &with(&["github:issues:read"])), "refuse not-granted");
    // The optional log is not in the scope: the call goes through without it.
    assert_eq!(
        outcome(&policy, &with(&["github:issues:write"])),
        "allow github-issues-call github-issues-write"
    );
}

#[test]
fn a_refusal_names_the_capability_and_its_interface() {
    let policy = load(&shipped()).unwrap();
    let Decision::Refuse(refusal) = decide(&policy, &open_issue("evil", &["assistant", "triage"]))
    else {
        panic!("allowed")
    };
    assert_eq!(
        refusal.to_string(),
        "`open_issue` needs the capability `github:issues:write` (interface `http`), which is not granted to this call"
    );
}

#[test]
fn a_policy_that_fails_while_it_is_evaluated_refuses() {
    // The sum overflows: Cedar reports an error and leaves the `forbid` out, which alone would allow.
    let text = r#"@id("sum") forbid(principal, action == Action::"payments:charges:create", resource)
        when { context.arguments.amount + 9223372036854775807 < 0 };"#;
    let mut files = shipped();
    let charge = call(
        principal(&["assistant"], None),
        "create_charge",
        json!({"amount": 100, "currency": "eur"}),
    );
    assert_eq!(outcome(&load(&files).unwrap(), &charge), "ask High");
    files.push(SourceFile::new("sum.cedar", text));
    assert_eq!(outcome(&load(&files).unwrap(), &charge), "refuse not-granted");
}

#[test]
fn an_argument_that_only_some_tools_have_is_used_behind_has() {
    let bare = r#"permit(principal, action == Action::"call", resource) when { context.arguments.city == "Berlin" };"#;
    let guarded = r#"permit(principal, action == Action::"call", resource) when { context.arguments has city && context.arguments.city == "Berlin" };"#;
    assert!(load(&[SourceFile::new("a.cedar", bare)]).is_err());
    assert!(load(&[SourceFile::new("a.cedar", guarded)]).is_ok());
}

#[test]
fn every_mistake_in_a_policy_is_told_with_its_place_and_what_to_change() {
    let permit = |head: &str, tail: &str| {
        format!(
            "// a comment\n{head}\npermit(principal, action == Action::\"github:issues:write\", resource){tail};"
        )
    };
    let texts = [
        permit("@risk(\"huge\")", ""),
        permit("@rsik(\"high\")", ""),
        permit("@shiny(\"yes\")", ""),
        permit("@ttl(\"2h\")", ""),
        permit("@id(\"one\")", "") + "\n@id(\"one\") forbid(principal, action, resource);",
        permit("", " when { context.arguments.ownr == \"acme\" }"),
        permit("", " when { context.arguments.owner == 7 }"),
        permit("", " wehn { true }"),
        "permit(principal, action == Action::\"github:issues:wirte\", resource);".to_owned(),
        "forbid(principal, action == Action::\"github:issues:write\", resource) when { context.arguments has ownr && context.arguments.ownr == \"evil\" };".to_owned(),
        "permit(principal in Rolle::\"a\", action, resource);".to_owned(),
        "@approval(\"one-of:oncall\")\nforbid(principal, action, resource);".to_owned(),
        "permit(principal == ?principal, action, resource);".to_owned(),
    ];
    let said: Vec<String> = texts
        .iter()
        .flat_map(|text| load(&[SourceFile::new("mine.cedar", text.as_str())]).unwrap_err())
        .map(|error| format!("{error:?}"))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_schema_of_the_shipped_tools_is_what_policies_may_speak_of() {
    insta::assert_snapshot!(load(&shipped()).unwrap().schema());
}

#[test]
fn the_version_changes_with_policies_capabilities_and_tools() {
    let version = load(&shipped()).unwrap().version();
    assert_eq!(version, load(&shipped()).unwrap().version());
    assert_ne!(version, load(&shipped()[..3]).unwrap().version());
    let fewer =
        CedarPolicy::load(&shipped()[..1], capabilities(), &tools()[..1], "development").unwrap();
    assert_ne!(fewer.version(), load(&shipped()[..1]).unwrap().version());
}

#[test]
fn prospects_say_what_is_granted_what_depends_and_what_is_refused() {
    let policy = load(&shipped()).unwrap();
    let about = |name: &str, roles: &[&str]| {
        let tool = tools().into_iter().find(|tool| tool.name.as_str() == name).unwrap();
        policy.prospects(&principal(roles, None), &tool)
    };
    let open = about("open_issue", &["assistant", "triage"]);
    assert!(matches!(open.call, Prospect::Granted { .. }));
    assert!(
        matches!(&open.capabilities[0].prospect, Prospect::Depends { policies, .. } if policies == &["github-issues-write"])
    );
    assert!(matches!(open.capabilities[1].prospect, Prospect::Granted { .. }));
    assert!(matches!(about("open_issue", &[]).call, Prospect::Refused { .. }));
    assert_eq!(about("create_charge", &["assistant"]).risk, Risk::High);
}

#[test]
fn prospects_name_the_obligations_that_a_call_could_meet() {
    let policy = load(&shipped()).unwrap();
    let about = |name: &str| {
        let tool = tools().into_iter().find(|tool| tool.name.as_str() == name).unwrap();
        policy.prospects(&principal(&["assistant"], None), &tool)
    };
    let charge = about("create_charge");
    assert_eq!(charge.approvals, [Approvers { count: 1, roles: ["payer".to_owned()].into() }]);
    assert_eq!((charge.time, charge.rates.len()), (Duration::from_secs(20), 1));
    let forecast = about("get_forecast");
    assert_eq!((forecast.risk, forecast.approvals), (Risk::Low, Vec::new()));
    assert_eq!((forecast.time, forecast.rates.len()), (DEFAULT_TIME, 1));
    // Not in the role that writes: what the write would ask for is not said.
    assert!(about("open_issue").rates.is_empty());
}

/// Policies with ids from a list, and a call, drawn at random.
fn policies() -> impl Strategy<Value = Vec<String>> {
    let head = prop_oneof![
        Just("principal"),
        Just("principal in Role::\"assistant\""),
        Just("principal == Agent::\"agent-8\""),
        Just("principal is User"),
    ];
    let action = prop_oneof![
        Just("action"),
        Just("action == Action::\"call\""),
        Just("action in Action::\"use\""),
        Just("action == Action::\"github:issues:write\""),
        Just("action in [Action::\"call\", Action::\"github:issues:write\"]"),
        Just("action in [Action::\"use\"]"),
    ];
    let resource = prop_oneof![
        Just("resource"),
        Just("resource in Component::\"github-issues\""),
        Just("resource == Tool::\"get_forecast\""),
    ];
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    let tail = prop_oneof![
        Just(""),
        Just(" when { context.door == \"test\" }"),
        Just(" when { context.environment == \"production\" }")
    ];
    let one = (effect, head, action, resource, tail).prop_map(
        |(effect, head, action, resource, tail)| {
            format!("{effect}({head}, {action}, {resource}){tail};")
        },
    );
    proptest::collection::vec(one, 0..8)
}

fn allowed(policies: &[String]) -> bool {
    let policy = load(&[SourceFile::new("drawn.cedar", policies.join("\n"))]).unwrap();
    matches!(decide(&policy, &open_issue("acme", &["assistant"])), Decision::Allow(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_permit_less_or_one_forbid_more_never_allows_more(policies in policies(), place in any::<prop::sample::Index>()) {
        prop_assume!(!policies.is_empty());
        let mut fewer = policies.clone();
        let taken = fewer.remove(place.index(policies.len()));
        if taken.starts_with("permit") {
            prop_assert!(allowed(&policies) || !allowed(&fewer));
        } else {
            prop_assert!(allowed(&fewer) || !allowed(&policies));
        }
    }
}

mod explaining;
mod granting;
mod mapping;
mod merging;
mod offering;
mod reloading;
mod slicing;
