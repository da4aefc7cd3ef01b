//! The policy, in Cedar: who may call which tool and use which capability, and on which terms.
//!
//! A call asks for `Action::"call"` and, in the same decision, for one action per capability that its tool
//! wants. The terms come from the annotations of the policies that allowed; the strictest of each applies.
//! A policy that fails while it is evaluated refuses the action: Cedar alone would leave it out, and a
//! `forbid` that is left out allows.
mod load;
mod obligations;
mod prospects;
mod request;
mod schema;

pub use prospects::{Prospect, Prospects, WantProspect};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Add,
    sync::Arc,
    time::Duration,
};

use cedar_policy::{Authorizer, Decision as Answer, PolicyId, PolicySet};
use serde_json::Value;

use crate::{
    Basis, Call, Capabilities, CapabilityDefinition, CapabilityName, ComponentName, Decision,
    Digest, EgressTerms, Facts, Interface, Policy, Principal, Question, Refusal, Risk,
    SandboxTerms, SourceError, SourceFile, Terms, ToolName, Want,
};
use obligations::Obligations;
use schema::ActionTypes;

/// What the policies may know of a tool: from its manifest, before it runs.
#[derive(Clone, Debug)]
pub struct InstalledTool {
    pub name: ToolName,
    pub component: ComponentName,
    pub digest: Digest,
    pub wants: Arc<[Want]>,
    /// A JSON Schema; the arguments that policies may speak of are typed after it.
    pub input_schema: Value,
}

/// Every policy of this host, checked against the tools and capabilities it has.
pub struct CedarPolicy {
    capabilities: Arc<Capabilities>,
    /// What each capability opens.
    defined: Arc<BTreeMap<CapabilityName, Interface>>,
    types: ActionTypes,
    /// The policies whose scope can match, by action.
    slices: BTreeMap<String, PolicySet>,
    rules: HashMap<PolicyId, Rule>,
    environment: String,
    version: Digest,
    schema: String,
    authorizer: Authorizer,
    /// The limits of every call that is allowed.
    limits: SandboxTerms,
}

/// What is known of one policy besides its Cedar form.
struct Rule {
    id: String,
    obligations: Obligations,
}

impl std::fmt::Debug for CedarPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CedarPolicy").field("version", &self.version).finish_non_exhaustive()
    }
}

impl CedarPolicy {
    /// Reads the policies and checks them against the schema that the tools and capabilities make.
    ///
    /// Fails with every mistake found: text that does not parse, actions, arguments and types that are not in
    /// the schema, ids that stand twice, annotations that are unknown or cannot be read.
    pub fn load(
        files: &[SourceFile],
        capabilities: Arc<Capabilities>,
        tools: &[InstalledTool],
        environment: impl Into<String>,
    ) -> Result<Self, Vec<SourceError>> {
        load::load(files, capabilities, tools, environment.into())
    }

    /// The same policies, with these limits for every call that they allow.
    #[must_use]
    pub fn limiting(self, limits: SandboxTerms) -> Self {
        Self { limits, ..self }
    }

    /// Names these policies, capabilities and argument types: an approval given under one version does not
    /// count under another.
    pub fn version(&self) -> Digest {
        self.version
    }

    /// The Cedar schema that the policies were checked against.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// What a principal could do with a tool, as far as that can be said without arguments.
    pub fn prospects(&self, principal: &Principal, tool: &InstalledTool) -> Prospects {
        prospects::prospects(self, principal, tool)
    }
}

impl Policy for CedarPolicy {
    fn decide(&self, call: &Call, facts: &Facts) -> Decision {
        match self.allowed(call, facts) {
            Ok(allowed) => allowed.decide(self, facts),
            Err(refusal) => Decision::Refuse(refusal),
        }
    }
}

/// The policies that allowed something, and the capabilities they allowed.
#[derive(Default)]
struct Allowed<'a> {
    policies: BTreeSet<&'a str>,
    obligations: Vec<&'a Obligations>,
    capabilities: Vec<&'a CapabilityDefinition>,
}

impl CedarPolicy {
    /// Asks for the call and for every capability that the tool wants.
    fn allowed(&self, call: &Call, facts: &Facts) -> Result<Allowed<'_>, Refusal> {
        let mut allowed = Allowed::default();
        if !self.ask(call, facts, CALL, &mut allowed) {
            return Err(Refusal::Forbidden);
        }
        for want in call.tool.wants.iter() {
            match self.granted(call, facts, &want.capability, &mut allowed) {
                Some(definition) => allowed.capabilities.push(definition),
                None if want.required => return Err(self.not_granted(call, &want.capability)),
                None => {}
            }
        }
        Ok(allowed)
    }

    /// A capability that is defined, within the caller's token and allowed by the policies.
    fn granted<'a>(
        &'a self,
        call: &Call,
        facts: &Facts,
        capability: &CapabilityName,
        allowed: &mut Allowed<'a>,
    ) -> Option<&'a CapabilityDefinition> {
        let definition = self.capabilities.find(capability)?;
        let granted = call.principal.in_scope(capability)
            && self.ask(call, facts, capability.as_str(), allowed);
        granted.then_some(definition)
    }

    /// Whether the policies allow one action; those that did are noted.
    fn ask<'a>(
        &'a self,
        call: &Call,
        facts: &Facts,
        action: &str,
        allowed: &mut Allowed<'a>,
    ) -> bool {
        let Some(slice) = self.slices.get(action) else { return false };
        let (request, entities) = match self.request(call, facts, action) {
            Ok(parts) => parts,
            Err(cause) => {
                tracing::warn!(call.id = %call.id, action, %cause, "the policies cannot be asked");
                return false;
            }
        };
        let response = self.authorizer.is_authorized(&request, slice, &entities);
        if let Some(error) = response.diagnostics().errors().next() {
            tracing::warn!(call.id = %call.id, action, %error, "a policy cannot be evaluated, which refuses the action");
            return false;
        }
        if response.decision() != Answer::Allow {
            return false;
        }
        for rule in response.diagnostics().reason().filter_map(|id| self.rules.get(id)) {
            allowed.policies.insert(&rule.id);
            allowed.obligations.push(&rule.obligations);
        }
        true
    }

    fn not_granted(&self, call: &Call, capability: &CapabilityName) -> Refusal {
        let interface =
            self.capabilities.find(capability).map(|definition| definition.interface.0.clone());
        Refusal::NotGranted {
            tool: call.tool.name.clone(),
            capability: capability.clone(),
            interface,
        }
    }
}

impl Allowed<'_> {
    fn decide(&self, policy: &CedarPolicy, facts: &Facts) -> Decision {
        let obligations = Obligations::strictest(&self.obligations);
        let defined = self.capabilities.iter().map(|definition| definition.risk).max();
        let risk = obligations.risk.unwrap_or_default().max(defined.unwrap_or_default());
        let asks = risk >= Risk::Medium || obligations.approvers.is_some();
        if asks && facts.approval.is_none() {
            return self.ask(policy, obligations, risk.max(Risk::Medium));
        }
        Decision::Allow(self.terms(policy, obligations, risk))
    }

    fn ask(&self, policy: &CedarPolicy, obligations: Obligations, risk: Risk) -> Decision {
        let approvers = obligations.approvers.unwrap_or_default();
        if approvers.nobody() {
            tracing::warn!(
                "the policies that allowed ask for approvers that nobody can be at once"
            );
            return Decision::Refuse(Refusal::Forbidden);
        }
        let names = self.capabilities.iter().map(|definition| definition.name.clone());
        Decision::Ask(Question {
            risk,
            approvers: approvers.into(),
            patience: if risk == Risk::High { PATIENCE } else { Duration::ZERO },
            expires_in: QUESTION_EXPIRES_IN,
            capabilities: names.collect(),
            policy_version: policy.version,
        })
    }

    fn terms(&self, policy: &CedarPolicy, obligations: Obligations, risk: Risk) -> Terms {
        let costs = self.capabilities.iter().map(|definition| definition.cost);
        let cost = costs.reduce(Add::add).unwrap_or_default();
        let http = self
            .capabilities
            .iter()
            .filter_map(|definition| Some((definition.name.clone(), definition.http.clone()?)));
        let interfaces = self
            .capabilities
            .iter()
            .map(|definition| (definition.name.clone(), definition.interface.clone()));
        let wasi = self
            .capabilities
            .iter()
            .filter_map(|definition| Some((definition.name.clone(), definition.wasi.clone()?)));
        let scopes = self
            .capabilities
            .iter()
            .filter_map(|definition| Some((definition.name.clone(), definition.scope.clone()?)));
        Terms {
            time: obligations.time.unwrap_or(DEFAULT_TIME),
            cost,
            rates: obligations.rates,
            budgets: obligations.budgets,
            egress: EgressTerms { http: http.collect() },
            sandbox: SandboxTerms {
                capabilities: interfaces.collect(),
                defined: policy.defined.clone(),
                wasi: wasi.collect(),
                scopes: scopes.collect(),
                ..policy.limits.clone()
            },
            basis: Basis {
                policies: self.policies.iter().map(|&id| id.to_owned()).collect(),
                policy_version: policy.version,
                risk,
            },
        }
    }
}

/// The action that every call asks for.
const CALL: &str = "call";
/// The parent of every capability's action, for policies about all of them.
const USE: &str = "use";
/// From admission to the end of the run, where no `@ttl` says less.
const DEFAULT_TIME: Duration = Duration::from_secs(30);
/// How long the caller of a high-risk call is kept waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a question stays open, and its answer good.
const QUESTION_EXPIRES_IN: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests;
