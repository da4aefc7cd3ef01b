//! How far the tool is, and what it has so far, for a caller who asked to know. The tool must want
//! `host:progress:report`.
//!
//! While the caller is slow to read, the tool waits, and its time runs.
use crate::bindings::toolward::tool::progress as wire;

/// Reports that `done` of `total` steps are done. `false` once nobody listens.
pub fn report(done: u64, total: Option<u64>, message: &str) -> bool {
    wire::report(done, total, message)
}

/// Hands over a part of the result before the whole of it is there. `false` once nobody listens.
///
/// The caller gets it as it is; nobody holds it to the tool's output type. The tool still returns its result, and
/// all parts and the result together are no longer than a result may be: more ends the call.
pub fn part(text: &str) -> bool {
    wire::part(text)
}
