//! What policies can know: of arguments, of who calls, and of what is used.
use super::*;

fn with(properties: &Value, required: &[&str]) -> InstalledTool {
    tool("make", "maker", &[("host:log:write", true)], properties, required)
}

fn loads(tool: &InstalledTool, condition: &str) -> Result<CedarPolicy, Vec<SourceError>> {
    let text = format!(
        "permit(principal, action in [Action::\"call\", Action::\"host:log:write\"], resource) when {{ {condition} }};"
    );
    let tools = std::slice::from_ref(tool);
    CedarPolicy::load(&[SourceFile::new("a.cedar", text)], capabilities(), tools, "production")
}

fn allows(tool: &InstalledTool, condition: &str, arguments: Value) -> bool {
    let mut made = call(principal(&[], None), "open_issue", arguments);
    made.tool = ToolRef {
        name: tool.name.clone(),
        component: tool.component.clone(),
        digest: tool.digest,
        wants: tool.wants.clone(),
    };
    matches!(decide(&loads(tool, condition).unwrap(), &made), Decision::Allow(_))
}

#[test]
fn nested_optional_and_listed_arguments_are_typed_and_misspelt_ones_do_not_load() {
    let tool = with(
        &json!({
            "who": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}}, "required": ["name", "age"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}},
            "kind": {"enum": ["a", "b"]},
            "force": {"type": "boolean"},
            "state": {"anyOf": [{"type": "string", "enum": ["open", "closed"]}, {"type": "null"}]},
        }),
        &["who", "tags", "kind"],
    );
    let arguments = json!({"who": {"name": "ana", "age": null}, "tags": ["x", "y", "x"], "kind": "a", "state": "open", "rows": [{"x": 1}]});
    for (condition, expected) in [
        ("context.arguments.who.name == \"ana\"", true),
        ("context.arguments.who.name == \"bob\"", false),
        ("context.arguments.who has age", false),
        ("context.arguments.tags.contains(\"y\") && !context.arguments.tags.contains(\"z\")", true),
        ("context.arguments has rows && context.arguments.rows.contains({ x: 1 })", true),
        ("context.arguments.kind == \"a\"", true),
        ("context.arguments has state && context.arguments.state == \"open\"", true),
        ("context.arguments has force && context.arguments.force", false),
    ] {
        assert_eq!(allows(&tool, condition, arguments.clone()), expected, "{condition}");
    }
    for wrong in [
        "context.arguments.who.nmae == \"ana\"",
        "context.arguments.who.age == 3",
        "context.arguments.force",
        "context.arguments has forse && context.arguments.forse",
        "context.arguments.who has agee",
        "context has aproval",
        "context.arguments.tags == \"y\"",
        "context.arguments.tag.contains(\"y\")",
        "context.arguments.kind == 1",
        "context.arguments has rows && context.arguments.rows.contains({ y: 1 })",
    ] {
        assert!(loads(&tool, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn arguments_that_have_no_type_are_told_with_the_reason() {
    let tool = with(
        &json!({
            "price": {"type": "number"},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "both": {"type": ["string", "integer"]},
            "odd name": {"type": "string"},
            "deep": {"type": "object", "properties": {"ratio": {"type": "number"}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"half": {"type": "number"}}}},
            "any": {},
            "fine": {"type": "string"},
        }),
        &[],
    );
    let policy = loads(&tool, "context.arguments has fine").unwrap();
    let told: Vec<String> =
        policy.unmapped().iter().map(|one| format!("{}: {}", one.argument, one.why)).collect();
    insta::assert_snapshot!(told.join("\n"));
    assert!(loads(&tool, "context.arguments has price && context.arguments.price == 1").is_err());
}

#[test]
fn two_tools_that_type_an_argument_differently_are_told() {
    let text = tool("one", "maker", &[], &json!({"x": {"type": "string"}}), &["x"]);
    let whole = tool("two", "maker", &[], &json!({"x": {"type": "integer"}}), &["x"]);
    let policy = CedarPolicy::load(&[], capabilities(), &[text, whole], "development").unwrap();
    assert_eq!(policy.unmapped().len(), 2);
    assert!(policy.unmapped().iter().all(|one| one.argument == "x"));
}

#[test]
fn policies_know_the_capability_its_provider_and_its_credential() {
    let tool = tool("make", "maker", &[("github:issues:write", true)], &json!({}), &[]);
    let allowed = |condition: &str| {
        let text = format!(
            "permit(principal, action == Action::\"call\", resource);\npermit(principal, action in Action::\"use\", resource) when {{ {condition} }};"
        );
        let tools = std::slice::from_ref(&tool);
        let policy = CedarPolicy::load(
            &[SourceFile::new("a.cedar", text)],
            capabilities(),
            tools,
            "production",
        )
        .unwrap();
        let mut made = call(principal(&[], None), "open_issue", json!({}));
        made.tool = ToolRef {
            name: tool.name.clone(),
            component: tool.component.clone(),
            digest: tool.digest,
            wants: tool.wants.clone(),
        };
        matches!(decide(&policy, &made), Decision::Allow(_))
    };
    for (condition, expected) in [
        ("context.capability in Provider::\"github\"", true),
        ("context.capability in Provider::\"gitlab\"", false),
        ("context.capability in Credential::\"github\"", true),
        ("context.capability in Credential::\"stripe\"", false),
        ("context.capability == Capability::\"github:issues:write\"", true),
        (
            "context.capability.risk == \"low\" && context.capability.interface == \"http\" && context.capability.cost == 0",
            true,
        ),
        ("context.environment == \"production\"", true),
        ("context.environment == \"development\"", false),
        ("context.time.now == datetime(\"1970-01-01T00:00:00Z\")", true),
        ("context.time.now < datetime(\"1969-12-31T23:59:59Z\")", false),
        ("context has remaining", false),
    ] {
        assert_eq!(allowed(condition), expected, "{condition}");
    }
}

#[test]
fn a_group_counts_as_a_role_does_and_is_none() {
    let policy = load(&[SourceFile::new(
        "a.cedar",
        "permit(principal in Group::\"desk\", action, resource);",
    )])
    .unwrap();
    let by = |roles: &[&str], groups: &[&str]| {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let caller = Principal::authenticated(Identity {
            id: "agent-7".to_owned(),
            kind: Kind::Agent,
            roles: all(roles),
            groups: all(groups),
            acts_for: Vec::new(),
            scope: None,
            ends_at: None,
        });
        outcome(&policy, &call(caller, "open_issue", json!({"owner": "acme", "repo": "site"})))
    };
    assert_eq!(by(&[], &["desk"]), "allow a#1");
    assert_eq!(by(&["desk"], &[]), "refuse forbidden");
}

#[test]
fn what_is_left_of_a_budget_is_asked_for_only_where_a_policy_looks_at_it() {
    let head = "@id(\"p\") @budget(\"usd:20/day\") permit(principal, action, resource)";
    let asks = open_issue("acme", &[]);
    let load = |text: String| load(&[SourceFile::new("a.cedar", text)]).unwrap();
    let blind = load(format!("{head};"));
    assert!(blind.wants_remaining(&asks).is_empty());
    let looks =
        load(format!("{head} when {{ context has remaining && context.remaining > 5000000 }};"));
    assert!(!looks.wants_remaining(&asks).is_empty());
    let with = |remaining: Option<u64>| {
        let facts = Facts { remaining: remaining.map(Cost), ..facts() };
        matches!(looks.decide(&asks, &facts), Decision::Allow(_))
    };
    assert_eq!((with(Some(5_000_001)), with(Some(5_000_000)), with(None)), (true, false, false));
}
