//! Why is a call allowed, asked about or refused, and what would have to change?
use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy as Written};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Allowed, CALL, CedarPolicy, Heard, Rule,
    obligations::Obligations,
    prospects::{Scope, has_conditions},
    request::{Circumstances, risk},
};
use crate::{Call, CapabilityName, Cost, CredentialName, Decision, Digest, Refusal, Risk, Terms};

/// Circumstances that are only supposed. No approval is made of them.
#[derive(Clone, Debug)]
pub struct Supposition {
    pub now: Timestamp,
    /// Who would have said yes; `None` where nobody was asked.
    pub approved_by: Option<BTreeSet<String>>,
    pub remaining: Option<Cost>,
    /// The credentials that would be neither the caller's nor granted to it.
    pub not_yours: BTreeSet<CredentialName>,
}

impl Supposition {
    fn known(&self) -> Circumstances<'_> {
        let Self { now, approved_by, remaining, not_yours } = self;
        let (now, approved_by, remaining) = (*now, approved_by.as_ref(), *remaining);
        Circumstances { now, approved_by, remaining, exceptions: None, not_yours }
    }
}

/// What becomes of a call, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub policy_version: Digest,
    #[serde(flatten)]
    pub outcome: Outcome,
    pub actions: Vec<Action>,
    /// What the policies that allowed ask for.
    pub obligations: Vec<Obligation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    Allow {
        /// The policies that allowed, by id.
        policies: Vec<String>,
        capabilities: Vec<CapabilityName>,
        risk: Risk,
        millis: u128,
        cost: Cost,
    },
    Ask {
        risk: Risk,
        count: u8,
        /// Empty: any role.
        roles: BTreeSet<String>,
        capabilities: Vec<CapabilityName>,
    },
    Refuse {
        code: String,
        detail: String,
    },
}

impl Outcome {
    /// `allow`, `ask` or `refuse`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Ask { .. } => "ask",
            Self::Refuse { .. } => "refuse",
        }
    }
}

/// What the policies say about `call`, or about one wanted capability.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    pub action: String,
    /// Whether the call is refused without it.
    pub required: bool,
    pub allowed: bool,
    /// The policies that decided, by id: those that permit it, or those that forbid it.
    pub policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What would have to change for it to be allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// One thing that is asked for, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obligation {
    /// As in `risk`.
    pub name: String,
    pub value: String,
    /// The policy's id; the capability's name where its definition says it.
    pub from: String,
    /// Whether nothing stricter is asked for elsewhere.
    pub applies: bool,
}

impl CedarPolicy {
    /// What would become of this call, and why.
    pub fn explain(&self, call: &Call, supposed: &Supposition) -> Explanation {
        let known = supposed.known();
        let decision = self.decide_knowing(call, known);
        let mut actions = vec![self.action(call, known, CALL, true)];
        let wants = call.tool.wants.iter();
        actions.extend(
            wants.map(|want| self.action(call, known, want.capability.as_str(), want.required)),
        );
        Explanation {
            policy_version: self.version,
            outcome: outcome(decision),
            obligations: self.obligations(call, known),
            actions,
        }
    }

    fn action(
        &self,
        call: &Call,
        known: Circumstances<'_>,
        action: &str,
        required: bool,
    ) -> Action {
        let capability: Option<CapabilityName> = action.parse().ok();
        let defined = capability.as_ref().is_none_or(|name| self.capabilities.find(name).is_some());
        let in_scope = capability.as_ref().is_none_or(|name| call.principal.in_scope(name));
        let heard = if defined { self.ask(call, known, action) } else { Heard::default() };
        let closed = capability.as_ref().and_then(|name| self.closed(known, name));
        let mut changes = match (defined, in_scope, heard.allowed) {
            (true, true, true) => Vec::new(),
            (false, _, _) => {
                vec![format!("define `[capability.\"{action}\"]` in `capabilities.toml`")]
            }
            (true, false, _) => {
                vec![format!("the caller's token has to name `{action}` in its scope")]
            }
            (true, true, false) => self.changes(call, action, &heard),
        };
        let policies = heard.determining.iter().map(|rule| rule.id.clone()).collect();
        let allowed = heard.allowed && in_scope && closed.is_none();
        changes.extend(closed);
        Action {
            action: action.to_owned(),
            required,
            allowed,
            policies,
            errors: heard.errors,
            changes,
        }
    }

    /// What would have to change for the caller to use the capability's credential; `None` where it may.
    fn closed(&self, known: Circumstances<'_>, capability: &CapabilityName) -> Option<String> {
        let definition = self.capabilities.find(capability)?;
        let credential = definition.credential().filter(|_| !known.may_use(definition))?;
        Some(format!(
            "the credential `{credential}` is neither the caller's nor granted to it; an owner can, with `toolward secret grant {credential} --to principal:NAME --for TIME`"
        ))
    }

    /// What would have to change for the policies to allow the action.
    fn changes(&self, call: &Call, action: &str, heard: &Heard<'_>) -> Vec<String> {
        if !heard.errors.is_empty() {
            return vec!["the policy that fails has to be mended: what fails refuses".to_owned()];
        }
        if !heard.determining.is_empty() {
            let forbids =
                |rule: &&Rule| format!("`{}` forbids it{}", rule.id, self.conditions(rule));
            return heard.determining.iter().map(forbids).collect();
        }
        let scope = Scope::of(&call.principal, &call.tool.name, &call.tool.component);
        let permits = self.slices.about(action).filter(|one| one.effect() == Effect::Permit);
        let mut near: Vec<(bool, String)> =
            permits.filter_map(|one| self.change(&scope, one)).collect();
        // Those that fit this principal and tool come first.
        near.sort_by_key(|(fits, _)| !fits);
        let mut changes: Vec<String> = near.into_iter().map(|(_, text)| text).take(NEAR).collect();
        if changes.is_empty() {
            changes.push(format!("no policy permits `{action}`; write one"));
        }
        changes
    }

    /// What one policy that could permit it asks for, and whether its head fits already.
    fn change(&self, scope: &Scope, policy: &Written) -> Option<(bool, String)> {
        let rule = self.rules.get(policy.id())?;
        let mut needs = Vec::new();
        if !scope.fits_principal(policy) {
            needs.push(format!("for `{}`", policy.principal_constraint_text()));
        }
        if !scope.fits_tool(policy) {
            needs.push(format!("for `{}`", policy.resource_constraint_text()));
        }
        let fits = needs.is_empty();
        let conditions = self.conditions(rule);
        let heads = if fits { String::new() } else { format!(" {}", needs.join(" and ")) };
        Some((fits, format!("`{}` permits it{heads}{conditions}", rule.id)))
    }

    /// A policy's conditions, as they are written.
    fn conditions(&self, rule: &Rule) -> String {
        let policy = self.slices.find(&cedar_policy::PolicyId::new(&rule.id));
        let Some(policy) = policy.filter(|policy| has_conditions(policy)) else {
            return String::new();
        };
        let text = policy.to_string();
        let begin = ["when {", "unless {"].iter().filter_map(|word| text.find(word)).min();
        let conditions = begin.and_then(|at| text.get(at..)).unwrap_or_default();
        let words: Vec<&str> = conditions.trim_end_matches(';').split_whitespace().collect();
        format!(" {}", words.join(" "))
    }

    fn obligations(&self, call: &Call, known: Circumstances<'_>) -> Vec<Obligation> {
        let Some(allowed) = self.heard_yes(call, known) else { return Vec::new() };
        let strictest = allowed.strictest();
        let mut found = Vec::new();
        for rule in &allowed.rules {
            for (name, value) in &rule.written {
                let applies = rule.obligations.prevails(name, &strictest);
                let (name, value, from) = (name.clone(), value.clone(), rule.id.clone());
                let one = Obligation { name, value, from, applies };
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found.extend(of_definitions(&allowed, &strictest));
        found
    }

    /// Everything that allows, though the whole may be refused.
    fn heard_yes(&self, call: &Call, known: Circumstances<'_>) -> Option<Allowed<'_>> {
        let mut allowed = Allowed::default();
        allowed.takes(self.ask(call, known, CALL)).then_some(())?;
        for want in call.tool.wants.iter() {
            let granted = self.granted(call, known, &want.capability, &mut allowed);
            allowed.capabilities.extend(granted);
        }
        Some(allowed)
    }
}

/// Risk and cost that `capabilities.toml` says.
fn of_definitions(allowed: &Allowed<'_>, strictest: &Obligations) -> Vec<Obligation> {
    let highest = allowed.capabilities.iter().map(|one| one.risk).max();
    let highest = strictest.risk.max(highest);
    let mut found = Vec::new();
    for one in &allowed.capabilities {
        let from = one.name.to_string();
        if one.risk > Risk::Low {
            let (value, applies) = (risk(one.risk).to_owned(), Some(one.risk) == highest);
            found.push(Obligation { name: "risk".to_owned(), value, from: from.clone(), applies });
        }
        if one.cost > Cost::default() {
            let value = one.cost.to_string();
            found.push(Obligation { name: "cost".to_owned(), value, from, applies: true });
        }
    }
    found
}

fn outcome(decision: Decision) -> Outcome {
    match decision {
        Decision::Allow(Terms { time, cost, sandbox, basis, .. }) => Outcome::Allow {
            policies: basis.policies,
            capabilities: sandbox.grants.capabilities.into_keys().collect(),
            risk: basis.risk,
            millis: time.as_millis(),
            cost: cost.total().cost,
        },
        Decision::Ask(question) => Outcome::Ask {
            risk: question.risk,
            count: question.approvers.count.max(1),
            roles: question.approvers.roles,
            capabilities: question.capabilities,
        },
        Decision::Refuse(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    Outcome::Refuse { code: refusal.code().to_owned(), detail: refusal.to_string() }
}

/// How a head says for whom and for which tool a policy is.
trait Heads {
    fn principal_constraint_text(&self) -> String;
    fn resource_constraint_text(&self) -> String;
}

impl Heads for Written {
    fn principal_constraint_text(&self) -> String {
        use cedar_policy::PrincipalConstraint as Constraint;
        match self.principal_constraint() {
            Constraint::Any => "principal".to_owned(),
            Constraint::In(one) => format!("principal in {one}"),
            Constraint::Eq(one) => format!("principal == {one}"),
            Constraint::Is(kind) => format!("principal is {kind}"),
            Constraint::IsIn(kind, one) => format!("principal is {kind} in {one}"),
        }
    }

    fn resource_constraint_text(&self) -> String {
        use cedar_policy::ResourceConstraint as Constraint;
        match self.resource_constraint() {
            Constraint::Any => "resource".to_owned(),
            Constraint::In(one) => format!("resource in {one}"),
            Constraint::Eq(one) => format!("resource == {one}"),
            Constraint::Is(kind) => format!("resource is {kind}"),
            Constraint::IsIn(kind, one) => format!("resource is {kind} in {one}"),
        }
    }
}

/// How many policies are named that could permit an action.
const NEAR: usize = 5;
