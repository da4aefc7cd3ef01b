//! What stands behind the store of one call.
use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use toolward_gate::{Cause, Clock, KeyValues, Limit, SandboxGrants, SandboxLimits, Scope};
use toolward_vault::Grant;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::{
    capability::{clock, handles, log, progress},
    installed::Most,
    limits::Quota,
    service::ToolCaller,
    wasi,
};

/// The host's side of one call. It holds the grant, and no secret.
pub(crate) struct Guest {
    pub(crate) grant: Grant,
    pub(crate) quota: Quota,
    pub(crate) handles: handles::Handles,
    pub(crate) log: log::Log,
    pub(crate) clock: clock::Watch,
    pub(crate) progress: progress::Reporter,
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
    pub(crate) wasi: Option<Box<wasi::Context>>,
    /// Carries calls of other tools; absent where nobody does.
    pub(crate) caller: Option<Arc<dyn ToolCaller>>,
    /// How many tools may wait for each other.
    pub(crate) call_depth: usize,
    /// In the arguments, and again in the result.
    pub(crate) values: usize,
}

/// What a host has for all of its calls.
pub(crate) struct Means {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key_values: Option<Arc<dyn KeyValues>>,
}

/// The finest clock that a granted capability allows.
fn resolution(grants: &SandboxGrants) -> Duration {
    let resolutions = grants.scopes.values().filter_map(|scope| match scope.as_ref() {
        Scope::Clock(resolution) => Some(*resolution),
        Scope::KeyValue(_) | Scope::Tools(_) => None,
    });
    resolutions.min().unwrap_or(Duration::from_millis(1))
}

impl Guest {
    fn new(
        grant: Grant,
        limits: &SandboxLimits,
        means: &Means,
        wasi: Option<Box<wasi::Context>>,
    ) -> Self {
        Self {
            quota: Quota::new(limits),
            handles: handles::Handles::new(grant.permit(), limits),
            log: log::Log::new(grant.call().notes.clone(), limits),
            clock: clock::Watch::new(
                means.clock.clone(),
                Instant::now(),
                resolution(&grant.permit().terms().sandbox.grants),
            ),
            progress: progress::Reporter::new(grant.call().progress.clone(), limits),
            key_values: means.key_values.clone(),
            wasi,
            caller: None,
            call_depth: limits.call_depth,
            values: limits.values,
            grant,
        }
    }

    /// What the result may still be, after the parts that were handed over.
    pub(crate) fn most(&self) -> Most {
        Most { bytes: self.progress.output_left(), values: self.values }
    }
}

/// A fresh store, in which every limit is set.
pub(crate) fn store(
    engine: &Engine,
    grant: Grant,
    limits: &SandboxLimits,
    means: &Means,
    wasi: Option<Box<wasi::Context>>,
) -> Store<Guest> {
    let SandboxLimits { output_bytes, host_call_bytes, component_handles, .. } = *limits;
    let life = grant.permit().life().clone();
    let mut store = Store::new(engine, Guest::new(grant, limits, means, wasi));
    store.limiter(|guest| &mut guest.quota);
    // The result comes into the host, too, and has a limit of its own.
    store.set_hostcall_fuel(host_call_bytes.max(output_bytes.saturating_mul(2)));
    store.set_max_component_handles(component_handles);
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

/// Unwinds a guest that went over a limit which its host's side counts.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub(crate) struct Exceeded(pub(crate) Limit);
