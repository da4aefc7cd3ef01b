//! A tool that calls another tool: on whose behalf, for how long, and how deep.
use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::{BudgetLimit, CallId, CapabilityName, Life, Permit, Principal, ToolName};

/// The running call on whose behalf a tool is called. Only a permit makes one: there is no call from a tool
/// without a call of that tool.
#[derive(Clone, Debug)]
pub struct Parent {
    call: CallId,
    life: Life,
    /// The tools that wait for each other, the outermost first.
    running: Vec<ToolName>,
    /// Whom it is charged to besides, the outermost first.
    behalf: Vec<Behalf>,
}

/// A tool that waits for what it asked another one to do: that counts against its budgets, too.
#[derive(Clone, Debug)]
pub struct Behalf {
    pub tool: ToolName,
    pub budgets: Vec<BudgetLimit>,
}

impl Parent {
    /// What is called under it ends with the permit, and no later than `until`.
    pub fn of(permit: &Permit, until: Option<Instant>) -> Self {
        let call = permit.call();
        let before = call.parent.iter().flat_map(|parent| parent.running.iter().cloned());
        let charged = call.parent.iter().flat_map(|parent| parent.behalf.iter().cloned());
        let (tool, budgets) = (call.tool.name.clone(), permit.terms().budgets.clone());
        Self {
            call: call.id,
            behalf: charged.chain([Behalf { tool, budgets }]).collect(),
            life: permit.life().clone().until(until),
            running: before.chain([call.tool.name.clone()]).collect(),
        }
    }

    pub fn call(&self) -> CallId {
        self.call
    }
    pub fn life(&self) -> &Life {
        &self.life
    }
    /// The tools that wait for each other, the outermost first.
    pub fn running(&self) -> &[ToolName] {
        &self.running
    }
    /// Whom it is charged to besides, the outermost first.
    pub fn behalf(&self) -> &[Behalf] {
        &self.behalf
    }
    /// How many tools wait for each other.
    pub fn depth(&self) -> usize {
        self.running.len()
    }
    /// Whether the tool is one of those that wait: calling it again would go round in a circle.
    pub fn is_running(&self, tool: &ToolName) -> bool {
        self.running.contains(tool)
    }
}

impl Permit {
    /// The one who calls, for a call of another tool that may use these capabilities at most.
    pub fn principal_within(&self, capabilities: BTreeSet<CapabilityName>) -> Principal {
        self.call().principal.within(capabilities)
    }
}
