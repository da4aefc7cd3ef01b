//! Says what it is told, how far it is, and crashes. For the tests of the doors.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, ToolError, ToolType, progress, tool};

#[derive(Deserialize, Serialize, ToolType)]
struct Said {
    text: String,
    number: Option<i64>,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    list: Vec<String>,
}

/// Says what it is told.
#[tool(title = "Say", read_only, idempotent)]
fn say(what: Said) -> Result<Said, ToolError> {
    Ok(what)
}

#[derive(Serialize, ToolType)]
struct Counted {
    counted: u64,
}

/// Counts to three, and says how far it is.
#[tool(read_only)]
fn count(
    #[capability("host:progress:report")] _progress: Capability,
) -> Result<Counted, ToolError> {
    for done in 1..=3 {
        progress::report(done, Some(3), &format!("at {done}"));
    }
    Ok(Counted { counted: 3 })
}

/// Recites a line, word by word.
#[tool(read_only)]
fn recite(
    #[capability("host:progress:report")] _progress: Capability,
) -> Result<Counted, ToolError> {
    progress::report(1, None, "clears its throat");
    let heard = ["to ", "be\n", "or ", "not"].into_iter().filter(|word| progress::part(word));
    Ok(Counted { counted: heard.count() as u64 })
}

/// Crashes.
#[tool(read_only)]
fn crash() -> Result<Counted, ToolError> {
    panic!("the text of a panic is for nobody outside")
}

/// Refuses what it is asked.
#[tool(read_only)]
fn refuse() -> Result<Counted, ToolError> {
    Err(ToolError::new("no-luck", "not today"))
}
