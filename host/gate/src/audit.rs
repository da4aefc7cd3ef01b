//! The entry that is opened before anything happens and closed after.
//!
//! What it holds is in `record.rs` and `note.rs`, and how entries hang together in `chain.rs`.
mod chain;
mod note;
mod record;

pub use chain::{Chain, Link};
pub use note::{Charge, Note, Notes};
pub use record::{Admitted, Change, Closed, Ending, Opened, Record};

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Call, CallId, Parent, Unavailable, Usage};

/// Field names that the log and the audit share.
pub mod fields {
    pub const CALL_ID: &str = "call.id";
    pub const PRINCIPAL_ID: &str = "principal.id";
    pub const TOOL_NAME: &str = "tool.name";
    pub const TOOL_DIGEST: &str = "tool.digest";
    pub const OUTCOME: &str = "outcome";
}

/// Where the trail is kept. Every write is durable when it returns.
#[async_trait]
pub trait AuditLog: Send + Sync {
    async fn append(&self, record: &Record) -> Result<(), Unavailable>;
    /// Appends the closing record and settles what was reserved under the call's id, in one transaction.
    async fn close(&self, closed: Closed) -> Result<(), Unavailable>;
    /// Says for the last time, elsewhere, how far the trail goes. After a crash that is not said.
    async fn stop(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// The trail, as `perform` uses it.
#[derive(Clone)]
pub struct Audit(Arc<dyn AuditLog>);

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self(log)
    }

    /// The host ends in order.
    pub async fn stop(&self) -> Result<(), Unavailable> {
        self.0.stop().await
    }

    /// Records what was changed about this host. Fails when it cannot be recorded: then it is not to be changed.
    pub async fn change(&self, change: Change) -> Result<(), Unavailable> {
        self.0.append(&Record::Changed(change)).await
    }

    /// Opens the entry of a call. Fails when it cannot be recorded: then nothing happens.
    pub async fn open(&self, call: &Call) -> Result<Entry, Unavailable> {
        let opened = Opened {
            call: call.id,
            principal: call.principal.id().to_owned(),
            kind: call.principal.kind(),
            roles: call.principal.roles().clone(),
            groups: call.principal.groups().clone(),
            acts_for: call.principal.acts_for().to_vec(),
            door: call.door,
            component: call.tool.component.clone(),
            tool: call.tool.name.clone(),
            tool_digest: call.tool.digest,
            arguments_digest: call.arguments.digest(),
            parent: call.parent.as_ref().map(Parent::call),
            host: None,
        };
        self.0.append(&Record::Opened(opened)).await?;
        Ok(Entry {
            log: self.0.clone(),
            call: call.id,
            notes: call.notes.clone(),
            since: tokio::time::Instant::now(),
        })
    }
}

/// An open entry. One `close` ends it, for every way a call can end.
#[must_use = "an entry that is not closed is found open at the next start, and closed as interrupted"]
pub struct Entry {
    log: Arc<dyn AuditLog>,
    call: CallId,
    notes: Notes,
    since: tokio::time::Instant,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("call", &self.call).finish_non_exhaustive()
    }
}

impl Entry {
    pub async fn close(self, ending: Ending, usage: Usage) -> Result<(), Unavailable> {
        let Usage { cost, tokens } = usage;
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log
            .close(Closed {
                call: self.call,
                ending,
                cost,
                tokens,
                millis,
                notes: self.notes.read(),
            })
            .await
    }
}
