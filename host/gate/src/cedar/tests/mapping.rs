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

fn called(tool: &InstalledTool, arguments: Value) -> Call {
    call_of(principal(&[], None), tool, arguments)
}

fn allows(tool: &InstalledTool, condition: &str, arguments: Value) -> bool {
    let made = called(tool, arguments);
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
        matches!(decide(&policy, &called(&tool, json!({}))), Decision::Allow(_))
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

#[test]
fn a_type_in_a_list_beside_null_or_of_one_value_is_read() {
    let tool = with(
        &json!({
            "alone": {"type": ["string"]},
            "maybe": {"type": ["string", "null"]},
            "null_first": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "null_last": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "fixed": {"const": "v2"},
            "force": {"type": "boolean"},
        }),
        &["alone", "maybe", "null_first", "null_last", "fixed", "force"],
    );
    let arguments = json!({"alone": "a", "maybe": "b", "null_first": "c", "null_last": null, "fixed": "v2", "force": true});
    for (condition, expected) in [
        ("context.arguments.alone == \"a\"", true),
        ("context.arguments.fixed == \"v2\"", true),
        ("context.arguments.force", true),
        ("!context.arguments.force", false),
        ("context.arguments has maybe && context.arguments.maybe == \"b\"", true),
        ("context.arguments has null_first && context.arguments.null_first == \"c\"", true),
        ("context.arguments has null_last && context.arguments.null_last == \"d\"", false),
    ] {
        assert_eq!(allows(&tool, condition, arguments.clone()), expected, "{condition}");
    }
    // What may be null may be absent.
    for name in ["maybe", "null_first", "null_last"] {
        assert!(loads(&tool, &format!("context.arguments.{name} == \"b\"")).is_err(), "{name}");
    }
}

#[test]
fn every_reason_why_an_argument_has_no_type_is_the_one_that_is_told() {
    let fraction = "it may be a fraction, and Cedar counts in whole numbers";
    let elements = "its elements have no type that Cedar has, or may be null";
    let unnamed = "its schema names no type";
    let combined = "its schema combines others, as `anyOf` or `$ref` does";
    for (schema, expected) in [
        (json!({"type": "number"}), fraction),
        (json!({"type": "array"}), elements),
        (json!({"type": "array", "items": {"type": "number"}}), elements),
        (json!({"type": "array", "items": {"type": ["string", "null"]}}), elements),
        (json!({"type": "null"}), "Cedar has no such type"),
        (json!({"type": 7}), "Cedar has no such type"),
        (json!({"type": ["string", "boolean"]}), "it may have one of several types"),
        (json!({"enum": ["a", 1]}), unnamed),
        (json!({"enum": [1, 2]}), unnamed),
        (json!({"enum": []}), unnamed),
        (json!({"const": 1}), unnamed),
        (json!({"anyOf": [{"type": "null"}, {"type": "string"}], "not": {}}), combined),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}], "not": {}}), combined),
        (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), combined),
        (json!(true), "its schema says nothing of it"),
    ] {
        let tool = with(&json!({"it": schema, "fine": {"type": "string"}}), &[]);
        let policy = loads(&tool, "context.arguments has fine").unwrap();
        let told: Vec<_> =
            policy.unmapped().iter().map(|one| (one.argument.as_str(), one.why)).collect();
        assert_eq!(told, [("it", expected)], "{schema}");
        assert!(loads(&tool, "context.arguments has it").is_err(), "{schema}");
    }
}

/// Two tools of one component, with the same arguments of different shapes.
fn pair(one: &Value, other: &Value) -> [InstalledTool; 2] {
    let of = |name: &str, properties: &Value| {
        let names: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        tool(name, "maker", &[], properties, &names)
    };
    [of("one", one), of("two", other)]
}

fn for_both(tools: &[InstalledTool], condition: &str) -> Result<CedarPolicy, Vec<SourceError>> {
    // The actions of capabilities know no arguments where no tool wants any.
    let text =
        format!("permit(principal, action == Action::\"call\", resource) when {{ {condition} }};");
    CedarPolicy::load(&[SourceFile::new("a.cedar", text)], capabilities(), tools, "production")
}

#[test]
fn of_records_and_lists_that_two_tools_take_policies_know_what_both_say() {
    let person = |age: Value| json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": age}}, "required": ["name", "age"]});
    let short =
        json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let list = |items: &Value| json!({"type": "array", "items": items});
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let tools = pair(
        &json!({"who": person(json!("integer")), "all": list(&person(json!("integer"))), "tags": list(&text), "odd": list(&text), "age": person(json!("integer"))}),
        &json!({"who": short, "all": list(&short), "tags": list(&text), "odd": list(&whole), "age": person(json!("string"))}),
    );
    for (condition, expected) in [
        ("context.arguments.who.name == \"ana\"", true),
        ("context.arguments.who has age && context.arguments.who.age == 7", true),
        ("context.arguments.who.age == 7", false),
        ("context.arguments.all.isEmpty()", true),
        ("context.arguments.tags.contains(\"x\")", true),
        ("context.arguments.tags.contains(7)", false),
        ("context.arguments.odd.contains(\"x\")", false),
        ("context.arguments has odd", false),
        ("context.arguments.age.name == \"ana\"", true),
        ("context.arguments.age has age", false),
    ] {
        assert_eq!(for_both(&tools, condition).is_ok(), expected, "{condition}");
    }
}

#[test]
fn an_argument_that_no_policy_can_speak_of_hinders_no_call() {
    let tools = pair(&json!({"x": {"type": "string"}}), &json!({"x": {"type": "integer"}}));
    let policy = for_both(&tools, "context.door == \"test\"").unwrap();
    for (tool, value) in tools.iter().zip([json!("a"), json!(7)]) {
        assert_eq!(outcome(&policy, &called(tool, json!({"x": value}))), "allow a#1");
    }
}

#[test]
fn a_call_whose_arguments_are_not_what_policies_were_told_is_refused() {
    let properties = json!({"amount": {"type": "integer"}, "note": {"type": "string"}});
    let tool = tool("pay", "maker", &[], &properties, &["amount"]);
    let policy = for_both(std::slice::from_ref(&tool), "true").unwrap();
    for (arguments, expected) in [
        (json!({"amount": 5}), "allow a#1"),
        (json!({"amount": 5.0, "note": null}), "allow a#1"),
        (json!({"amount": 5, "note": "rent"}), "allow a#1"),
        (json!({}), "refuse forbidden"),
        (json!({"amount": null}), "refuse forbidden"),
        (json!({"amount": 5.5}), "refuse forbidden"),
        (json!({"amount": "5"}), "refuse forbidden"),
        (json!({"amount": 5, "note": 7}), "refuse forbidden"),
    ] {
        assert_eq!(outcome(&policy, &called(&tool, arguments.clone())), expected, "{arguments}");
    }
}

#[test]
fn a_fact_that_is_asked_for_with_has_is_one_that_the_action_knows() {
    let (any_call, any_use) = ("action == Action::\"call\"", "action in Action::\"use\"");
    let load = |action: &str, condition: &str| {
        let text = format!("permit(principal, {action}, resource) when {{ {condition} }};");
        load(&[SourceFile::new("a.cedar", text)])
    };
    for condition in [
        "context has approval && context.approval has by",
        "context.time has hour",
        "context.time has now",
        "context has remaining",
    ] {
        assert!(load(any_call, condition).is_ok(), "{condition}");
        assert!(load(any_use, condition).is_ok(), "{condition}");
    }
    // A call as such uses nothing.
    for condition in [
        "context has capability",
        "context has credential",
        "context has capability && context.capability has risk",
        "context has capability && context.capability has cost",
        "context has credential && context.credential has owners",
    ] {
        assert!(load(any_use, condition).is_ok(), "{condition}");
        assert!(load(any_call, condition).is_err(), "{condition}");
    }
    for (condition, meant) in [
        ("context.time has huor", "hour"),
        ("context has approval && context.approval has bye", "by"),
        ("context has capability && context.capability has risc", "risk"),
        ("context has credential && context.credential has owner", "owners"),
        ("context has capabilty", "capability"),
    ] {
        let told = format!("{:?}", load(any_use, condition).err().unwrap());
        assert!(told.contains(&format!("did you mean `{meant}`?")), "{condition}: {told}");
    }
}

#[test]
fn what_is_asked_for_with_has_is_known_to_one_of_the_actions_of_the_head() {
    let knows = |action: &str, asked: &str| {
        let text = format!("forbid(principal, {action}, resource) when {{ {asked} }};");
        match load(&[SourceFile::new("a.cedar", text)]) {
            Ok(_) => true,
            Err(errors) => {
                assert!(errors.iter().any(|one| one.message().contains("is never true")));
                false
            }
        }
    };
    let (credential, city) = ("context has credential", "context.arguments has city");
    for (action, of_credential, of_city) in [
        ("action", true, true),
        ("action == Action::\"call\"", false, true),
        ("action == Action::\"github:issues:write\"", true, false),
        ("action == Action::\"weather:forecast:read\"", true, true),
        ("action in Action::\"use\"", true, true),
        ("action in [Action::\"call\"]", false, true),
        ("action in [Action::\"github:issues:write\"]", true, false),
        ("action in [Action::\"github:issues:write\", Action::\"call\"]", true, true),
    ] {
        assert_eq!(knows(action, credential), of_credential, "{action} {credential}");
        assert_eq!(knows(action, city), of_city, "{action} {city}");
    }
}

#[test]
fn a_name_that_is_not_there_is_told_with_its_own_reason_and_no_other() {
    let tool = with(&json!({"price": {"type": "number"}, "fine": {"type": "string"}}), &[]);
    let help = |name: &str| {
        let errors = loads(&tool, &format!("context.arguments has {name}")).err().unwrap();
        errors.iter().find_map(|one| one.help_text()).unwrap().to_owned()
    };
    assert_eq!(help("price"), format!("no policy can speak of it: {}", reason(&tool)));
    assert_eq!(help("fien"), "did you mean `fine`?");
    assert_eq!(help("colour"), "there are `fine`");
}

fn reason(tool: &InstalledTool) -> &'static str {
    let policy = loads(tool, "context.arguments has fine").unwrap();
    policy.unmapped().iter().find(|one| one.argument == "price").unwrap().why
}
