//! What stands behind the store of one call.
use std::sync::Arc;

use tokio::time::Instant;
use toolward_gate::{Cause, Clock};
use toolward_vault::Grant;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::{
    capability::{clock, handles, log, progress},
    limits::{COMPONENT_HANDLES, HOST_CALL_BYTES, Memory},
    wasi,
};

/// The host's side of one call. It holds the grant, and no secret.
pub(crate) struct Guest {
    pub(crate) grant: Grant,
    pub(crate) memory: Memory,
    pub(crate) handles: handles::Handles,
    pub(crate) log: log::Log,
    pub(crate) clock: clock::Watch,
    pub(crate) progress: progress::Reporter,
    pub(crate) wasi: Option<Box<wasi::Context>>,
}

impl Guest {
    fn new(grant: Grant, clock: Arc<dyn Clock>, wasi: Option<Box<wasi::Context>>) -> Self {
        let terms = &grant.permit().terms().sandbox;
        Self {
            memory: Memory::new(terms.memory_bytes),
            handles: handles::Handles::new(grant.permit()),
            log: log::Log::new(grant.call().notes.clone(), terms),
            clock: clock::Watch::new(clock, Instant::now()),
            progress: progress::Reporter::new(grant.call().progress.clone()),
            wasi,
            grant,
        }
    }
}

/// A fresh store, in which every limit of the terms is set.
pub(crate) fn store(
    engine: &Engine,
    grant: Grant,
    clock: Arc<dyn Clock>,
    wasi: Option<Box<wasi::Context>>,
) -> Store<Guest> {
    let output_bytes = grant.permit().terms().sandbox.output_bytes;
    let life = grant.permit().life().clone();
    let mut store = Store::new(engine, Guest::new(grant, clock, wasi));
    store.limiter(|guest| &mut guest.memory);
    // The result comes into the host, too, and has a limit of its own.
    store.set_hostcall_fuel(HOST_CALL_BYTES.max(output_bytes.saturating_mul(2)));
    store.set_max_component_handles(COMPONENT_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        life.check().map_err(|cause| wasmtime::Error::new(Over(cause)))?;
        // `UpdateDeadline::Yield` would starve the timers of the runtime.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Unwinds a guest whose call's life is over.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Over(pub(crate) Cause);
