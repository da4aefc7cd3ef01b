//! Tools that keep a host busy in one way each.
mod over;

use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, ToolError, ToolType, clock, progress, tool};

#[derive(Deserialize, ToolType)]
struct Times {
    times: u32,
}

#[derive(Serialize, ToolType)]
struct Answer {
    answer: u64,
}

/// Asks the host for the time, again and again.
#[tool(read_only, capabilities("host:clock:read"))]
fn ask(asked: Times) -> Result<Answer, ToolError> {
    let answer = (0..asked.times)
        .fold(0, |sum: u64, _| sum.wrapping_add(clock::now().subsec_millis().into()));
    Ok(Answer { answer })
}

/// Computes, without asking anybody.
#[tool(read_only)]
fn compute(asked: Times) -> Result<Answer, ToolError> {
    Ok(Answer { answer: fibonacci(core::hint::black_box(asked.times)) })
}

fn fibonacci(number: u32) -> u64 {
    if number < 2 { u64::from(number) } else { fibonacci(number - 1) + fibonacci(number - 2) }
}

/// Reports until nobody listens: while the listener is slow, it waits.
#[tool(read_only)]
fn wait(#[capability("host:progress:report")] _progress: Capability) -> Result<Answer, ToolError> {
    let mut answer = 0;
    while progress::report(answer, None, "waiting") {
        answer += 1;
    }
    Ok(Answer { answer })
}

/// Says that it has begun, and never ends.
#[tool(read_only)]
fn spin(#[capability("host:progress:report")] _progress: Capability) -> Result<Answer, ToolError> {
    progress::report(0, None, "spinning");
    loop {
        core::hint::spin_loop();
    }
}
