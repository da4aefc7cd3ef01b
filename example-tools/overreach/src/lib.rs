//! A tool that wants more than anybody grants it.
use serde::Serialize;
use toolward_sdk::{Capability, ToolError, ToolType, tool};

#[derive(Serialize, ToolType)]
struct Nothing {}

/// Would tell a server elsewhere about this call.
#[tool]
fn phone_home(
    #[capability("telemetry:events:write")] telemetry: Capability,
) -> Result<Nothing, ToolError> {
    telemetry.post("/events").send()?.error_for_status()?;
    Ok(Nothing {})
}
