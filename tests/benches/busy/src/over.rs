//! Tools that pass one limit each, and say so right before.
use toolward_sdk::{Capability, ToolError, log, progress, tool};

use crate::Answer;

/// Its listener takes the second word of three, and only then is the third one said: what was there before the
/// second was taken was before the limit.
fn announce() {
    for word in 0..3 {
        progress::report(word, None, "next");
    }
}

/// Takes more memory than there is.
#[tool(read_only)]
fn fill(#[capability("host:progress:report")] _progress: Capability) -> Result<Answer, ToolError> {
    let held = vec![1_u8; 48 << 20];
    announce();
    let more = vec![core::hint::black_box(1_u8); 32 << 20];
    Ok(Answer { answer: core::hint::black_box((held, more)).0.len() as u64 })
}

/// Calls itself without end.
#[tool(read_only)]
fn sink(#[capability("host:progress:report")] _progress: Capability) -> Result<Answer, ToolError> {
    announce();
    Ok(Answer { answer: deeper(core::hint::black_box(1)) })
}

/// It needs nothing of the stack in linear memory, which would end first.
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { deeper(depth + 1).rotate_left(7) ^ depth }
}

/// Passes more to the host at once than one call may.
#[tool(read_only)]
fn shout(#[capability("host:progress:report")] _progress: Capability) -> Result<Answer, ToolError> {
    let text = "x".repeat(12 << 20);
    announce();
    progress::report(0, None, &text);
    Ok(Answer { answer: 0 })
}

/// Answers with more than a result may be.
#[tool(read_only)]
fn gush(#[capability("host:progress:report")] _progress: Capability) -> Result<String, ToolError> {
    let text = "x".repeat(8 << 20);
    announce();
    Ok(text)
}

/// Hands over parts of a result, more than a result may be.
#[tool(read_only)]
fn recite(
    #[capability("host:progress:report")] _progress: Capability,
) -> Result<Answer, ToolError> {
    let text = "x".repeat(2 << 20);
    announce();
    progress::part(&text);
    Ok(Answer { answer: 0 })
}

/// Writes lines without end: those over the limit are dropped, and it is its time that ends it.
#[tool(read_only)]
fn chatter(#[capability("host:log:write")] _log: Capability) -> Result<Answer, ToolError> {
    loop {
        log::info("and another thing");
    }
}
