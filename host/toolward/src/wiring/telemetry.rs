//! What measures a host, and which names it may tell.
use tokio::runtime::Handle;
use toolward_gate::CedarPolicy;

use super::{StartError, egress_settings};
use crate::{config::Config, telemetry::Telemetry, tools::Tools};

/// What the configuration wants to be told, and to whom; `None` where it says nothing of it.
pub fn telemetry(config: &Config, runtime: Handle) -> Result<Option<Telemetry>, StartError> {
    let Some(set) = &config.telemetry else { return Ok(None) };
    let made = Telemetry::new(set, egress_settings(config)?, runtime);
    Ok(Some(made.map_err(|error| config.file.error(0..0, error.to_string()))?))
}

/// Lets the names of a host's tools, capabilities and credentials be labels.
pub fn know(telemetry: &Telemetry, config: &Config, tools: &Tools, policy: &CedarPolicy) {
    let names = tools.iter().map(|tool| tool.manifest.name.as_str());
    let capabilities = policy.capabilities().map(|one| one.name.as_str());
    let credentials = config.credentials.keys().map(|name| name.as_str());
    telemetry.know(names, capabilities, credentials);
}
