//! A tool that imports an interface which nothing in its manifest accounts for.
use serde::Serialize;
use toolward_sdk::{ToolError, ToolType, tool};

#[derive(Serialize, ToolType)]
struct Time {
    millis: u64,
}

/// Tells the time, and does not say that it needs a clock.
#[tool(read_only)]
fn tell_time() -> Result<Time, ToolError> {
    let millis = u64::try_from(toolward_sdk::clock::now().as_millis()).unwrap_or_default();
    Ok(Time { millis })
}
