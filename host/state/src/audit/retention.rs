//! How long records are kept, and what stands for them afterwards: a signed checkpoint.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use toolward_gate::{Change, Link, Record, Unavailable};

use super::{
    checkpoint::{Checkpoint, CheckpointKind},
    key,
};
use crate::{State, StateError, faults, unavailable};

/// What becomes of old records.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Records are removed once they are older.
    pub keep: Duration,
    /// The folder that they are written to first, one file of JSON lines for each removal; without one, they
    /// are gone.
    pub archive: Option<PathBuf>,
}

impl State {
    /// Removes the records whose time is over, in the order of the chain and not past a call that is still
    /// open; how many there were.
    pub async fn retain(&self, retention: &Retention, by: &str) -> Result<u64, StateError> {
        let now = self.clock.now();
        let cutoff = now.checked_sub(retention.keep).map_err(unavailable)?;
        let mut removed = 0_u64;
        loop {
            let after = self.removal().await?.map_or(0, |(through, _)| through);
            let through = self.over_before(cutoff, after).await?;
            let through = through.min(after.saturating_add(BATCH));
            if through <= after {
                return Ok(removed);
            }
            if let Some(folder) = &retention.archive {
                self.archive(folder, after, through).await?;
            }
            self.remove(after, through, by).await?;
            removed = removed.saturating_add(through.saturating_sub(after));
        }
    }

    /// The last link before which everything is older than `cutoff`, and every call has ended.
    async fn over_before(&self, cutoff: Timestamp, after: u64) -> Result<u64, Unavailable> {
        // Whole seconds, without a zone: as text, it stands before every time in that second.
        let cutoff: String = cutoff.to_string().chars().take(19).collect();
        let kept: Option<i64> = sqlx::query_scalar(
            "SELECT min(sequence) FROM (SELECT * FROM (SELECT sequence FROM audit WHERE at >= ?1 ORDER BY sequence LIMIT 1) \
             UNION ALL SELECT min(sequence) FROM audit AS opened WHERE kind = 'opened' AND NOT EXISTS \
             (SELECT 1 FROM audit AS closed WHERE closed.call = opened.call AND closed.kind = 'closed'))",
        )
        .bind(cutoff)
        .fetch_one(self.read_pool())
        .await
        .map_err(unavailable)?;
        let last = self.last_link().await?.map_or(after, |link| link.sequence);
        Ok(kept.map_or(last, |kept| u64::try_from(kept).unwrap_or_default().saturating_sub(1)))
    }

    async fn archive(&self, folder: &Path, after: u64, through: u64) -> Result<(), StateError> {
        let mut lines = String::new();
        for link in self.links_after(after, through.saturating_sub(after)).await? {
            lines.push_str(&serde_json::to_string(&link).map_err(unavailable)?);
            lines.push('\n');
        }
        let first = after.saturating_add(1);
        let path = folder.join(format!("audit-{first:012}-{through:012}.jsonl"));
        std::fs::create_dir_all(folder).map_err(unavailable)?;
        faults::at("archive")?;
        key::put(&path, lines.as_bytes()).map_err(unavailable)?;
        faults::at("archived")?;
        Ok(())
    }

    /// In one transaction: what was removed is on record, a checkpoint stands for it, and it is gone.
    async fn remove(&self, after: u64, through: u64, by: &str) -> Result<(), StateError> {
        let last: Link = self
            .link_at(through)
            .await?
            .ok_or_else(|| unavailable("a record that is to be removed is not there"))?;
        let point =
            Checkpoint::of(CheckpointKind::Removed, Some(&last), self.clock.now(), &self.key);
        let change = Change {
            by: by.to_owned(),
            action: "audit-removed".to_owned(),
            subject: format!("records {} to {through}", after.saturating_add(1)),
            reason: "their time was over".to_owned(),
        };
        let mut writing = self.write().await?;
        self.add(&mut writing, &Record::Changed(change)).await?;
        sqlx::query(
            "INSERT OR REPLACE INTO audit_removed (id, through, checkpoint) VALUES (1, ?, ?)",
        )
        .bind(i64::try_from(through).map_err(unavailable)?)
        .bind(point.line())
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        sqlx::query("DELETE FROM audit WHERE sequence <= ?")
            .bind(i64::try_from(through).map_err(unavailable)?)
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        Ok(writing.commit().await?)
    }
}

/// Records that are removed in one transaction, so that calls do not wait long for it.
const BATCH: u64 = 5_000;
