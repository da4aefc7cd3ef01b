//! What the policy says about a call, and on which terms.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Approval, BudgetLimit, Call, CapabilityName, Cost, CredentialName, Digest, Exceptions,
    HttpScope, InstalledTool, Interface, MAX_VALUES, Principal, Projection, Question, RateLimit,
    Recording, Refusal, Scope, Tally, WasiScope,
};

/// How much harm a call can do. The order is from least to most.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Goes through, recorded.
    #[default]
    Low,
    /// One approval, which the caller does not wait for.
    Medium,
    /// Nothing happens until somebody else says yes.
    High,
}

#[must_use]
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it at a time, for one step of a call"
)]
pub enum Decision {
    Allow(Terms),
    Ask(Question),
    Refuse(Refusal),
}

impl Decision {
    /// Stable: whoever counts decisions tells them apart by it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Ask(_) => "ask",
            Self::Refuse(_) => "refuse",
        }
    }
}

/// The obligations of a yes, grouped by the one who enforces them. What is absent is not lent.
#[derive(Clone, Debug)]
pub struct Terms {
    /// From admission to the end of the run.
    pub time: Duration,
    /// Set aside before the run.
    pub cost: Tally,
    pub rates: Vec<RateLimit>,
    pub budgets: Vec<BudgetLimit>,
    pub egress: EgressTerms,
    pub sandbox: SandboxTerms,
    /// What the audit entry holds of the arguments.
    pub recording: Recording,
    pub basis: Basis,
}

/// Why the answer was yes: for the audit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Basis {
    /// The policies that allowed, by id.
    pub policies: Vec<String>,
    pub policy_version: Digest,
    pub risk: Risk,
}

/// Enforced by the vault, request by request.
#[derive(Clone, Debug, Default)]
pub struct EgressTerms {
    pub http: BTreeMap<CapabilityName, Arc<HttpScope>>,
}

/// Enforced by the sandbox.
#[derive(Clone, Debug, Default)]
pub struct SandboxTerms {
    pub grants: SandboxGrants,
    pub limits: SandboxLimits,
}

/// What a call may reach.
#[derive(Clone, Debug, Default)]
pub struct SandboxGrants {
    /// What the call may obtain a handle for, and the interface that each opens.
    pub capabilities: BTreeMap<CapabilityName, Interface>,
    /// What every capability of this host opens, granted or not: it tells an import that the manifest
    /// accounts for from one that nothing accounts for.
    pub defined: Arc<BTreeMap<CapabilityName, Interface>>,
    /// What granted capabilities say of WASI.
    pub wasi: BTreeMap<CapabilityName, Arc<WasiScope>>,
    /// What the granted capabilities say about interfaces of this host.
    pub scopes: BTreeMap<CapabilityName, Arc<Scope>>,
    /// What may be handed out of the result: what every one of them keeps.
    pub projections: Vec<Projection>,
}

/// How much a call may take.
#[derive(Clone, Debug)]
pub struct SandboxLimits {
    /// Tools that may wait for each other: this call, those that it is made for, and the one that it calls.
    pub call_depth: usize,
    /// Over all linear memories of the call, in bytes.
    pub memory_bytes: usize,
    /// The longest result, in bytes of JSON, with the parts that were handed over before it.
    pub output_bytes: usize,
    /// Values of the result, and of the arguments in the tool's own types: each value is one, and each name of a
    /// member. A byte of a `list<u8>` is one in the arguments.
    pub values: usize,
    /// Live capability handles at once.
    pub handles: usize,
    /// Log lines kept from one call.
    pub log_lines: usize,
    /// Bytes of log text kept from one call, with the names and values of its fields.
    pub log_bytes: usize,
    /// Log lines kept in one second of a call.
    pub log_lines_per_second: usize,
    /// Linear memories, over all parts of the component.
    pub memories: usize,
    /// Tables, over all parts of the component.
    pub tables: usize,
    /// Elements over all tables.
    pub table_elements: usize,
    /// Instances of core modules that the component is made of.
    pub instances: usize,
    /// Handles of every kind in all tables of the run, also those that the component keeps for itself.
    pub component_handles: usize,
    /// What one host call may bring into the host, in bytes.
    pub host_call_bytes: usize,
    /// Calls of this tool that run at once.
    pub calls_per_tool: usize,
    /// Calls of this principal that run at once.
    pub calls_per_principal: usize,
    /// Calls that may wait for their turn already when this one begins to wait.
    pub queue_length: usize,
    /// How long this call may wait for its turn.
    pub queue_time: Duration,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            call_depth: 4,
            memory_bytes: 64 << 20,
            output_bytes: 1 << 20,
            values: MAX_VALUES,
            handles: 64,
            log_lines: 256,
            log_bytes: 64 << 10,
            log_lines_per_second: 256,
            memories: 8,
            tables: 32,
            table_elements: 20_000,
            instances: 64,
            component_handles: 1024,
            host_call_bytes: 4 << 20,
            calls_per_tool: 128,
            calls_per_principal: 128,
            queue_length: 1024,
            queue_time: Duration::from_secs(10),
        }
    }
}

/// What the policy may know besides the call.
#[derive(Debug)]
pub struct Facts {
    pub now: Timestamp,
    pub approval: Option<Approval>,
    /// Absent where no policy asks for it, or no budget applies.
    pub remaining: Option<Cost>,
    /// The credentials that are neither the caller's nor granted to it.
    pub not_yours: BTreeSet<CredentialName>,
    /// What people allowed for a time although no policy permits it.
    pub exceptions: Exceptions,
}

/// Pure: it awaits nothing and remembers nothing.
pub trait Policy: Send + Sync {
    fn decide(&self, call: &Call, facts: &Facts) -> Decision;

    /// The policy of this moment, where it can be exchanged: what is asked of it has one version.
    fn current(&self) -> Option<Arc<dyn Policy>> {
        None
    }

    /// Names the policy, for the audit.
    fn version(&self) -> Digest {
        Digest::ZERO
    }

    /// The budgets that the policy wants to know the rest of before it decides.
    fn wants_remaining(&self, _call: &Call) -> Vec<BudgetLimit> {
        Vec::new()
    }

    /// Whether a principal is shown a tool, with what people allowed it for a time. `false` only where every call of it
    /// would be refused; `true` permits nothing.
    fn offers(
        &self,
        _principal: &Principal,
        _tool: &InstalledTool,
        _exceptions: &Exceptions,
    ) -> bool {
        true
    }

    /// The policies that had a call refused, by id: for the audit, never for the caller.
    fn refused_by(&self, _call: &Call, _facts: &Facts) -> Vec<String> {
        Vec::new()
    }
}
