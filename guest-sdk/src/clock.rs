//! What time it is. The tool must want `host:clock:read`.
use std::time::Duration;

use crate::bindings::toolward::tool::clock as wire;

/// Since 1970-01-01 00:00:00 UTC.
pub fn now() -> Duration {
    Duration::from_millis(wire::now_ms())
}

/// Since the call began.
pub fn elapsed() -> Duration {
    Duration::from_millis(wire::elapsed_ms())
}
