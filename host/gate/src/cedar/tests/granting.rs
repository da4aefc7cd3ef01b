//! Whose credential it is, what people allowed for a time, and the terms of a yes.
use super::*;
use crate::{Exceptions, Party, approval::tests::lent as approved};

const WRITE: &str = "github:issues:write";
const BOTH: &str = r#"
@id("call") permit(principal, action == Action::"call", resource);
@id("write") permit(principal, action == Action::"github:issues:write", resource);
"#;

fn reading(text: &str) -> CedarPolicy {
    load(&[SourceFile::new("a.cedar", text)]).unwrap()
}

/// What two people allowed the caller for a minute.
pub(super) fn lent(call: &Call, capability: &str, policy: &CedarPolicy) -> Exceptions {
    let (now, version) = (Timestamp::UNIX_EPOCH, policy.version());
    let request = approved(call, capability, version, &["ana", "dan"], (now, 60));
    let tool = (&call.tool.name, call.tool.digest);
    Exceptions::of(&[request], &call.principal, tool, version, now)
}

#[test]
fn only_whom_the_policies_let_use_a_credential_learn_that_it_is_anothers() {
    let policy = load(&shipped()).unwrap();
    let said = |roles: &[&str], scope: Option<&[&str]>, not_yours: &[&str]| {
        let arguments = json!({"owner": "acme", "repo": "site"});
        let call = call(principal(roles, scope), "open_issue", arguments);
        let not_yours = not_yours.iter().map(|name| name.parse().unwrap()).collect();
        match policy.decide(&call, &Facts { not_yours, ..facts() }) {
            Decision::Allow(_) => "allow".to_owned(),
            Decision::Ask(_) => "ask".to_owned(),
            Decision::Refuse(refusal) => refusal.to_string(),
        }
    };
    let (triage, others) = (&["assistant", "triage"][..], &["assistant"][..]);
    assert_eq!(said(triage, None, &[]), "allow");
    assert_eq!(said(triage, None, &["stripe"]), "allow", "the tool does not use that one");
    let told = said(triage, None, &["github"]);
    assert!(told.contains("credential `github`"), "{told}");
    let unsaid = "`open_issue` needs the capability `github:issues:write` (interface `http`), which is not granted to this call";
    assert_eq!(said(others, None, &["github"]), unsaid);
    assert_eq!(said(triage, Some(&["github:issues:read"]), &["github"]), unsaid);
    assert_eq!(said(others, Some(&["github:issues:read"]), &["github"]), unsaid);
}

#[test]
fn what_people_allowed_for_a_time_counts_where_the_policies_say_nothing_and_nowhere_else() {
    // The two type `x` differently: only the capability of the first knows it.
    let first = tool("one", "maker", &[(WRITE, true)], &json!({"x": {"type": "string"}}), &["x"]);
    let second = tool("two", "maker", &[], &json!({"x": {"type": "integer"}}), &["x"]);
    let tools = [first, second];
    let allows = |more: &str, x: Value, scope: Option<&[&str]>, capability: Option<&str>| {
        let text = format!(
            "permit(principal, action == Action::\"call\", resource);\n{}",
            more.replace("ACTION", "action == Action::\"github:issues:write\"")
        );
        let files = [SourceFile::new("a.cedar", text)];
        let policy = CedarPolicy::load(&files, capabilities(), &tools, "development").unwrap();
        let mut call = call(principal(&[], scope), "open_issue", json!({"x": x}));
        call.tool = ToolRef {
            name: tools[0].name.clone(),
            component: tools[0].component.clone(),
            digest: tools[0].digest,
            wants: tools[0].wants.clone(),
        };
        let exceptions = capability.map(|one| lent(&call, one, &policy)).unwrap_or_default();
        match policy.decide(&call, &Facts { exceptions, ..facts() }) {
            Decision::Allow(terms) => {
                assert!(terms.sandbox.grants.capabilities.contains_key(&WRITE.parse().unwrap()));
                true
            }
            Decision::Ask(_) => panic!("nobody is to be asked"),
            Decision::Refuse(_) => false,
        }
    };
    let text = || json!("a");
    assert!(allows("", text(), None, Some(WRITE)));
    assert!(!allows("", text(), None, None));
    assert!(!allows("", text(), None, Some("github:issues:read")), "another one was lent");
    assert!(!allows("", text(), Some(&["host:log:write"]), Some(WRITE)), "the token leaves it out");
    assert!(allows("permit(principal, ACTION, resource);", text(), None, None));
    let fails = "context.time.epoch_seconds - 9223372036854775807 - 2 < 0";
    let stays_refused = [
        "forbid(principal, ACTION, resource);".to_owned(),
        format!("forbid(principal, ACTION, resource) when {{ {fails} }};"),
        format!("permit(principal, ACTION, resource) when {{ {fails} }};"),
        format!(
            "permit(principal, ACTION, resource);\nforbid(principal, ACTION, resource) when {{ {fails} }};"
        ),
    ];
    for more in stays_refused {
        assert!(!allows(&more, text(), None, Some(WRITE)), "{more}");
    }
    assert!(!allows("", json!(1), None, Some(WRITE)), "the policies cannot be asked about it");
}

#[test]
fn the_caller_of_a_high_risk_call_is_kept_waiting_and_no_other() {
    let decided = |risk: &str| {
        let text = format!(
            "permit(principal, action == Action::\"call\", resource);\n@risk(\"{risk}\") permit(principal, action == Action::\"{WRITE}\", resource);"
        );
        let decision = decide(&reading(&text), &open_issue("acme", &[]));
        let patience = match &decision {
            Decision::Ask(question) => Some(question.patience),
            Decision::Allow(_) | Decision::Refuse(_) => None,
        };
        (decision.code(), patience)
    };
    assert_eq!(decided("low"), ("allow", None));
    assert_eq!(decided("medium"), ("ask", Some(Duration::ZERO)));
    assert_eq!(decided("high"), ("ask", Some(Duration::from_secs(3))));
    assert_eq!(decide(&reading(""), &open_issue("acme", &[])).code(), "refuse");
}

#[test]
fn what_has_a_price_is_set_aside_and_explained_and_what_is_free_names_no_provider() {
    let text = r#"
        [capability."maps:tiles:read"]
        description = "A tile."
        interface = "log"
        risk = "low"
        cost = "usd:0.01"
        [capability."notes:lines:write"]
        description = "A line."
        interface = "log"
        risk = "low"
    "#;
    let file = SourceFile::new("capabilities.toml", text);
    let capabilities = Arc::new(Capabilities::parse(&file, &["log"]).unwrap());
    let policies = [SourceFile::new("a.cedar", "permit(principal, action, resource);")];
    let costs = |wants: &[(&str, bool)]| {
        let tool = tool("make", "maker", wants, &json!({}), &[]);
        let tools = std::slice::from_ref(&tool);
        let policy = CedarPolicy::load(&policies, capabilities.clone(), tools, "test").unwrap();
        let mut call = call(principal(&[], None), "open_issue", json!({}));
        call.tool = ToolRef { name: tool.name, wants: tool.wants, ..call.tool };
        let Decision::Allow(terms) = decide(&policy, &call) else { panic!("refused") };
        let supposed = Supposition {
            now: Timestamp::UNIX_EPOCH,
            approved_by: None,
            remaining: None,
            not_yours: BTreeSet::new(),
        };
        let told = policy.explain(&call, &supposed).obligations.into_iter();
        let told = told.map(|one| format!("{} {} {}", one.name, one.value, one.from));
        (terms.cost, told.collect::<Vec<_>>())
    };
    let (both, told) = costs(&[("maps:tiles:read", true), ("notes:lines:write", true)]);
    assert_eq!(both, Tally::of("maps".parse().unwrap(), Cost(10_000).into()));
    assert_eq!(told, ["cost usd:0.01 maps:tiles:read"]);
    let (free, told) = costs(&[("notes:lines:write", true)]);
    assert_eq!((free, told), (Tally::default(), Vec::new()));
}

#[test]
fn every_call_that_is_allowed_has_the_limits_of_the_operator() {
    let memory = |policy: &CedarPolicy| match decide(policy, &open_issue("acme", &[])) {
        Decision::Allow(terms) => terms.sandbox.limits.memory_bytes,
        Decision::Ask(_) | Decision::Refuse(_) => panic!("it is allowed"),
    };
    let limits = SandboxLimits { memory_bytes: 7 << 20, ..SandboxLimits::default() };
    assert_eq!(memory(&reading(BOTH)), SandboxLimits::default().memory_bytes);
    let limited = reading(BOTH).limiting(limits);
    assert_eq!(memory(&limited), 7 << 20);
    assert_eq!(limited.version(), reading(BOTH).version());
}

#[test]
fn policies_see_who_owns_a_credential_and_other_owners_make_another_version() {
    let text = format!(
        "{BOTH}\nforbid(principal, action == Action::\"{WRITE}\", resource) unless {{ context has credential && context.credential.owners.contains(\"role:triage\") }};"
    );
    let owned = |parties: &[&str]| {
        let parties: BTreeSet<Party> = parties.iter().map(|one| one.parse().unwrap()).collect();
        let owners: Owners = [("github".parse().unwrap(), parties)].into();
        reading(&text).owned_by(Arc::new(owners))
    };
    let call = open_issue("acme", &[]);
    let (by_triage, by_ana) = (owned(&["role:triage"]), owned(&["principal:ana"]));
    assert_eq!(outcome(&by_triage, &call), "allow call write");
    assert_eq!(outcome(&by_ana, &call), "refuse not-granted");
    assert_eq!(
        outcome(&owned(&["principal:ana", "role:triage"]), &call),
        outcome(&by_triage, &call)
    );
    let open = reading(&text);
    assert_eq!(by_ana.version(), owned(&["principal:ana"]).version());
    assert_ne!(by_ana.version(), by_triage.version());
    assert_ne!(by_ana.version(), open.version());
    assert_eq!(reading(&text).owned_by(Arc::default()).version(), open.version());
}

#[test]
fn the_policies_tell_how_many_they_are_and_what_there_is_to_use() {
    let policy = load(&shipped()).unwrap();
    assert_eq!((policy.count(), load(&[]).unwrap().count()), (7, 0));
    let named: Vec<CapabilityName> = policy.capabilities().map(|one| one.name.clone()).collect();
    assert!(named.contains(&WRITE.parse().unwrap()));
    assert_eq!(named, capabilities().0.keys().cloned().collect::<Vec<_>>());
}

#[test]
fn in_a_log_the_policies_are_a_version_and_no_text() {
    let policy = load(&shipped()).unwrap();
    let said = format!("{policy:?}");
    assert!(said.starts_with("CedarPolicy") && said.contains(&format!("{:?}", policy.version())));
    assert!(!said.contains("triage") && !said.contains("acme"), "{said}");
}
