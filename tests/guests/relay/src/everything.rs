//! One tool that asks the host for something of every kind.
use serde::Deserialize;
use serde_json::json;
use toolward_sdk::{
    Capability, ToolError, ToolType, clock, key_value, log, progress, random, tool, tools,
};

use crate::Text;

#[derive(Deserialize, ToolType)]
struct Day {
    /// Of the shop.
    item: String,
}

/// Reads the time, draws, logs, sends, remembers, and has another tool do the same as it did; it says before
/// each wait which one comes.
#[tool(capabilities("host:clock:read", "host:random:read", "host:progress:report"))]
fn do_everything(
    of: Day,
    #[capability("shop:items:read")] shop: Capability,
    #[capability("shop:notes:use")] notes: Capability,
    #[capability("house:tools:call")] house: Capability,
) -> Result<Text, ToolError> {
    let seen = format!("{:?} {:?}", clock::now(), random::bytes(8));
    log::info(&seen);
    progress::report(1, None, "sends");
    let item = shop.get(&format!("/items/{}", of.item)).send()?.text()?;
    progress::report(2, None, "writes");
    key_value::set("item", item.as_bytes(), &notes)?;
    progress::report(3, None, "reads");
    let kept = key_value::get("item", &notes)?.unwrap_or_default();
    progress::report(4, None, "has another tool read");
    let other: serde_json::Value = tools::call("read_item", &json!({ "id": of.item }), &house)?;
    // Nobody has heard the first when the second comes.
    progress::report(5, None, "is nearly done");
    progress::report(6, None, "is done");
    Ok(Text { text: format!("{} {other}", String::from_utf8_lossy(&kept)) })
}
