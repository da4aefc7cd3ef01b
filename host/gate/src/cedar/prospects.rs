//! What a principal could do with a tool, said without arguments: for the reviewer.
use std::{collections::BTreeSet, time::Duration};

use cedar_policy::{
    Effect, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};
use serde::Serialize;

use super::{
    CALL, CedarPolicy, DEFAULT_TIME, InstalledTool,
    obligations::{Agreement, Obligations},
    request::{heads, parents, principal_uid, tool_uid, uid},
    slices::Heads,
};
use crate::{
    Approvers, BudgetLimit, CapabilityName, ComponentName, Principal, RateLimit, Risk, ToolName,
};

/// What the policies say about one action before the arguments are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "prospect", rename_all = "kebab-case")]
pub enum Prospect {
    /// Whatever the arguments are.
    Granted {
        policies: Vec<String>,
    },
    /// It depends on arguments, time or an approval; these policies say on what.
    Depends {
        policies: Vec<String>,
        forbids: Vec<String>,
    },
    Refused {
        why: &'static str,
    },
}

/// What a principal could do with a tool.
#[derive(Clone, Debug, Serialize)]
pub struct Prospects {
    pub tool: ToolName,
    pub call: Prospect,
    pub capabilities: Vec<WantProspect>,
    /// The highest risk that a call could have.
    pub risk: Risk,
    /// Who may be asked: of every policy that could allow, its own. Where several allow one call, their
    /// roles intersect and the larger count applies.
    pub approvals: Vec<Approvers>,
    /// The shortest time that a call could be given.
    pub time: Duration,
    /// Every rate and budget that could apply.
    pub rates: Vec<RateLimit>,
    pub budgets: Vec<BudgetLimit>,
}

/// What becomes of one wanted capability.
#[derive(Clone, Debug, Serialize)]
pub struct WantProspect {
    pub capability: CapabilityName,
    pub required: bool,
    /// The interface that it opens, where it is defined.
    pub interface: Option<String>,
    #[serde(flatten)]
    pub prospect: Prospect,
}

pub(super) fn prospects(
    policy: &CedarPolicy,
    principal: &Principal,
    tool: &InstalledTool,
) -> Prospects {
    let scope = Scope::of(principal, &tool.name, &tool.component);
    let (call, mut met) = scope.prospect(policy, CALL);
    let mut risk = Risk::Low;
    let mut capabilities = Vec::new();
    for want in tool.wants.iter() {
        let definition = policy.capabilities.find(&want.capability);
        let prospect = match definition {
            None => Prospect::Refused { why: "nobody defined it in capabilities.toml" },
            Some(_) if !principal.in_scope(&want.capability) => {
                Prospect::Refused { why: "the caller's token does not allow it" }
            }
            Some(definition) => {
                let (prospect, of_policies) = scope.prospect(policy, want.capability.as_str());
                if !matches!(prospect, Prospect::Refused { .. }) {
                    risk = risk.max(definition.risk);
                    met.extend(of_policies);
                }
                prospect
            }
        };
        capabilities.push(WantProspect {
            capability: want.capability.clone(),
            required: want.required,
            interface: definition.map(|definition| definition.interface.0.clone()),
            prospect,
        });
    }
    summary(tool, call, capabilities, risk, &met)
}

fn summary(
    tool: &InstalledTool,
    call: Prospect,
    capabilities: Vec<WantProspect>,
    defined_risk: Risk,
    met: &[&Obligations],
) -> Prospects {
    let strictest = Obligations::strictest(met);
    let risk = defined_risk.max(strictest.risk.unwrap_or_default());
    let mut approvals: Vec<Approvers> = Vec::new();
    for one in met.iter().filter_map(|one| one.approvers.clone()).map(Approvers::from) {
        if !approvals.contains(&one) {
            approvals.push(one);
        }
    }
    if approvals.is_empty() && risk >= Risk::Medium {
        approvals.push(Agreement::default().into());
    }
    let time = strictest.time.unwrap_or(DEFAULT_TIME);
    let Obligations { rates, budgets, .. } = strictest;
    let tool = tool.name.clone();
    Prospects { tool, call, capabilities, risk, approvals, time, rates, budgets }
}

/// What the heads of policies are compared with.
pub(super) struct Scope {
    principal: EntityUid,
    parents: BTreeSet<EntityUid>,
    tool: EntityUid,
    component: EntityUid,
    heads: Heads,
}

impl Scope {
    pub(super) fn of(principal: &Principal, tool: &ToolName, component: &ComponentName) -> Self {
        Self {
            principal: principal_uid(principal),
            parents: parents(principal).collect(),
            tool: tool_uid(tool),
            component: uid("Component", component.as_str()),
            heads: heads(principal, tool, component),
        }
    }

    /// The prospect, and the obligations of every policy that could allow.
    fn prospect<'a>(
        &self,
        policy: &'a CedarPolicy,
        action: &str,
    ) -> (Prospect, Vec<&'a Obligations>) {
        let slice = policy.slices.fitting(action, &self.heads);
        let (mut permits, mut forbids, mut always, mut met) =
            (Vec::new(), Vec::new(), false, Vec::new());
        for one in slice.filter(|one| self.fits(one)) {
            let Some(rule) = policy.rules.get(one.id()) else { continue };
            match one.effect() {
                Effect::Permit => {
                    permits.push(rule.id.clone());
                    always |= !has_conditions(one);
                    met.push(&rule.obligations);
                }
                Effect::Forbid if !has_conditions(one) => {
                    return (Prospect::Refused { why: "a policy forbids it" }, Vec::new());
                }
                Effect::Forbid => forbids.push(rule.id.clone()),
            }
        }
        let prospect = match (permits.is_empty(), always && forbids.is_empty()) {
            (true, _) => Prospect::Refused { why: "no policy permits it" },
            (false, true) => Prospect::Granted { policies: permits },
            (false, false) => Prospect::Depends { policies: permits, forbids },
        };
        (prospect, met)
    }

    pub(super) fn fits(&self, policy: &Policy) -> bool {
        self.fits_principal(policy) && self.fits_tool(policy)
    }

    pub(super) fn fits_principal(&self, policy: &Policy) -> bool {
        match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(one) => one == self.principal,
            PrincipalConstraint::In(group) => self.principal_in(&group),
            PrincipalConstraint::Is(kind) => self.is(&kind),
            PrincipalConstraint::IsIn(kind, group) => self.is(&kind) && self.principal_in(&group),
        }
    }

    pub(super) fn fits_tool(&self, policy: &Policy) -> bool {
        let tool = |group: &EntityUid| *group == self.tool || *group == self.component;
        match policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(one) => one == self.tool,
            ResourceConstraint::In(group) => tool(&group),
            ResourceConstraint::Is(kind) => kind == *self.tool.type_name(),
            ResourceConstraint::IsIn(kind, group) => kind == *self.tool.type_name() && tool(&group),
        }
    }

    fn principal_in(&self, group: &EntityUid) -> bool {
        *group == self.principal || self.parents.contains(group)
    }

    fn is(&self, kind: &EntityTypeName) -> bool {
        kind == self.principal.type_name()
    }
}

/// Whether a policy has a `when` or an `unless`. One that cannot be read counts as having one.
pub(super) fn has_conditions(policy: &Policy) -> bool {
    let conditions =
        policy.to_json().ok().and_then(|json| Some(json.get("conditions")?.as_array()?.len()));
    conditions != Some(0)
}
