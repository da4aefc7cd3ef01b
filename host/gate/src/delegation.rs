//! A tool that calls another tool: on whose behalf, for how long, and how deep.
use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::{CallId, CapabilityName, Life, Permit, Principal, ToolName};

/// The running call on whose behalf a tool is called. Only a permit makes one: there is no call from a tool
/// without a call of that tool.
#[derive(Clone, Debug)]
pub struct Parent {
    call: CallId,
    life: Life,
    /// The tools that wait for each other, the outermost first.
    running: Vec<ToolName>,
}

impl Parent {
    /// What is called under it ends with the permit, and no later than `until`.
    pub fn of(permit: &Permit, until: Option<Instant>) -> Self {
        let call = permit.call();
        let before = call.parent.iter().flat_map(|parent| parent.running.iter().cloned());
        Self {
            call: call.id,
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
