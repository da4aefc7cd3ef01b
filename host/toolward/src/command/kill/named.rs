//! Does a switch name anything of this host? One that stops nothing is a slip of the pen, made in a hurry.
use std::collections::BTreeSet;

use toolward_gate::{CapabilityDefinition, SwitchTarget, nearest};

use super::super::Failure;
use crate::{
    config::Config,
    tools::Tool,
    wiring::{self, Plan},
};

/// What it stops, in words. Fails where that is nothing, unless it is meant to be thrown anyway.
pub(super) fn check(
    config: &Config,
    target: &SwitchTarget,
    anyway: bool,
) -> Result<String, Failure> {
    // A host that cannot be started can still be stopped.
    let Ok(plan) = wiring::plan(config) else {
        return Ok("what it stops is not known: the configuration has mistakes".to_owned());
    };
    if let Some((name, known)) = known(config, &plan, target)
        && !anyway
        && !known.contains(&name)
    {
        let near = nearest(&name, known.iter().map(String::as_str));
        let meant = near.map_or(String::new(), |near| format!(", and `{near}` is near it"));
        return Err(Failure::NotFound(format!(
            "nothing of this host has the name `{target}`{meant}; nothing was stopped; `--anyway` throws the switch all the same"
        )));
    }
    let stopped = plan.tools.iter().filter(|tool| stops(target, &plan, tool)).count();
    Ok(if let SwitchTarget::Principal(_) = target {
        "it stops what this principal calls, and what is called for it".to_owned()
    } else {
        format!("tools of this host that it stops: {stopped} of {}", plan.tools.iter().count())
    })
}

/// The name in the switch, and all that could stand there. Who calls is known when they do.
fn known(
    config: &Config,
    plan: &Plan,
    target: &SwitchTarget,
) -> Option<(String, BTreeSet<String>)> {
    let (tools, capabilities) = (plan.tools.iter(), plan.capabilities.0.keys());
    let known = match target {
        SwitchTarget::Everything | SwitchTarget::Principal(_) => return None,
        SwitchTarget::Tool(_) => tools
            .flat_map(|tool| [tool.manifest.name.to_string(), tool.component.to_string()])
            .collect(),
        SwitchTarget::Digest(_) | SwitchTarget::Use { .. } => {
            tools.map(|tool| tool.digest.to_string()).collect()
        }
        SwitchTarget::Capability(_) => capabilities.map(ToString::to_string).collect(),
        SwitchTarget::Provider(_) => capabilities.map(|name| name.provider().to_string()).collect(),
        SwitchTarget::Credential(_) => config.credentials.keys().map(ToString::to_string).collect(),
    };
    let name = match target {
        SwitchTarget::Tool(name)
        | SwitchTarget::Digest(name)
        | SwitchTarget::Capability(name)
        | SwitchTarget::Provider(name)
        | SwitchTarget::Credential(name)
        | SwitchTarget::Principal(name) => name.clone(),
        SwitchTarget::Use { digest, .. } => digest.to_string(),
        SwitchTarget::Everything => return None,
    };
    Some((name, known))
}

/// Whether it stops a call of the tool that may use all that the tool wants.
fn stops(target: &SwitchTarget, plan: &Plan, tool: &Tool) -> bool {
    let mut wants = tool.manifest.wants.iter().map(|want| &want.capability);
    let credential =
        |definition: &CapabilityDefinition| definition.http.as_ref()?.credential.clone();
    match target {
        SwitchTarget::Everything => true,
        SwitchTarget::Tool(name) => {
            tool.manifest.name.as_str() == name || tool.component.as_str() == name
        }
        SwitchTarget::Digest(digest) => tool.digest.to_string() == *digest,
        SwitchTarget::Capability(name) => wants.any(|want| want.as_str() == name),
        SwitchTarget::Use { digest, capability } => {
            tool.digest == *digest && wants.any(|want| want == capability)
        }
        SwitchTarget::Provider(provider) => wants.any(|want| want.provider().as_str() == provider),
        SwitchTarget::Credential(name) => wants
            .filter_map(|want| credential(plan.capabilities.find(want)?))
            .any(|used| used.as_str() == name),
        SwitchTarget::Principal(_) => false,
    }
}
