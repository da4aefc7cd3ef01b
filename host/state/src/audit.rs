//! The audit trail: one chain, whoever writes.
mod anchored;
mod checkpoint;
pub(crate) mod key;
mod places;
mod retention;
mod search;
mod tree;
mod verify;

pub use anchored::{AnchoredLog, Anchoring, OnFailure};
pub use checkpoint::{Checkpoint, CheckpointKind};
pub use key::PublicKey;
pub use places::{CheckpointPlace, FilePlace};
pub use retention::Retention;
pub use search::{Decided, Search};
pub use verify::{Evidence, Fault, Removed, Verified};

use std::{borrow::Cow, path::Path};

use async_trait::async_trait;
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use toolward_gate::{
    AuditLog, CallId, Change, Closed, Cost, Ending, Link, Note, Opened, Record, Tally, Unavailable,
};

use key::AuditKey;

use crate::{State, StateError, budgets, faults, unavailable, writer::Writing};

/// Which links to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkFilter {
    /// Only links with a higher sequence.
    pub after: Option<u64>,
    /// Only this many, the newest of them.
    pub last: Option<u32>,
    /// Only links of this call.
    pub call: Option<CallId>,
}

#[async_trait]
impl AuditLog for State {
    async fn append(&self, record: &Record) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        self.add(&mut writing, record).await?;
        writing.commit().await
    }

    async fn close(&self, closed: Closed) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        budgets::settle(&mut writing, &closed).await?;
        self.add(&mut writing, &Record::Closed(closed)).await?;
        writing.commit().await
    }
}

impl State {
    /// Records what an operator changed.
    pub async fn record_change(&self, change: Change) -> Result<(), Unavailable> {
        self.append(&Record::Changed(change)).await
    }

    /// Puts the next link on the chain. The transaction holds the write lock, so that nobody else takes
    /// the same place.
    pub(crate) async fn add(
        &self,
        writing: &mut Writing,
        record: &Record,
    ) -> Result<(), Unavailable> {
        let last = self.last_in(writing).await?;
        let (record, host) = self.with_host(record)?;
        let next = Link::after(last.as_ref(), self.clock.now(), &record)?;
        faults::at("record")?;
        sqlx::query("INSERT INTO audit (sequence, at, kind, call, host, record, previous, hash, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(i64::try_from(next.sequence).map_err(unavailable)?)
            .bind(next.at.to_string())
            .bind(record.kind())
            .bind(record.call().map(|call| call.to_string()))
            .bind(host)
            .bind(&next.record)
            .bind(next.previous.to_string())
            .bind(next.hash.to_string())
            .bind(self.key.seal(next.hash))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        *writing.last() = Some(Some(next));
        Ok(())
    }

    /// The last link. There is one wherever there was one: the removal of links is a link itself.
    pub(crate) async fn last_in(&self, writing: &mut Writing) -> Result<Option<Link>, Unavailable> {
        if let Some(last) = writing.last() {
            return Ok(last.clone());
        }
        let last = sqlx::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
        last.as_ref().map(link).transpose()
    }

    /// A record that names who carries the call, where it opens one.
    fn with_host<'a>(
        &self,
        record: &'a Record,
    ) -> Result<(Cow<'a, Record>, Option<String>), Unavailable> {
        let Record::Opened(opened) = record else { return Ok((Cow::Borrowed(record), None)) };
        let host = Some(self.lease.hold().map_err(unavailable)?);
        let opened = Opened { host: host.clone(), ..opened.clone() };
        Ok((Cow::Owned(Record::Opened(opened)), host))
    }

    /// Closes the entries that a host left open when it crashed; how many there were.
    pub async fn close_interrupted(&self) -> Result<u64, StateError> {
        let mut closed = 0_u64;
        for (call, host) in self.open_entries().await? {
            if !self.lease.is_dead(&host).map_err(unavailable)? {
                continue;
            }
            let admitted = self.was_admitted(call).await?;
            let detail = Some(if admitted { LOST } else { UNBEGUN }.to_owned());
            let ending = Ending { outcome: "interrupted".to_owned(), detail };
            // What the call did is not known; what was set aside for it gives back when it expires.
            let record = Closed {
                call,
                ending,
                cost: Cost::default(),
                tokens: 0,
                used: Tally::default(),
                millis: 0,
                notes: Vec::<Note>::new(),
            };
            let mut writing = self.write().await?;
            // Another host that starts now sees the same entries: the first one closes them.
            if is_open(&mut writing, call).await? {
                self.add(&mut writing, &Record::Closed(record)).await?;
                writing.commit().await?;
                closed = closed.saturating_add(1);
            }
            self.lease.bury(&host).map_err(unavailable)?;
        }
        Ok(closed)
    }

    async fn was_admitted(&self, call: CallId) -> Result<bool, Unavailable> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM audit WHERE call = ? AND kind = 'admitted')",
        )
        .bind(call.to_string())
        .fetch_one(self.read_pool())
        .await
        .map_err(unavailable)
    }

    async fn open_entries(&self) -> Result<Vec<(CallId, String)>, Unavailable> {
        let rows = sqlx::query(
            "SELECT call, host FROM audit AS opened WHERE kind = 'opened' \
             AND NOT EXISTS (SELECT 1 FROM audit AS closed WHERE closed.call = opened.call AND closed.kind = 'closed') \
             ORDER BY sequence DESC",
        )
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)?;
        let entry = |row: &SqliteRow| {
            let call: String = row.try_get("call").map_err(unavailable)?;
            let host: Option<String> = row.try_get("host").map_err(unavailable)?;
            Ok((CallId::from_uuid(call.parse().map_err(unavailable)?), host.unwrap_or_default()))
        };
        rows.iter().map(entry).collect()
    }

    /// The last link of the chain.
    pub(crate) async fn last_link(&self) -> Result<Option<Link>, Unavailable> {
        let row = sqlx::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?;
        row.as_ref().map(link).transpose()
    }

    pub(crate) async fn link_at(&self, sequence: u64) -> Result<Option<Link>, Unavailable> {
        let row = sqlx::query("SELECT * FROM audit WHERE sequence = ?")
            .bind(i64::try_from(sequence).map_err(unavailable)?)
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?;
        row.as_ref().map(link).transpose()
    }

    /// So many links after one, in the order of the chain.
    pub(crate) async fn links_after(&self, after: u64, most: u64) -> Result<Vec<Link>, StateError> {
        let rows = sqlx::query("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?")
            .bind(i64::try_from(after).map_err(unavailable)?)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)?;
        Ok(rows.iter().map(link).collect::<Result<_, _>>()?)
    }

    /// Links in the order of the chain.
    pub async fn links(&self, filter: LinkFilter) -> Result<Vec<Link>, StateError> {
        let rows = sqlx::query(
            "SELECT * FROM (SELECT * FROM audit WHERE sequence > ?1 AND (?2 IS NULL OR call = ?2) \
             ORDER BY sequence DESC LIMIT ?3) ORDER BY sequence",
        )
        .bind(i64::try_from(filter.after.unwrap_or(0)).map_err(unavailable)?)
        .bind(filter.call.map(|call| call.to_string()))
        .bind(filter.last.map_or(-1, i64::from))
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)?;
        Ok(rows.iter().map(link).collect::<Result<_, _>>()?)
    }
}

async fn is_open(writing: &mut Writing, call: CallId) -> Result<bool, Unavailable> {
    sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM audit WHERE call = ? AND kind = 'closed')")
        .bind(call.to_string())
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)
}

pub(crate) fn link(row: &SqliteRow) -> Result<Link, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    let sequence: i64 = row.try_get("sequence").map_err(unavailable)?;
    Ok(Link {
        sequence: u64::try_from(sequence).map_err(unavailable)?,
        at: text("at")?.parse().map_err(unavailable)?,
        record: text("record")?,
        previous: text("previous")?.parse().map_err(unavailable)?,
        hash: text("hash")?.parse().map_err(unavailable)?,
    })
}

/// Whether nothing was ever written.
pub(crate) async fn is_empty(pool: &SqlitePool) -> Result<bool, Unavailable> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM audit) AND NOT EXISTS (SELECT 1 FROM audit_removed)",
    )
    .fetch_one(pool)
    .await
    .map_err(unavailable)
}

impl State {
    /// Seals a trail that was written before there was a key, as it is found.
    pub(crate) async fn seal_what_is_there(&self) -> Result<(), StateError> {
        let mut writing = self.write().await?;
        let rows = sqlx::query("SELECT sequence, hash FROM audit WHERE seal IS NULL")
            .fetch_all(&mut *writing)
            .await
            .map_err(unavailable)?;
        for row in &rows {
            let hash: String = row.try_get("hash").map_err(unavailable)?;
            let Ok(hash) = hash.parse() else { continue };
            sqlx::query("UPDATE audit SET seal = ? WHERE sequence = ?")
                .bind(self.key.seal(hash))
                .bind(row.try_get::<i64, _>("sequence").map_err(unavailable)?)
                .execute(&mut *writing)
                .await
                .map_err(unavailable)?;
        }
        Ok(writing.commit().await?)
    }

    /// Makes the key of the trail of a database that is still to be made; what checkpoints of it are verified
    /// with. A key that is there stays.
    pub fn make_key(database: &Path) -> Result<PublicKey, StateError> {
        Ok(AuditKey::made_beside(database)?.public())
    }

    /// What checkpoints of this trail are verified with.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }
}

/// How a call ended that a crash cut off.
const LOST: &str = "the host ended before the call did; what the call did until then is not known";
const UNBEGUN: &str = "the host ended before the call was admitted; nothing of it has left";
