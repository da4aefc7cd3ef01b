//! The model beside the gate itself: of a call that is really made, both say the same. Cedar looks at the one
//! call, so that no solver is needed.
use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use cedar_policy::{
    Authorizer, Decision as Answer, Entities, Entity, EntityUid, PolicySet, Request,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Call, Cost, CredentialName, Decision, GrantBook, Identity, Owners, Ownership, Party, Principal,
    Unavailable,
    cedar::{request::Circumstances, tests::call_of},
};

pub(super) fn robo() -> Identity {
    let all = |name: &str| [name.to_owned()].into();
    Identity {
        id: "robo".to_owned(),
        kind: Kind::Agent,
        roles: all("assistant"),
        groups: all("desk"),
        acts_for: vec!["ana".to_owned(), "bea".to_owned()],
        scope: None,
        ends_at: None,
    }
}

pub(super) fn call(identity: Identity, tool: &InstalledTool, arguments: Value) -> Call {
    call_of(Principal::authenticated(identity), tool, arguments)
}

/// With one capability, which it needs and whose credential is `github`.
pub(super) fn listing() -> InstalledTool {
    tools().into_iter().find(|one| one.name.as_str() == "list_issues").unwrap()
}

fn list(identity: Identity) -> Call {
    call(identity, &listing(), json!({"owner": "acme", "repo": "site"}))
}

/// What is known at three in the morning of a Thursday.
pub(super) fn known(not_yours: &BTreeSet<CredentialName>) -> Circumstances<'_> {
    let now = Timestamp::from_second(3 * 3_600).unwrap();
    Circumstances { now, approved_by: None, remaining: None, exceptions: None, not_yours }
}

/// A call as Cedar sees it, with all that its capabilities are in.
pub(super) fn seen(
    policy: &CedarPolicy,
    call: &Call,
    known: Circumstances<'_>,
) -> (Request, Entities) {
    let (request, entities) = policy.request(call, known, CALL).unwrap();
    let mut all: HashMap<EntityUid, Entity> = HashMap::new();
    let mut take = |entities: Entities| {
        all.extend(entities.iter().map(|one| (one.uid(), one.clone())));
    };
    take(entities);
    for want in call.tool.wants.iter() {
        take(policy.request(call, known, want.capability.as_str()).unwrap().1);
    }
    (request, Entities::from_entities(all.into_values(), None).unwrap())
}

/// Whether all of these are so of the call.
pub(super) fn so(
    model: &Model<'_>,
    (request, entities): &(Request, Entities),
    all: Vec<Value>,
) -> bool {
    let policy = expression::permit_when(&model.with_memberships(all)).unwrap();
    let set = PolicySet::from_policies([policy]).unwrap();
    Authorizer::new().is_authorized(request, &set, entities).decision() == Answer::Allow
}

struct Book(Vec<CredentialGrant>);

#[async_trait]
impl GrantBook for Book {
    async fn grants(
        &self,
        _: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        Ok(self.0.clone())
    }
    async fn grant(&self, _: CredentialGrant) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn revoke(
        &self,
        _: &CredentialName,
        _: &Party,
        _: Option<&ToolName>,
        _: &str,
        _: &str,
    ) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

#[tokio::test]
async fn who_may_use_a_credential_is_who_the_gate_lets_use_it() {
    let tool = listing();
    let open = || issues("permit(principal, action, resource);");
    let callers = [
        robo(),
        Identity { id: "ana".to_owned(), kind: Kind::User, roles: [].into(), ..robo() },
        Identity { kind: Kind::Service, groups: [].into(), ..robo() },
    ];
    let mut grants: Vec<Vec<CredentialGrant>> = [
        ("principal:robo", None),
        ("principal:zoe", None),
        ("role:assistant", None),
        ("role:assistant", Some("list_issues")),
        ("role:assistant", Some("open_issue")),
        ("group:desk", None),
        ("group:assistant", None),
        ("tool:list_issues", None),
        ("tool:open_issue", None),
    ]
    .map(|(to, tool)| vec![lent(to, tool)])
    .into();
    let elsewhere = |grant| CredentialGrant { credential: "stripe".parse().unwrap(), ..grant };
    grants.push(vec![elsewhere(lent("role:assistant", None))]);
    grants.push(vec![elsewhere(lent("role:assistant", Some("list_issues")))]);
    grants.push(vec![lent("principal:zoe", None), lent("group:desk", None)]);
    grants.push(vec![]);
    let owners: [Option<&[&str]>; 6] = [
        None,
        Some(&[]),
        Some(&["principal:ana", "role:nobody"]),
        Some(&["role:assistant"]),
        Some(&["tool:list_issues"]),
        Some(&["tool:open_issue"]),
    ];
    let none = BTreeSet::new();
    let (mut yes, mut no) = (0_u32, 0_u32);
    for owners in owners {
        let party = |one: &&str| one.parse().unwrap();
        let of =
            |parties: &[&str]| ("github".parse().unwrap(), parties.iter().map(party).collect());
        let owners: Arc<Owners> = Arc::new(owners.map(of).into_iter().collect());
        let policy = open().owned_by(owners.clone());
        for grants in &grants {
            let ownership = Ownership::new(owners.clone(), Arc::new(Book(grants.clone())));
            let model = Model::of(&policy, &tool, None, Some(grants));
            for caller in &callers {
                let call = list(caller.clone());
                let known = known(&none);
                let not_yours =
                    ownership.not_yours(&call.principal, &tool.name, known.now).await.unwrap();
                let may = so(&model, &seen(&policy, &call, known), vec![model.allowed()]);
                assert_eq!(may, not_yours.is_empty(), "{owners:?} {grants:?} {caller:?}");
                *if may { &mut yes } else { &mut no } += 1;
                let any_grant = Model::of(&policy, &tool, None, None);
                assert!(so(&any_grant, &seen(&policy, &call, known), vec![any_grant.allowed()]));
            }
        }
    }
    assert!(yes > 50 && no > 50, "{yes} may and {no} may not");
}

/// Policies that look at everything there is, drawn at random.
fn drawn() -> impl Strategy<Value = Vec<String>> {
    let annotation = prop_oneof![
        4 => Just(""),
        1 => Just("@approval(\"one-of:oncall\") "),
        1 => Just("@risk(\"high\") "),
    ];
    let principal = prop_oneof![
        3 => Just("principal"),
        1 => Just("principal in Role::\"assistant\""),
        1 => Just("principal == Agent::\"robo\""),
        1 => Just("principal == Agent::\"zoe\""),
        1 => Just("principal is User"),
        1 => Just("principal is Agent in Group::\"desk\""),
    ];
    let action = prop_oneof![
        3 => Just("action"),
        1 => Just("action == Action::\"call\""),
        1 => Just("action in Action::\"use\""),
        1 => Just("action == Action::\"github:issues:read\""),
        1 => Just("action in [Action::\"call\", Action::\"github:issues:write\"]"),
    ];
    let resource = prop_oneof![
        3 => Just("resource"),
        1 => Just("resource in Component::\"github-issues\""),
        1 => Just("resource in Component::\"weather\""),
        1 => Just("resource == Tool::\"list_issues\""),
        1 => Just("resource == Tool::\"open_issue\""),
    ];
    let looked_at = prop::sample::select(&[
        "context.door == \"test\"",
        "context.environment == \"production\"",
        "context.time.hour < 6",
        "context.acts_for.contains(\"ana\")",
        "context has remaining && context.remaining > 5",
        "context has approval && context.approval.by.contains(\"rita\")",
        "context has approval",
        "context.arguments has owner && context.arguments.owner == \"acme\"",
    ]);
    // Only who uses something knows of it.
    let used = prop::sample::select(&[
        "context has capability",
        "context has capability && context.capability in Provider::\"github\"",
        "context has capability && context.capability in Provider::\"stripe\"",
        "context has capability && context.capability.risk == \"low\" && context.capability.cost == 0",
        "context has credential && context.credential == Credential::\"github\"",
        "context has credential && context.credential.owners.contains(\"principal:ana\")",
        "context has credential && context.credential.owners.contains(\"principal:zoe\")",
    ]);
    let condition = prop_oneof![looked_at, used];
    let word = prop_oneof![Just("when"), Just("unless")];
    let tail = prop::option::of((word, condition));
    let permits = prop_oneof![3 => Just(true), 1 => Just(false)];
    let one = (permits, annotation, principal, action, resource, tail).prop_map(
        |(permits, annotation, principal, action, resource, tail)| {
            let effect = if permits { format!("{annotation}permit") } else { "forbid".to_owned() };
            let knows = |condition: &str| {
                action != "action == Action::\"call\""
                    || !condition.contains("capability") && !condition.contains("credential")
            };
            let tail = tail.filter(|(_, condition)| knows(condition));
            let tail = tail
                .map_or_else(String::new, |(word, condition)| format!(" {word} {{ {condition} }}"));
            format!("{effect}({principal}, {action}, {resource}){tail};")
        },
    );
    prop::collection::vec(one, 1..7)
}

fn callers() -> impl Strategy<Value = Identity> {
    let kinds = prop_oneof![2 => Just(Kind::Agent), 1 => Just(Kind::User)];
    (kinds, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(kind, zoe, role, group)| {
        let mut identity = Identity { kind, ..robo() };
        if zoe {
            identity.id = "zoe".to_owned();
            identity.acts_for.clear();
        }
        if !role {
            identity.roles.clear();
        }
        if !group {
            identity.groups.clear();
        }
        identity
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_the_model_allows_and_asks_about_is_what_the_gate_does(
        policies in drawn(),
        caller in callers(),
        approved in prop::option::of(prop_oneof![Just("rita"), Just("carl")]),
        remaining in prop::option::of(prop_oneof![Just(5_u64), Just(6)]),
    ) {
        let owners: Owners =
            [("github".parse().unwrap(), ["principal:ana".parse().unwrap()].into())].into();
        let policy = issues(&policies.join("\n")).owned_by(Arc::new(owners));
        let (tool, none) = (listing(), BTreeSet::new());
        let by: Option<BTreeSet<String>> = approved.map(|one| [one.to_owned()].into());
        let known =
            Circumstances { approved_by: by.as_ref(), remaining: remaining.map(Cost), ..known(&none) };
        let call = list(caller);
        let model = Model::of(&policy, &tool, None, None);
        let seen = seen(&policy, &call, known);
        prop_assert!(so(&model, &seen, model.truths()));
        let allowed = so(&model, &seen, vec![model.allowed()]);
        let asks = so(&model, &seen, vec![model.asks()]);
        prop_assert_eq!(so(&model, &seen, vec![model.unapproved()]), by.is_none());
        match policy.decide_knowing(&call, known) {
            Decision::Allow(_) => prop_assert!(allowed && (!asks || by.is_some())),
            Decision::Ask(_) => prop_assert!(allowed && asks && by.is_none()),
            Decision::Refuse(refusal) => prop_assert!(!allowed, "{}", refusal),
        }
    }
}

#[test]
fn the_entities_that_an_expression_names_are_found_each_once() {
    let of = |kind: &str, id: &str| {
        expression::within(expression::variable("resource"), expression::entity(kind, id))
    };
    let named = |kind: &str| {
        let all = all([
            of("Component", "till"),
            not(of("Component", "desk")),
            of("Role", "payer"),
            of("Component", "till"),
            expression::equal(expression::context(&["door"]), expression::text("Component")),
        ]);
        let mut found = Vec::new();
        expression::named(&all, kind, &mut found);
        found
    };
    assert_eq!(named("Component"), ["till", "desk"]);
    assert_eq!(named("Role"), ["payer"]);
    assert!(named("Provider").is_empty());
}
