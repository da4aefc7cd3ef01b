//! A tool that does nothing: what a call of it costs is the cost of calling.
use serde::Serialize;
use toolward_sdk::{ToolError, ToolType, tool};

#[derive(Serialize, ToolType)]
struct Nothing {}

/// Does nothing.
#[tool(read_only)]
fn nothing() -> Result<Nothing, ToolError> {
    Ok(Nothing {})
}
