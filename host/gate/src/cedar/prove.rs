//! Can the policies be made to say what nobody wants? A solver looks at all calls at once.
//!
//! What is asked is one expression over one call: what is true of every call of a tool, and that the policies
//! allow it, and that it is what nobody wants. Where no call satisfies it, the claim is proved. The model
//! allows whatever the host allows, and more: a policy that fails refuses here, and a token's scope, switches
//! and budgets refuse besides. Of credentials that have owners it is said whether every grant is supposed, or those
//! that there are.
mod counterexample;
mod custody;
mod expression;
mod model;

pub use counterexample::Counterexample;

use std::collections::BTreeSet;

use cedar_policy::{EntityTypeName, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicySet,
    err::Error,
    solver::{LocalSolver, SolverError},
};
use serde::Serialize;
use serde_json::Value;

use super::{CALL, CedarPolicy, InstalledTool, request::action_uid};
use crate::{Capabilities, CapabilityName, CredentialGrant, Kind, ToolName};
use expression::{all, not};
use model::Model;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error(
        "proofs need the solver cvc5, which is not there: `apt install cvc5`, or take it from https://github.com/cvc5/cvc5/releases and name it with `CVC5=/path/to/cvc5`"
    )]
    NoSolver,
    #[error("no tool of this host wants the capability `{0}`, so that no call can use it")]
    Unused(CapabilityName),
    #[error("the solver cannot be asked: {0}")]
    Failed(String),
}

/// What was found out about the calls of one tool by one kind of principal.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub tool: ToolName,
    pub principal: Kind,
    /// As in `is allowed`.
    pub claim: &'static str,
    /// The optional capability that the claim is about, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<CapabilityName>,
    #[serde(flatten)]
    pub verdict: Verdict,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds for every call.
    Proved,
    /// It does not hold for this one.
    Refuted { call: Box<Counterexample> },
    /// The solver gave up, or the policies say something that it cannot be asked.
    Unknown { why: String },
}

impl CedarPolicy {
    /// Whether a call can use this capability without a person's yes. With `grants`, by whoever owns its
    /// credential or holds one of them; without, by whoever the policies allow.
    pub fn prove_approval(
        &self,
        tools: &[InstalledTool],
        capability: &CapabilityName,
        grants: Option<&[CredentialGrant]>,
    ) -> Result<Vec<Finding>, ProveError> {
        let wants =
            |tool: &&InstalledTool| tool.wants.iter().any(|one| one.capability == *capability);
        let mut findings = Vec::new();
        for tool in tools.iter().filter(wants) {
            let model = Model::of(self, tool, Some(capability), grants);
            let mut all = model.truths();
            all.extend([model.allowed(), model.unapproved(), not(model.asks())]);
            let claim = "needs a person's yes";
            findings.extend(found(tool, claim, None, &model, all)?);
        }
        if findings.is_empty() {
            return Err(ProveError::Unused(capability.clone()));
        }
        Ok(findings)
    }

    /// Whether every call that these policies allow is one that `old` allows, and every call that they allow
    /// without a person's yes one that `old` allows without. Each optional capability is compared by itself: a call that
    /// `old` asks about for one of them alone may go on unasked where that one is no longer granted. `grants` are as in
    /// [`Self::prove_approval`].
    pub fn prove_no_more_than(
        &self,
        old: &Self,
        tools: &[InstalledTool],
        grants: Option<&[CredentialGrant]>,
    ) -> Result<Vec<Finding>, ProveError> {
        let mut findings = Vec::new();
        for tool in tools {
            let optional = tool.wants.iter().filter(|want| !want.required);
            let targets = optional.map(|want| Some(&want.capability));
            for target in [None].into_iter().chain(targets) {
                let new = Model::of(self, tool, target, grants);
                let old = Model::of(old, tool, target, grants);
                let mut at_all = new.truths();
                at_all.extend([new.allowed(), not(old.allowed())]);
                let claim = "is allowed only where it was";
                findings.extend(found(tool, claim, target, &new, at_all)?);
                let mut unasked = new.truths();
                let was = all([old.allowed(), not(old.asks())]);
                unasked.extend([new.allowed(), new.unapproved(), not(new.asks()), not(was)]);
                let claim = "goes through without a person's yes only where it did";
                findings.extend(found(tool, claim, target, &new, unasked)?);
            }
        }
        Ok(findings)
    }

    /// The capabilities that are not defined as they are in `old`: what they open is not compared.
    pub fn redefined(&self, old: &Self) -> Vec<CapabilityName> {
        let differs = |name: &&CapabilityName| {
            let written = |all: &Capabilities| all.find(name).map(|one| format!("{one:?}"));
            written(&self.capabilities) != written(&old.capabilities)
        };
        let names: BTreeSet<&CapabilityName> =
            self.capabilities.0.keys().chain(old.capabilities.0.keys()).collect();
        names.into_iter().filter(differs).cloned().collect()
    }
}

/// Asks about each kind of principal whether a call of it satisfies all of these.
fn found(
    tool: &InstalledTool,
    claim: &'static str,
    capability: Option<&CapabilityName>,
    model: &Model<'_>,
    unwanted: Vec<Value>,
) -> Result<Vec<Finding>, ProveError> {
    let unwanted = model.with_memberships(unwanted);
    let mut findings = Vec::new();
    for principal in [Kind::Agent, Kind::User, Kind::Service] {
        let verdict = match apart(verdict(tool, model, &unwanted, principal))? {
            Ok(verdict) => verdict,
            Err(Error::SolverError(SolverError::Io(error)))
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(ProveError::NoSolver);
            }
            Err(Error::SolverError(error)) => return Err(ProveError::Failed(error.to_string())),
            Err(error) => Verdict::Unknown { why: told(&error) },
        };
        let (tool, capability) = (tool.name.clone(), capability.cloned());
        findings.push(Finding { tool, principal, claim, capability, verdict });
    }
    Ok(findings)
}

/// Runs the symbolic compiler where its stack is deep enough: it goes down into expressions, and these are as
/// deep as there are policies about one action.
fn apart<T: Send>(work: impl Future<Output = T> + Send) -> Result<T, ProveError> {
    let failed = |error: std::io::Error| ProveError::Failed(error.to_string());
    // A runtime of its own, made and dropped over there: here there may be another one.
    let solve = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(work))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, solve).map_err(failed)?;
        let panicked = |_| ProveError::Failed("the symbolic compiler panicked".to_owned());
        running.join().map_err(panicked)?.map_err(failed)
    })
}

fn told(error: &Error) -> String {
    if let Error::PolicyNotWellTyped { errs } = error
        && let Some(first) = errs.first()
    {
        return first.to_string();
    }
    error.to_string()
}

#[expect(clippy::result_large_err, reason = "it is the compiler's own, once for each question")]
async fn verdict(
    tool: &InstalledTool,
    model: &Model<'_>,
    unwanted: &Value,
    principal: Kind,
) -> Result<Verdict, Error> {
    let unreadable = |why: String| Ok(Verdict::Unknown { why });
    let set = match expression::permit_when(unwanted) {
        Ok(policy) => PolicySet::from_policies([policy]),
        Err(why) => return unreadable(why),
    };
    let (set, schema) = match (set, Schema::from_cedarschema_str(&model.schema())) {
        (Ok(set), Ok((schema, _))) => (set, schema),
        (Err(error), _) => return unreadable(error.to_string()),
        (_, Err(error)) => return unreadable(error.to_string()),
    };
    let types = (kind_type(principal), "Tool".parse::<EntityTypeName>());
    let (Ok(who), Ok(what)) = types else { return unreadable("its kind has no type".to_owned()) };
    let environment = RequestEnv::new(who, action_uid(CALL), what);
    let compiled = CompiledPolicySet::compile(&set, &environment, &schema)?;
    let solver = LocalSolver::cvc5_with_args([format!("--tlimit-per={PATIENCE_MILLIS}")])?;
    let mut compiler = CedarSymCompiler::new(solver)?;
    match compiler.check_always_denies_with_counterexample_opt(&compiled).await {
        Ok(None) => Ok(Verdict::Proved),
        Ok(Some(found)) => {
            Ok(Verdict::Refuted { call: Box::new(Counterexample::of(tool, principal, &found)) })
        }
        Err(error) => Err(error),
    }
}

fn kind_type(kind: Kind) -> Result<EntityTypeName, Box<cedar_policy::ParseErrors>> {
    super::request::kind_name(kind).parse().map_err(Box::new)
}

/// Reserved, not used: what is not touched costs nothing.
const STACK_BYTES: usize = 512 << 20;
/// How long the solver may think about one question.
const PATIENCE_MILLIS: u32 = 20_000;

#[cfg(test)]
mod tests;
