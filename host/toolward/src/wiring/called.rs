//! Which tools can a tool reach by calling others, and is what a capability names there?
use std::collections::BTreeSet;

use toolward_gate::{Capabilities, Digest, Scope, ToolName, Want};

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

fn named<'a>(capabilities: &'a Capabilities, want: &Want) -> impl Iterator<Item = &'a ToolName> {
    let scope = capabilities.find(&want.capability).and_then(|one| one.scope.as_deref());
    let tools = match scope {
        Some(Scope::Tools(scope)) => Some(&scope.tools),
        Some(Scope::KeyValue(_) | Scope::Clock(_)) | None => None,
    };
    tools.into_iter().flatten()
}
