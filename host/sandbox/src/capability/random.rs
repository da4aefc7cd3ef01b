//! Random bytes from the operating system.
use wasmtime::component::{HasSelf, Linker};

use super::Capability;
use crate::{bindings::toolward::tool::random, guest::Guest};

pub(super) struct Random;

impl Capability for Random {
    fn name(&self) -> &'static str {
        "random"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        random::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

impl random::Host for Guest {
    async fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length.min(MAX_BYTES))?];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        Ok(bytes)
    }
}

/// At once; what `wit/random.wit` promises.
const MAX_BYTES: u32 = 4_096;
