//! Everything the process logs while the demo runs, at the finest level, so that it can be swept.
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
};

use crate::heard::heard;

/// The bytes logged so far. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LogTap(Arc<Mutex<Vec<u8>>>);

impl LogTap {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl io::Write for LogTap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogTap {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A tap, and the layer that fills it.
pub fn capture() -> (LogTap, impl Layer<Registry> + Send + Sync) {
    let tap = LogTap::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(tap.clone())
        .with_filter(everything());
    (tap, layer)
}

/// All that is heard, but for the compiler's: it sees no call, and says gigabytes.
fn everything() -> Targets {
    let compiler = [
        "cranelift_codegen",
        "cranelift_frontend",
        "regalloc2",
        "wasmtime_internal_cranelift",
        "wasmtime_environ",
        "wasmtime_internal_environ",
    ];
    heard().with_targets(compiler.map(|name| (name, LevelFilter::OFF)))
}
