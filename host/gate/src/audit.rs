//! The entry that is opened before anything happens and closed after.
//!
//! What it holds is in `record.rs` and `note.rs`, and how entries hang together in `chain.rs`.
mod chain;
mod note;
mod record;

pub use chain::{Chain, Link};
pub use note::{Charge, Note, Notes};
pub use record::{Admitted, Change, Closed, Ending, Opened, Record};

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Call, CallId, Parent, Tally, Unavailable, Usage};

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
pub struct Audit {
    log: Arc<dyn AuditLog>,
    /// How many records are announced and still to come.
    owed: watch::Sender<usize>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, owed: watch::Sender::new(0) }
    }

    /// Announces a record of something that goes on beside all calls: the trail does not end before it, as long as
    /// that takes [`PATIENCE`] at most.
    pub fn owe(&self) -> Owed {
        self.owed.send_modify(|owed| *owed = owed.saturating_add(1));
        Owed(self.owed.clone())
    }

    /// The host ends in order.
    pub async fn stop(&self) -> Result<(), Unavailable> {
        let mut owed = self.owed.subscribe();
        let paid = owed.wait_for(|owed| *owed == 0);
        if tokio::time::timeout(PATIENCE, paid).await.is_err() {
            tracing::warn!("the trail ends before all is recorded that was begun");
        }
        self.log.stop().await
    }

    /// Records what was changed about this host. Fails when it cannot be recorded: then it is not to be changed.
    pub async fn change(&self, change: Change) -> Result<(), Unavailable> {
        self.log.append(&Record::Changed(change)).await
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
        self.log.append(&Record::Opened(opened)).await?;
        Ok(Entry {
            log: self.log.clone(),
            call: call.id,
            notes: call.notes.clone(),
            since: tokio::time::Instant::now(),
        })
    }
}

/// A record that is still to come. Dropped, it has come, or never will.
#[must_use = "the trail waits for it as long as it is held"]
#[derive(Debug)]
pub struct Owed(watch::Sender<usize>);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.send_modify(|owed| *owed = owed.saturating_sub(1));
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
    pub async fn close(self, ending: Ending, used: Tally) -> Result<(), Unavailable> {
        let Usage { cost, tokens, .. } = used.total();
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log
            .close(Closed {
                call: self.call,
                ending,
                cost,
                tokens,
                used,
                millis,
                notes: self.notes.read(),
            })
            .await
    }
}

/// A little longer than any request of the host's own takes.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
