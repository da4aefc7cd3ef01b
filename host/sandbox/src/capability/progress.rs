//! How far the tool is, for its caller.
use toolward_gate::{Progress, ProgressSink};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::Capability;
use crate::{guest::Guest, text};
use bindings::toolward::tool::progress as wit;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world reporting { import toolward:tool/progress@0.1.0; }",
        world: "toolward:host/reporting",
        imports: { default: async | trappable },
    });
}

pub(crate) struct Reporting;

impl Capability for Reporting {
    fn interface(&self) -> &'static str {
        "progress"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<Reporter>>(linker, |guest| &mut guest.progress)
    }
}

pub(crate) struct Reporter(ProgressSink);

impl Reporter {
    pub(crate) fn new(sink: ProgressSink) -> Self {
        Self(sink)
    }
}

impl wit::Host for Reporter {
    /// Waits while the reader is slow; the guest is suspended, and its time runs.
    async fn report(&mut self, done: u64, total: Option<u64>, message: String) -> Result<bool> {
        let message = text::visible(&message, false, MESSAGE);
        Ok(self.0.report(Progress { done, total, message }).await)
    }
}

/// The longest message, in bytes.
const MESSAGE: usize = 1 << 10;
