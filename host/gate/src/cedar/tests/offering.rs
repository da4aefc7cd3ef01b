//! What a principal is shown, and what it is told that it could do.
use cedar_policy::Policy as Written;

use super::*;
use crate::cedar::{prospects::Scope, request::Circumstances};

fn who(id: &str, kind: Kind, roles: &[&str], groups: &[&str]) -> Principal {
    let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Principal::authenticated(Identity {
        id: id.to_owned(),
        kind,
        roles: all(roles),
        groups: all(groups),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    })
}

/// Every form of a head, over these names.
fn heads(part: &str, kinds: &[&str], names: &[&str]) -> Vec<String> {
    let of_names = names.iter().flat_map(|name| {
        let within = kinds.iter().map(move |kind| format!("{part} is {kind} in {name}"));
        [format!("{part} == {name}"), format!("{part} in {name}")].into_iter().chain(within)
    });
    let of_kinds = kinds.iter().map(|kind| format!("{part} is {kind}"));
    [part.to_owned()].into_iter().chain(of_kinds).chain(of_names).collect()
}

fn parsed(who: &str, what: &str) -> Written {
    Written::parse(None, format!("permit({who}, action, {what});")).unwrap()
}

#[test]
fn a_head_fits_whom_and_what_cedar_says_that_it_fits() {
    let of_callers = heads(
        "principal",
        &["Agent", "User", "Service"],
        &[
            "Agent::\"ana\"",
            "User::\"ana\"",
            "Role::\"triage\"",
            "Group::\"desk\"",
            "Group::\"triage\"",
        ],
    );
    let of_tools = heads(
        "resource",
        &["Tool", "Component"],
        &[
            "Tool::\"open_issue\"",
            "Tool::\"get_forecast\"",
            "Component::\"github-issues\"",
            "Component::\"weather\"",
        ],
    );
    let policy = load(&shipped()).unwrap();
    let callers = [
        who("ana", Kind::User, &[], &[]),
        who("ana", Kind::Agent, &["triage"], &[]),
        who("eve", Kind::User, &["other"], &["desk"]),
        who("eve", Kind::Service, &["triage"], &["desk", "triage"]),
    ];
    let (mut fitting, mut others) = (0, 0);
    for caller in callers {
        for (name, arguments) in [
            ("open_issue", json!({"owner": "acme", "repo": "site"})),
            ("get_forecast", json!({"city": "Berlin"})),
        ] {
            let call = call(caller.clone(), name, arguments);
            let not_yours = BTreeSet::new();
            let known = Circumstances {
                now: Timestamp::UNIX_EPOCH,
                approved_by: None,
                remaining: None,
                exceptions: None,
                not_yours: &not_yours,
            };
            let (request, entities) = policy.request(&call, known, CALL).unwrap();
            let says = |one: &Written| {
                let set = cedar_policy::PolicySet::from_policies([one.clone()]).unwrap();
                let answer = policy.authorizer.is_authorized(&request, &set, &entities);
                answer.decision() == Answer::Allow
            };
            let scope = Scope::of(&call.principal, &call.tool.name, &call.tool.component);
            for head in &of_callers {
                let one = parsed(head, "resource");
                assert_eq!(scope.fits_principal(&one), says(&one), "{head} {caller:?}");
            }
            for head in &of_tools {
                let one = parsed("principal", head);
                assert_eq!(scope.fits_tool(&one), says(&one), "{head} {name}");
            }
            for (caller_head, tool_head) in
                of_callers.iter().flat_map(|one| of_tools.iter().map(move |two| (one, two)))
            {
                let one = parsed(caller_head, tool_head);
                let fits = scope.fits_principal(&one) && scope.fits_tool(&one);
                assert_eq!(scope.fits(&one), fits, "{one}");
                *(if fits { &mut fitting } else { &mut others }) += 1;
            }
        }
    }
    assert!(fitting > 100 && others > 100, "{fitting} {others}");
}

const CALLS: &str = r#"@id("call") permit(principal, action == Action::"call", resource);"#;
const WRITES: &str =
    r#"@id("write") permit(principal, action == Action::"github:issues:write", resource);"#;
const LOGS: &str = r#"@id("log") permit(principal, action == Action::"host:log:write", resource);"#;

fn about(texts: &[&str], caller: &Principal) -> (bool, Prospects) {
    let policy = load(&[SourceFile::new("a.cedar", texts.join("\n"))]).unwrap();
    let tool = tools().into_iter().find(|tool| tool.name.as_str() == "open_issue").unwrap();
    (policy.offers(caller, &tool, &Exceptions::default()), policy.prospects(caller, &tool))
}

#[test]
fn a_tool_is_offered_unless_the_call_or_something_it_cannot_do_without_is_refused() {
    let whole =
        |action: &str| format!("forbid(principal, action == Action::\"{action}\", resource);");
    let partly = |action: &str| whole(action).replace(';', " when { context.door == \"mcp\" };");
    let (stop, sometimes) = (whole("github:issues:write"), partly("github:issues:write"));
    let (closed, unlogged) = (whole("call"), whole("host:log:write"));
    let others = r#"permit(principal is User in Role::"assistant", action == Action::"github:issues:write", resource);"#;
    let elsewhere = r#"permit(principal, action == Action::"github:issues:write", resource is Tool in Component::"weather");"#;
    for (texts, offered) in [
        (&[CALLS, WRITES, LOGS][..], true),
        (&[CALLS, WRITES], true),
        (&[CALLS, LOGS], false),
        (&[WRITES, LOGS], false),
        (&[], false),
        (&[CALLS, WRITES, &sometimes], true),
        (&[CALLS, WRITES, &partly("call")], true),
        (&[CALLS, WRITES, &stop], false),
        (&[CALLS, WRITES, &closed], false),
        (&[CALLS, WRITES, LOGS, &unlogged], true),
        (&[CALLS, others], false),
        (&[CALLS, elsewhere], false),
    ] {
        assert_eq!(about(texts, &principal(&["assistant"], None)).0, offered, "{texts:?}");
    }
    for (scope, offered) in
        [(&["github:issues:write"][..], true), (&["github:issues:read", "host:log:write"], false)]
    {
        let caller = principal(&[], Some(scope));
        assert_eq!(about(&[CALLS, WRITES, LOGS], &caller).0, offered, "{scope:?}");
    }
}

#[test]
fn a_prospect_names_what_it_depends_on_and_why_it_is_refused() {
    let anybody = principal(&[], None);
    let of_write = |texts: &[&str], caller: &Principal| {
        about(texts, caller).1.capabilities.into_iter().next().unwrap().prospect
    };
    let stop =
        r#"@id("stop") forbid(principal, action == Action::"github:issues:write", resource);"#;
    let late = stop.replace(';', " unless { context.time.hour < 18 };");
    let (policies, why) = (|| vec!["write".to_owned()], |why| Prospect::Refused { why });
    assert_eq!(of_write(&[WRITES], &anybody), Prospect::Granted { policies: policies() });
    let forbids = vec!["stop".to_owned()];
    assert_eq!(
        of_write(&[WRITES, &late], &anybody),
        Prospect::Depends { policies: policies(), forbids }
    );
    assert_eq!(of_write(&[WRITES, stop], &anybody), why("a policy forbids it"));
    assert_eq!(of_write(&[&late], &anybody), why("no policy permits it"));
    let narrow = principal(&[], Some(&["host:log:write"]));
    assert_eq!(of_write(&[WRITES], &narrow), why("the caller's token does not allow it"));
    let policy = load(&[]).unwrap();
    let odd = tool("odd", "maker", &[("made:up:write", true)], &json!({}), &[]);
    let prospects = policy.prospects(&anybody, &odd);
    assert_eq!(prospects.capabilities[0].prospect, why("nobody defined it in capabilities.toml"));
}

/// What people allowed for a time is shown like what a policy permits, and no further than a token goes.
#[test]
fn a_tool_is_offered_to_whom_people_lent_what_it_cannot_do_without() {
    let policy = load(&[SourceFile::new("a.cedar", [CALLS, LOGS].join("\n"))]).unwrap();
    let mut call = open_issue("acme", &[]);
    call.tool.digest = Digest::of(b"open_issue");
    let tool = tools().into_iter().find(|tool| tool.name == call.tool.name).unwrap();
    let lent = granting::lent(&call, "github:issues:write", &policy);
    assert!(!policy.offers(&call.principal, &tool, &Exceptions::default()));
    assert!(policy.offers(&call.principal, &tool, &lent));
    let narrow = principal(&[], Some(&["host:log:write"]));
    assert!(!policy.offers(&narrow, &tool, &lent));
    let closed = load(&[SourceFile::new("a.cedar", LOGS)]).unwrap();
    assert!(
        !closed.offers(&call.principal, &tool, &lent),
        "the call itself is permitted by nobody"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_not_offered_is_refused_and_what_is_granted_is_not(policies in policies()) {
        let policy = load(&[SourceFile::new("drawn.cedar", policies.join("\n"))]).unwrap();
        let call = open_issue("acme", &["assistant"]);
        let tool = tools().into_iter().find(|tool| tool.name == call.tool.name).unwrap();
        let refused = matches!(decide(&policy, &call), Decision::Refuse(_));
        prop_assert!(refused || policy.offers(&call.principal, &tool, &Exceptions::default()));
        let prospects = policy.prospects(&call.principal, &tool);
        let granted = |one: &Prospect| matches!(one, Prospect::Granted { .. });
        let mut required = prospects.capabilities.iter().filter(|want| want.required);
        let all = granted(&prospects.call) && required.all(|want| granted(&want.prospect));
        prop_assert!(!(all && refused));
    }
}
