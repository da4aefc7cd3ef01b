//! What the solver may think of, and what it may not.
use serde_json::json;

use super::*;

/// `list_issues`, with a page from 1 to 9, and issues of two owners.
fn bounded() -> Vec<InstalledTool> {
    let mut tool = tools().into_iter().nth(1).unwrap();
    let properties = &mut tool.input_schema["properties"];
    properties["owner"] = json!({"type": "string", "enum": ["acme", "umbrella"]});
    properties["page"] = json!({"type": "integer", "minimum": 1, "maximum": 9});
    vec![tool]
}

/// Readers are asked about; everybody else reads without a question where one of these is so.
fn holes(conditions: &[&str]) -> Vec<Finding> {
    let hole = |condition: &&str| {
        format!(
            "permit(principal, action == Action::\"github:issues:read\", resource) when {{ {condition} }};\n"
        )
    };
    let text = format!(
        r#"permit(principal, action == Action::"call", resource in Component::"github-issues");
@approval("one-of:oncall") permit(principal in Role::"reader", action == Action::"github:issues:read", resource);
{}"#,
        conditions.iter().map(hole).collect::<String>()
    );
    let files = [SourceFile::new("holes.cedar", text)];
    let policy = CedarPolicy::load(&files, capabilities(), &bounded(), "development").unwrap();
    let reads = "github:issues:read".parse().unwrap();
    policy.prove_approval(&bounded(), &reads, None).unwrap()
}

#[test]
fn a_call_that_nobody_can_make_is_no_way_past_the_person() {
    if !solver() {
        return;
    }
    let findings = holes(&[
        "context.time.hour < 0 || context.time.hour > 23",
        "context.time.weekday < 1 || context.time.weekday > 7",
        "context.time.epoch_seconds < 0",
        "context.environment == \"production\"",
        "context has remaining && context.remaining < 0",
        "resource.digest == \"another\"",
        "resource == Tool::\"open_issue\"",
        "resource in Component::\"weather\"",
        "resource in Component::\"payments\"",
        "context.capability.risk == \"high\"",
        "context.capability.interface == \"log\"",
        "context.capability.cost > 0",
        "context.capability in Provider::\"stripe\"",
        "context.capability in Credential::\"stripe\"",
        "context has credential && context.credential == Credential::\"stripe\"",
        "context has credential && context.credential.owners.contains(\"principal:ana\")",
        "context.arguments.owner == \"evil\"",
        "context.arguments has page && context.arguments.page < 1",
        "context.arguments has page && context.arguments.page > 9",
    ]);
    assert_eq!((findings.len(), refuted(&findings).len()), (3, 0), "{findings:?}");
}

#[test]
fn a_call_at_the_edge_of_what_can_be_is_found_and_told() {
    if !solver() {
        return;
    }
    let digest = format!("resource.digest == \"{}\"", bounded()[0].digest);
    let edge = [
        "context.time.hour == 23 && context.time.weekday == 7",
        "context.time.epoch_seconds == 253402300799",
        "context.environment == \"development\"",
        "context has remaining && context.remaining == 0",
        digest.as_str(),
        "resource == Tool::\"list_issues\" && resource in Component::\"github-issues\"",
        "context.capability.risk == \"low\" && context.capability.cost == 0",
        "context.capability in Provider::\"github\"",
        "context.capability in Credential::\"github\"",
        "context has credential && context.credential.owners.isEmpty()",
        "context.arguments.owner == \"umbrella\"",
        "context.arguments has page && context.arguments.page == 9",
        "context.acts_for.contains(\"ana\") && context.door == \"mcp\"",
    ]
    .join(" && ");
    let findings = holes(&[&edge]);
    let calls = refuted(&findings);
    assert_eq!(calls.len(), 3, "{findings:?}");
    for call in calls {
        assert_eq!((call.hour, call.weekday, call.epoch_seconds), (23, 7, 253_402_300_799));
        assert_eq!((call.remaining, call.door.as_str()), (Some(0), "mcp"));
        assert!(call.acts_for.contains(&"ana".to_owned()), "{call:?}");
        assert_eq!(
            (&call.arguments["owner"], &call.arguments["page"]),
            (&json!("umbrella"), &json!(9))
        );
        assert!(!call.roles.contains("reader") && call.approved_by.is_none(), "{call:?}");
    }
}

#[test]
fn a_capability_that_a_tool_can_do_without_is_compared_too() {
    if !solver() {
        return;
    }
    let mut tool = tools().remove(1);
    let log: CapabilityName = "host:log:write".parse().unwrap();
    tool.wants = [crate::Want { capability: log.clone(), required: false }].into();
    let call = "permit(principal, action == Action::\"call\", resource);";
    let old = issues(call);
    let new = issues(&format!(
        "{call} permit(principal, action == Action::\"host:log:write\", resource);"
    ));
    let findings = new.prove_no_more_than(&old, std::slice::from_ref(&tool), None).unwrap();
    // The call as such and with the log, each at all and without a yes, by three kinds of principals.
    assert_eq!(findings.len(), 12);
    for finding in findings {
        let opened = finding.capability.as_ref() == Some(&log);
        assert_eq!(matches!(finding.verdict, Verdict::Refuted { .. }), opened, "{finding:?}");
        assert_eq!(matches!(finding.verdict, Verdict::Proved), !opened, "{finding:?}");
    }
}
