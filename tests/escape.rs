//! What a hostile tool tries, and what it gets.
mod authority;
mod floods;
mod reflection;
mod requests;

use serde_json::Value;
use toolward_gate::Stop;
use toolward_sandbox::Output;

/// The tool's own code, where it failed by something that it was told.
fn told(outcome: &Result<Output, Stop>) -> &str {
    match outcome {
        Err(Stop::Failed(failure)) => &failure.code,
        other => panic!("the tool was told nothing: {other:?}"),
    }
}

/// A request, as the tool that sends anything takes it.
fn get(target: &str) -> Value {
    serde_json::json!({ "method": "GET", "target": target })
}
