//! What time it is.
use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::component::{HasSelf, Linker};

use super::Capability;
use crate::{bindings::toolward::tool::clock, guest::Guest};

pub(super) struct Clock;

impl Capability for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        clock::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

impl clock::Host for Guest {
    #[expect(
        clippy::disallowed_methods,
        reason = "a guest sees the machine's time; decisions ask the gate's clock"
    )]
    async fn now_ms(&mut self) -> wasmtime::Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn elapsed_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
