//! The audit trail: one chain, whoever writes.
use async_trait::async_trait;
use serde_json::Value;
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};
use toolward_gate::{
    AuditLog, CallId, Chain, Change, Closed, Cost, Digest, Ending, Link, Note, Record, Unavailable,
    Usage,
};

use crate::{State, StateError, budgets, unavailable};

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

/// What a check of the chain found.
#[derive(Clone, Debug)]
pub struct Verified {
    pub links: u64,
    /// The hash of the last link: noted elsewhere, it anchors the chain.
    pub head: Digest,
    pub fault: Option<Fault>,
}

/// The first place where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub sequence: u64,
    pub what: String,
}

#[async_trait]
impl AuditLog for State {
    async fn append(&self, record: &Record) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        self.add(&mut writing, record).await?;
        writing.commit().await.map_err(unavailable)
    }

    async fn close(&self, closed: Closed) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        let usage = Usage { cost: closed.cost, tokens: closed.tokens };
        budgets::settle(&mut writing, closed.call, usage).await?;
        self.add(&mut writing, &Record::Closed(closed)).await?;
        writing.commit().await.map_err(unavailable)
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
        writing: &mut Transaction<'static, Sqlite>,
        record: &Record,
    ) -> Result<(), Unavailable> {
        let last = sqlx::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
        let last = last.as_ref().map(link).transpose()?;
        let next = Link::after(last.as_ref(), self.clock.now(), record)?;
        let host = match record {
            Record::Opened(_) => Some(self.lease.hold().map_err(unavailable)?),
            Record::Closed(_) | Record::Changed(_) => None,
        };
        sqlx::query("INSERT INTO audit (sequence, at, kind, call, host, record, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(i64::try_from(next.sequence).map_err(unavailable)?)
            .bind(next.at.to_string())
            .bind(record.kind())
            .bind(record.call().map(|call| call.to_string()))
            .bind(host)
            .bind(next.record)
            .bind(next.previous.to_string())
            .bind(next.hash.to_string())
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    /// Closes the entries that a host left open when it crashed; how many there were.
    pub async fn close_interrupted(&self) -> Result<u64, StateError> {
        let mut closed = 0_u64;
        for (call, host) in self.open_entries().await? {
            if !self.lease.is_dead(&host).map_err(unavailable)? {
                continue;
            }
            let detail = Some("the host ended before the call did".to_owned());
            let ending = Ending { outcome: "interrupted".to_owned(), detail };
            // What the call did is not known; what was set aside for it gives back when it expires.
            let record = Closed {
                call,
                ending,
                cost: Cost::default(),
                tokens: 0,
                millis: 0,
                notes: Vec::<Note>::new(),
            };
            let mut writing = self.write().await?;
            // Another host that starts now sees the same entries: the first one closes them.
            if is_open(&mut writing, call).await? {
                self.add(&mut writing, &Record::Closed(record)).await?;
                writing.commit().await.map_err(unavailable)?;
                closed = closed.saturating_add(1);
            }
            self.lease.bury(&host).map_err(unavailable)?;
        }
        Ok(closed)
    }

    async fn open_entries(&self) -> Result<Vec<(CallId, String)>, Unavailable> {
        let rows = sqlx::query(
            "SELECT call, host FROM audit AS opened WHERE kind = 'opened' \
             AND NOT EXISTS (SELECT 1 FROM audit AS closed WHERE closed.call = opened.call AND closed.kind = 'closed')",
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

    /// Checks the whole chain; `progress` hears how many links of how many are done.
    pub async fn verify(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Verified, StateError> {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM audit")
            .fetch_one(self.read_pool())
            .await
            .map_err(unavailable)?;
        let total = u64::try_from(total).unwrap_or_default();
        let (mut chain, mut links, mut fault) = (Chain::default(), 0_u64, None);
        // A row before the first link is a fault, too.
        let mut next = i64::MIN;
        loop {
            let rows = self.batch_from(next).await?;
            for row in &rows {
                let sequence: i64 = row.try_get("sequence").map_err(unavailable)?;
                next = sequence.saturating_add(1);
                if let Err(what) = check(&mut chain, row) {
                    fault.get_or_insert(Fault {
                        sequence: u64::try_from(sequence).unwrap_or_default(),
                        what,
                    });
                }
                links = links.saturating_add(1);
            }
            progress(links, total);
            if rows.is_empty() || next == i64::MAX {
                return Ok(Verified { links, head: chain.head(), fault });
            }
        }
    }

    async fn batch_from(&self, sequence: i64) -> Result<Vec<SqliteRow>, Unavailable> {
        sqlx::query("SELECT * FROM audit WHERE sequence >= ? ORDER BY sequence LIMIT 1000")
            .bind(sequence)
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)
    }
}

/// A row that cannot even be read as a link is a fault of the chain, not of the database.
fn check(chain: &mut Chain, row: &SqliteRow) -> Result<(), String> {
    let link =
        link(row).map_err(|error| format!("it is not a link of the chain: {}", error.cause))?;
    chain.check(&link).map_err(str::to_owned)?;
    check_columns(row, &link)
}

/// The hash covers the record alone; the columns that rows are found by must say the same.
fn check_columns(row: &SqliteRow, link: &Link) -> Result<(), String> {
    let record: Value = serde_json::from_str(&link.record).map_err(|error| error.to_string())?;
    let agrees = |column: &str, field: &str| {
        let in_record = record.get(field).and_then(Value::as_str);
        row.try_get::<Option<String>, _>(column).is_ok_and(|found| found.as_deref() == in_record)
    };
    if agrees("kind", "record") && agrees("call", "call") {
        Ok(())
    } else {
        Err("it is filed under another kind or call than its record names".to_owned())
    }
}

async fn is_open(
    writing: &mut Transaction<'static, Sqlite>,
    call: CallId,
) -> Result<bool, Unavailable> {
    sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM audit WHERE call = ? AND kind = 'closed')")
        .bind(call.to_string())
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)
}

fn link(row: &SqliteRow) -> Result<Link, Unavailable> {
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
