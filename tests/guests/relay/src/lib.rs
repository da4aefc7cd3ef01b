//! Tools that have other tools do something, and that use handles to their end.
mod everything;
mod handles;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use toolward_sdk::{Capability, Limits, ToolError, ToolType, tool, tools};

/// An answer in words.
#[derive(Serialize, ToolType)]
pub struct Text {
    pub text: String,
}

#[derive(Deserialize, ToolType)]
struct Errand {
    tool: String,
    /// JSON.
    arguments: String,
    /// How often; once, where absent.
    times: Option<u32>,
    /// The handle is narrowed to these tools.
    only: Option<Vec<String>>,
    /// The handle is narrowed to so many uses.
    uses: Option<u32>,
    /// The handle is narrowed to so much time.
    time_ms: Option<u64>,
}

/// What the last call said: its result in JSON, or the code and message of what went wrong.
fn run(errand: &Errand, house: &Capability) -> Result<Text, ToolError> {
    let time = errand.time_ms.map(Duration::from_millis);
    let narrowed = match (errand.uses, time, errand.only.clone()) {
        (None, None, None) => None,
        (uses, time, tools) => {
            Some(house.narrow(Limits { uses, time, tools, ..Limits::default() })?)
        }
    };
    let arguments: Value = serde_json::from_str(&errand.arguments)?;
    let mut said = String::new();
    for _ in 0..errand.times.unwrap_or(1) {
        let answer: Result<Value, ToolError> =
            tools::call(&errand.tool, &arguments, narrowed.as_ref().unwrap_or(house));
        said = match answer {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
    }
    Ok(Text { text: said })
}

/// Has another tool do something.
#[tool]
fn relay(
    errand: Errand,
    #[capability("house:tools:call")] house: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &house)
}

/// Has another tool do something, as `relay` does.
#[tool]
fn relay_two(
    errand: Errand,
    #[capability("house:tools:call")] house: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &house)
}

/// Has another tool do something, as `relay` does.
#[tool]
fn relay_three(
    errand: Errand,
    #[capability("house:tools:call")] house: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &house)
}

/// Has another tool do something, as `relay` does.
#[tool]
fn relay_four(
    errand: Errand,
    #[capability("house:tools:call")] house: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &house)
}

/// Has another tool do something, and may read items itself.
#[tool]
fn relay_holding(
    errand: Errand,
    #[capability("house:tools:call")] house: Capability,
    #[capability("shop:items:read")] _shop: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &house)
}

/// Has another tool do something, under a handle that is for something else.
#[tool]
fn relay_strangely(
    errand: Errand,
    #[capability("house:tools:call")] _house: Capability,
    #[capability("host:log:write")] log: Capability,
) -> Result<Text, ToolError> {
    run(&errand, &log)
}

#[derive(Deserialize, ToolType)]
struct Draw {
    length: u32,
}

/// Draws random bytes, and tells them in hexadecimal.
#[tool(capabilities("host:random:read"))]
fn draw(of: Draw) -> Result<Text, ToolError> {
    let bytes = toolward_sdk::random::bytes(usize::try_from(of.length).unwrap_or_default());
    Ok(Text { text: bytes.iter().map(|byte| format!("{byte:02x}")).collect() })
}
