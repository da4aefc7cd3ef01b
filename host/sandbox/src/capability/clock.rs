//! What time it is, for a tool.
use std::sync::Arc;

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
}

impl Watch {
    pub(crate) fn new(clock: Arc<dyn Clock>, began_at: Instant) -> Self {
        Self { clock, began_at }
    }
}

impl wit::Host for Watch {
    fn now_ms(&mut self) -> Result<u64> {
        // A clock before 1970 reads as 1970.
        Ok(u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0))
    }
    fn elapsed_ms(&mut self) -> Result<u64> {
        Ok(u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
