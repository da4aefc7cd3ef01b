//! The tools that the conformance suite of MCP calls, as far as a tool here can be like that.
use std::time::Duration;

use serde::Deserialize;
use toolward_sdk::{Capability, ToolError, ToolType, clock, log, progress, tool};

/// Answers with one text.
#[tool(read_only)]
fn test_simple_text() -> Result<String, ToolError> {
    Ok("This is a simple text response for testing.".to_owned())
}

/// Fails, always.
#[tool(read_only)]
fn test_error_handling() -> Result<String, ToolError> {
    Err(ToolError::new("on-purpose", "This tool intentionally returns an error for testing"))
}

/// Says three times how far it is.
#[tool(read_only)]
fn test_tool_with_progress(
    #[capability("host:progress:report")] _progress: Capability,
    #[capability("host:clock:read")] _clock: Capability,
) -> Result<String, ToolError> {
    in_steps()
}

/// Says on its stream how far it is, and asks nothing of its client.
#[tool(read_only)]
fn test_streaming_elicitation(
    #[capability("host:progress:report")] _progress: Capability,
    #[capability("host:clock:read")] _clock: Capability,
) -> Result<String, ToolError> {
    in_steps()
}

fn in_steps() -> Result<String, ToolError> {
    for done in [0, 50, 100] {
        progress::report(done, Some(100), "on the way");
        wait(Duration::from_millis(50));
    }
    Ok("It is done.".to_owned())
}

/// Writes lines for the operator.
#[tool(read_only)]
fn test_logging_tool(
    #[capability("host:log:write")] _log: Capability,
) -> Result<String, ToolError> {
    log::info("it begins");
    log::info("it is over");
    Ok("It has said so.".to_owned())
}

/// Is called when the list of tools is to change: who stands before the host does that, since no tool can.
#[tool(read_only)]
fn test_trigger_tool_change() -> Result<String, ToolError> {
    Ok("It has changed.".to_owned())
}

/// Is there to be switched off and on.
#[tool(read_only)]
fn spare() -> Result<String, ToolError> {
    Ok("It is there.".to_owned())
}

#[derive(Deserialize, ToolType)]
struct Somebody {
    name: String,
}

/// Greets at once.
#[tool(read_only)]
fn greet(somebody: Somebody) -> Result<String, ToolError> {
    Ok(format!("Hello, {}!", somebody.name))
}

#[derive(Deserialize, ToolType)]
struct Work {
    seconds: u8,
    #[serde(default)]
    label: String,
}

/// Takes so many seconds.
#[tool(read_only)]
fn slow_compute(
    work: Work,
    #[capability("host:clock:read")] _clock: Capability,
) -> Result<String, ToolError> {
    wait(Duration::from_secs(work.seconds.into()));
    Ok(format!("{} took {} s", work.label, work.seconds))
}

/// Fails after a second.
#[tool(read_only)]
fn failing_job(#[capability("host:clock:read")] _clock: Capability) -> Result<String, ToolError> {
    wait(Duration::from_secs(1));
    Err(ToolError::new("on-purpose", "it was meant to fail"))
}

/// A tool cannot sleep: it looks at the clock until the time has come.
fn wait(time: Duration) {
    let end = clock::elapsed() + time;
    while clock::elapsed() < end {
        core::hint::spin_loop();
    }
}
