//! How far the tool is, for the caller who asked to know.
use toolward_gate::Progress;
use wasmtime::component::{HasSelf, Linker};

use super::Capability;
use crate::{
    bindings::toolward::tool::progress,
    guest::{Guest, Over},
};

pub(super) struct Reporting;

impl Capability for Reporting {
    fn name(&self) -> &'static str {
        "progress"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        progress::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

impl progress::Host for Guest {
    async fn report(
        &mut self,
        done: u64,
        total: Option<u64>,
        message: String,
    ) -> wasmtime::Result<bool> {
        let message = message.chars().take(MAX_MESSAGE).collect();
        let sink = self.call().progress.clone();
        let heard = self.life().bound(sink.report(Progress { done, total, message })).await;
        heard.map_err(|cause| wasmtime::Error::new(Over(cause)))
    }
}

/// Characters.
const MAX_MESSAGE: usize = 1_000;
