//! Which tools can a tool reach by calling others, and is what a capability names there?
use std::collections::BTreeSet;

use serde::Serialize;
use toolward_gate::{Capabilities, CapabilityName, Digest, Scope, ToolName, ToolsScope, Want};

use super::Plan;
use crate::tools::Tools;

/// The digests of a tool and of all that it could have called, in however many steps.
pub(super) fn reached(tools: &Tools, capabilities: &Capabilities, tool: &str) -> BTreeSet<Digest> {
    let mut reached = BTreeSet::new();
    let mut seen: BTreeSet<ToolName> = BTreeSet::new();
    let mut open: Vec<ToolName> = tool.parse().into_iter().collect();
    while let Some(name) = open.pop() {
        let Some(tool) = tools.find(name.as_str()).filter(|_| seen.insert(name.clone())) else {
            continue;
        };
        reached.insert(tool.digest);
        open.extend(tool.manifest.wants.iter().flat_map(|want| named(capabilities, want)).cloned());
    }
    reached
}

/// What tools are named by a wanted capability and not there, each with the capability.
pub(super) fn missing<'a>(
    tools: &Tools,
    capabilities: &'a Capabilities,
    want: &'a Want,
) -> impl Iterator<Item = &'a ToolName> {
    named(capabilities, want).filter(|name| tools.find(name.as_str()).is_none())
}

impl Plan {
    /// What tools can be called under a capability; absent where it opens something else.
    pub fn called_under(&self, capability: &CapabilityName) -> Option<Called> {
        let scope = scope(&self.capabilities, capability)?;
        let callee = |tool: &ToolName| Callee {
            tool: tool.clone(),
            installed: self.tools.find(tool.as_str()).is_some(),
        };
        Some(Called { tools: scope.tools.iter().map(callee).collect(), lends: scope.lends.clone() })
    }
}

/// What a capability over `tools` says.
#[derive(Clone, Debug, Serialize)]
pub struct Called {
    pub tools: Vec<Callee>,
    /// What the called tools may use besides what their caller was granted.
    pub lends: BTreeSet<CapabilityName>,
}

/// A tool that a capability names.
#[derive(Clone, Debug, Serialize)]
pub struct Callee {
    pub tool: ToolName,
    pub installed: bool,
}

fn named<'a>(capabilities: &'a Capabilities, want: &Want) -> impl Iterator<Item = &'a ToolName> {
    scope(capabilities, &want.capability).into_iter().flat_map(|scope| &scope.tools)
}

fn scope<'a>(capabilities: &'a Capabilities, name: &CapabilityName) -> Option<&'a ToolsScope> {
    match capabilities.find(name)?.scope.as_deref()? {
        Scope::Tools(scope) => Some(scope),
        Scope::KeyValue(_) | Scope::Clock(_) => None,
    }
}
