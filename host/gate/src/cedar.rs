//! The policy, in Cedar: who may call which tool and use which capability, and on which terms.
//!
//! A call asks for `Action::"call"` and, in the same decision, for one action per capability that its tool
//! wants. The terms come from the annotations of the policies that allowed; the strictest of each applies.
//! A policy that fails while it is evaluated refuses the action: Cedar alone would leave it out, and a
//! `forbid` that is left out allows.
mod explain;
mod load;
mod names;
mod obligations;
mod prospects;
mod prove;
mod reload;
mod request;
mod schema;
mod slices;

pub use explain::{Action, Explanation, Obligation, Outcome, Supposition};
pub use prospects::{Prospect, Prospects, WantProspect};
pub use prove::{Counterexample, Finding, ProveError, Verdict as ProofVerdict};
pub use reload::Exchange;
pub use schema::Unmapped;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use cedar_policy::{Authorizer, Decision as Answer, PolicyId};
use serde_json::Value;

use crate::{
    Basis, BudgetLimit, Call, Capabilities, CapabilityDefinition, CapabilityName, ComponentName,
    Cost, Decision, Digest, EgressTerms, Exceptions, Facts, Interface, Owners, Policy, Principal,
    Question, Recording, Refusal, Risk, SandboxGrants, SandboxLimits, SandboxTerms, SourceError,
    SourceFile, Tally, Terms, ToolName, Want,
};
use obligations::Obligations;
use request::Circumstances;
use schema::ActionTypes;
use slices::Slices;

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
    /// The arguments that no policy can speak of.
    unmapped: Vec<Unmapped>,
    slices: Slices,
    /// Whether a policy looks at what is left of a budget.
    asks_remaining: bool,
    rules: HashMap<PolicyId, Rule>,
    environment: String,
    owners: Arc<Owners>,
    version: Digest,
    schema: String,
    authorizer: Authorizer,
    /// The limits of every call that is allowed.
    limits: SandboxLimits,
}

/// What is known of one policy besides its Cedar form.
struct Rule {
    id: String,
    obligations: Obligations,
    /// The annotations, as they were written.
    written: BTreeMap<String, String>,
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
    pub fn limiting(self, limits: SandboxLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same policies, with these owners of the credentials: policies see them.
    #[must_use]
    pub fn owned_by(self, owners: Arc<Owners>) -> Self {
        if owners.is_empty() {
            return self;
        }
        let mut parts = vec![self.version.to_string()];
        for (credential, parties) in owners.iter() {
            parts.push(credential.to_string());
            parts.push(parties.iter().map(|one| format!("{one}\n")).collect());
        }
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        Self { version: Digest::of_parts(&parts), owners, ..self }
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

    /// The arguments of the tools that no policy can speak of, each with the reason.
    pub fn unmapped(&self) -> &[Unmapped] {
        &self.unmapped
    }

    /// What the operator defined.
    pub fn capabilities(&self) -> impl Iterator<Item = &CapabilityDefinition> {
        self.capabilities.0.values()
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        self.slices.len()
    }

    /// What a principal could do with a tool, as far as that can be said without arguments.
    pub fn prospects(&self, principal: &Principal, tool: &InstalledTool) -> Prospects {
        prospects::prospects(self, principal, tool)
    }
}

impl Policy for CedarPolicy {
    fn decide(&self, call: &Call, facts: &Facts) -> Decision {
        self.decide_knowing(call, facts.into())
    }

    fn version(&self) -> Digest {
        self.version
    }

    fn wants_remaining(&self, call: &Call) -> Vec<BudgetLimit> {
        let heads = request::heads(&call.principal, &call.tool.name, &call.tool.component);
        let mut budgets = Vec::new();
        for action in self.actions(call).filter(|_| self.asks_remaining) {
            let rules =
                self.slices.fitting(action, &heads).filter_map(|one| self.rules.get(one.id()));
            budgets.extend(rules.flat_map(|rule| rule.obligations.budgets.iter().cloned()));
        }
        budgets
    }

    fn offers(&self, principal: &Principal, tool: &InstalledTool, exceptions: &Exceptions) -> bool {
        let open = |prospect: &Prospect| !matches!(prospect, Prospect::Refused { .. });
        let lent = |name: &CapabilityName| principal.in_scope(name) && exceptions.allows(name);
        let prospects = self.prospects(principal, tool);
        let mut required = prospects.capabilities.iter().filter(|want| want.required);
        open(&prospects.call) && required.all(|want| open(&want.prospect) || lent(&want.capability))
    }

    fn refused_by(&self, call: &Call, facts: &Facts) -> Vec<String> {
        let heard = self.actions(call).map(|action| self.ask(call, facts.into(), action));
        let against = heard.filter(|heard| !heard.allowed).flat_map(|heard| heard.determining);
        against.map(|rule| rule.id.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// What the policies say about one action.
#[derive(Default)]
struct Heard<'a> {
    allowed: bool,
    /// Those that permit it, or those that forbid it.
    determining: Vec<&'a Rule>,
    /// Why it cannot be decided, which refuses.
    errors: Vec<String>,
}

impl Heard<'_> {
    /// Nobody permits it, and nobody forbids it.
    fn is_silent(&self) -> bool {
        !self.allowed && self.determining.is_empty() && self.errors.is_empty()
    }
}

/// The policies that allowed something, and the capabilities they allowed.
#[derive(Default)]
struct Allowed<'a> {
    rules: Vec<&'a Rule>,
    capabilities: Vec<&'a CapabilityDefinition>,
}

impl CedarPolicy {
    fn decide_knowing(&self, call: &Call, known: Circumstances<'_>) -> Decision {
        match self.allowed(call, known) {
            Ok(allowed) => allowed.decide(self, known),
            Err(refusal) => Decision::Refuse(refusal),
        }
    }

    /// What a call asks for: itself, and each capability that its tool wants.
    fn actions<'a>(&self, call: &'a Call) -> impl Iterator<Item = &'a str> {
        let wants = call.tool.wants.iter().map(|want| want.capability.as_str());
        [CALL].into_iter().chain(wants)
    }

    /// Asks for the call and for every capability that the tool wants.
    fn allowed(&self, call: &Call, known: Circumstances<'_>) -> Result<Allowed<'_>, Refusal> {
        let mut allowed = Allowed::default();
        if !allowed.takes(self.ask(call, known, CALL)) {
            return Err(Refusal::Forbidden);
        }
        for want in call.tool.wants.iter() {
            match self.granted(call, known, &want.capability, &mut allowed) {
                Some(definition) => allowed.capabilities.push(definition),
                None if want.required => {
                    return Err(self.not_granted(call, known, &want.capability));
                }
                None => {}
            }
        }
        Ok(allowed)
    }

    /// A capability that is defined, within the caller's token and allowed by the policies.
    fn granted<'a>(
        &'a self,
        call: &Call,
        known: Circumstances<'_>,
        capability: &CapabilityName,
        allowed: &mut Allowed<'a>,
    ) -> Option<&'a CapabilityDefinition> {
        let definition = self.capabilities.find(capability)?;
        if !known.may_use(definition) || !call.principal.in_scope(capability) {
            return None;
        }
        let heard = self.ask(call, known, capability.as_str());
        // A policy that forbids has the last word, and what cannot be decided is no.
        let excepted =
            heard.is_silent() && known.exceptions.is_some_and(|all| all.allows(capability));
        (allowed.takes(heard) || excepted).then_some(definition)
    }

    /// Whether the policies allow one action, and which of them.
    fn ask(&self, call: &Call, known: Circumstances<'_>, action: &str) -> Heard<'_> {
        let heads = request::heads(&call.principal, &call.tool.name, &call.tool.component);
        let asked = self.request(call, known, action);
        let set =
            self.slices.set(action, &heads).ok_or_else(|| "two policies share an id".to_owned());
        let ((request, entities), set) = match asked.and_then(|asked| Ok((asked, set?))) {
            Ok(parts) => parts,
            Err(cause) => {
                tracing::warn!(call.id = %call.id, action, %cause, "the policies cannot be asked");
                return Heard { errors: vec![cause], ..Heard::default() };
            }
        };
        let response = self.authorizer.is_authorized(&request, &set, &entities);
        let diagnostics = response.diagnostics();
        let errors: Vec<String> = diagnostics.errors().map(ToString::to_string).collect();
        for error in &errors {
            tracing::warn!(call.id = %call.id, action, %error, "a policy cannot be evaluated, which refuses the action");
        }
        let allowed = response.decision() == Answer::Allow && errors.is_empty();
        let heard = diagnostics.reason().filter_map(|id| self.rules.get(id));
        // What permits counts for nothing where something cannot be evaluated.
        let counts = |_: &&Rule| allowed || response.decision() == Answer::Deny;
        Heard { allowed, determining: heard.filter(counts).collect(), errors }
    }

    fn not_granted(
        &self,
        call: &Call,
        known: Circumstances<'_>,
        capability: &CapabilityName,
    ) -> Refusal {
        let definition = self.capabilities.find(capability);
        let (tool, capability) = (call.tool.name.clone(), capability.clone());
        // Whoever the policies do not let use it learns nothing of credentials.
        let is_permitted = || {
            call.principal.in_scope(&capability)
                && self.ask(call, known, capability.as_str()).allowed
        };
        match definition.and_then(CapabilityDefinition::credential) {
            Some(credential) if known.not_yours.contains(credential) && is_permitted() => {
                Refusal::NotYours { tool, capability, credential: credential.clone() }
            }
            _ => {
                let interface = definition.map(|definition| definition.interface.0.clone());
                Refusal::NotGranted { tool, capability, interface }
            }
        }
    }
}

impl<'a> Allowed<'a> {
    /// Notes who allowed it; whether anybody did.
    fn takes(&mut self, heard: Heard<'a>) -> bool {
        if heard.allowed {
            self.rules.extend(heard.determining);
        }
        heard.allowed
    }

    fn strictest(&self) -> Obligations {
        let all: Vec<&Obligations> = self.rules.iter().map(|rule| &rule.obligations).collect();
        Obligations::strictest(&all)
    }

    fn decide(&self, policy: &CedarPolicy, known: Circumstances<'_>) -> Decision {
        let obligations = self.strictest();
        let defined = self.capabilities.iter().map(|definition| definition.risk).max();
        let risk = obligations.risk.unwrap_or_default().max(defined.unwrap_or_default());
        let asks = risk >= Risk::Medium || obligations.approvers.is_some();
        if asks && known.approved_by.is_none() {
            return self.ask(policy, obligations, risk.max(Risk::Medium));
        }
        Decision::Allow(self.terms(policy, obligations, risk))
    }

    /// The ids of the policies that allowed.
    fn policies(&self) -> Vec<String> {
        let ids: BTreeSet<&str> = self.rules.iter().map(|rule| rule.id.as_str()).collect();
        ids.into_iter().map(str::to_owned).collect()
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
        // No `..`: an obligation that becomes no term does not compile. The risk is passed on, and whoever was to
        // be asked has been.
        let Obligations { risk: _, approvers: _, time, budgets, rates, recording, projections } =
            obligations;
        let mut cost = Tally::default();
        for definition in self.capabilities.iter().filter(|one| one.cost > Cost::default()) {
            cost.add(Some(definition.name.provider()), definition.cost.into());
        }
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
            time: time.unwrap_or(DEFAULT_TIME),
            cost,
            rates,
            budgets,
            recording: recording.unwrap_or(Recording::Digest),
            egress: EgressTerms { http: http.collect() },
            sandbox: SandboxTerms {
                grants: SandboxGrants {
                    capabilities: interfaces.collect(),
                    defined: policy.defined.clone(),
                    wasi: wasi.collect(),
                    scopes: scopes.collect(),
                    projections,
                },
                limits: policy.limits.clone(),
            },
            basis: Basis { policies: self.policies(), policy_version: policy.version, risk },
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
