//! How far the tool is, for a caller who asked to know. The tool must want `host:progress:report`.
use crate::bindings::toolward::tool::progress as wire;

/// Reports that `done` of `total` steps are done. `false` once nobody listens.
pub fn report(done: u64, total: Option<u64>, message: &str) -> bool {
    wire::report(done, total, message)
}
