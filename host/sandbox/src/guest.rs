//! The T in `Store<T>`: all that the host keeps for one call.
use tokio::time::Instant;
use toolward_gate::{Call, Cause, Life, Note, SandboxTerms};
use toolward_vault::Grant;
use wasmtime::component::ResourceTable;

use crate::{capability::Log, limits::Quota};

pub(crate) struct Guest {
    pub(crate) grant: Grant,
    pub(crate) table: ResourceTable,
    pub(crate) quota: Quota,
    pub(crate) log: Log,
    /// Live capability handles.
    pub(crate) handles: usize,
    pub(crate) began: Instant,
}

impl Guest {
    pub(crate) fn new(grant: Grant) -> Self {
        let terms = &grant.permit().terms().sandbox;
        let quota = Quota::of(terms.memory_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(terms.handles);
        Self { table, quota, log: Log::default(), handles: 0, began: Instant::now(), grant }
    }

    pub(crate) fn call(&self) -> &Call {
        self.grant.call()
    }
    pub(crate) fn life(&self) -> &Life {
        self.grant.permit().life()
    }
    pub(crate) fn terms(&self) -> &SandboxTerms {
        &self.grant.permit().terms().sandbox
    }
    pub(crate) fn note(&self, note: Note) {
        self.call().notes.add(note);
    }
}

/// Ends the guest from inside a host function: its call is over.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Over(pub(crate) Cause);
