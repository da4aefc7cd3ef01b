//! What time it is, for a tool.
use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use toolward_gate::Clock;
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::Capability;
use crate::guest::Guest;
use bindings::toolward::tool::clock as wit;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world clocks { import toolward:tool/clock@0.1.0; }",
        world: "toolward:host/clocks",
        imports: { default: trappable },
    });
}

pub(crate) struct Clocks;

impl Capability for Clocks {
    fn interface(&self) -> &'static str {
        "clock"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<Watch>>(linker, |guest| &mut guest.clock)
    }
}

/// The wall clock, and when the call began.
pub(crate) struct Watch {
    clock: Arc<dyn Clock>,
    began_at: Instant,
    /// Every time that is told is a multiple of it.
    resolution_ms: u64,
}

impl Watch {
    pub(crate) fn new(clock: Arc<dyn Clock>, began_at: Instant, resolution: Duration) -> Self {
        let resolution_ms = u64::try_from(resolution.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { clock, began_at, resolution_ms }
    }
}

impl Watch {
    fn told(&self, milliseconds: u64) -> u64 {
        let beyond = milliseconds.checked_rem(self.resolution_ms).unwrap_or(0);
        milliseconds.saturating_sub(beyond)
    }
}

impl wit::Host for Watch {
    fn now_ms(&mut self) -> Result<u64> {
        // A clock before 1970 reads as 1970.
        Ok(self.told(u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0)))
    }
    fn elapsed_ms(&mut self) -> Result<u64> {
        Ok(self.told(u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }
}
