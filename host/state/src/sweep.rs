//! What becomes of rows that nothing looks at any more? A few of them leave at a time, so that no call waits long.
use sqlx::SqliteConnection;
use toolward_gate::Unavailable;

use crate::{State, budgets::GREATEST, faults, micros, unavailable};

/// How many rows one sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Of what calls used: they are out of every window, and were added up.
    pub uses: u64,
    /// Questions that expired a month ago.
    pub approvals: u64,
    /// Grants that have ended.
    pub grants: u64,
}

impl Swept {
    /// Whether there was not more to remove than one sweep does.
    pub fn is_all(&self) -> bool {
        [self.uses, self.approvals, self.grants].iter().all(|one| *one < BATCH.unsigned_abs())
    }
}

impl State {
    /// Removes some of what is over: a bounded number of rows, in one transaction. Where there is none, nothing
    /// is written.
    pub async fn sweep(&self) -> Result<Swept, Unavailable> {
        let now = micros(self.clock.now());
        let over = now.saturating_sub(KEPT);
        let mut reading = self.read_pool().acquire().await.map_err(unavailable)?;
        if !anything(&mut reading, now, over).await? {
            return Ok(Swept::default());
        }
        drop(reading);
        let mut writing = self.write().await?;
        faults::at("sweep")?;
        run(&mut writing, ADD_UP, &[over, now, BATCH, GREATEST]).await?;
        faults::at("sweep-added")?;
        let uses = run(&mut writing, REMOVE_USES, &[over, now, BATCH]).await?;
        run(&mut writing, REMOVE_TELLINGS, &[over, BATCH]).await?;
        run(&mut writing, REMOVE_LINKS, &[over, BATCH]).await?;
        let approvals = run(&mut writing, REMOVE_APPROVALS, &[over, BATCH]).await?;
        let grants = run(&mut writing, REMOVE_GRANTS, &[now, BATCH]).await?;
        writing.commit().await?;
        Ok(Swept { uses, approvals, grants })
    }
}

async fn anything(
    reading: &mut SqliteConnection,
    now: i64,
    over: i64,
) -> Result<bool, Unavailable> {
    sqlx::query_scalar(ANYTHING)
        .bind(over)
        .bind(now)
        .fetch_one(&mut *reading)
        .await
        .map_err(unavailable)
}

async fn run(
    connection: &mut SqliteConnection,
    statement: &'static str,
    values: &[i64],
) -> Result<u64, Unavailable> {
    let query = values.iter().fold(sqlx::query(statement), |query, value| query.bind(*value));
    let done = query.execute(&mut *connection).await.map_err(unavailable)?;
    Ok(done.rows_affected())
}

const ANYTHING: &str = "SELECT EXISTS (SELECT 1 FROM uses WHERE at < ?1 AND (settled = 1 OR expires_at <= ?2)) \
     OR EXISTS (SELECT 1 FROM approvals WHERE expires_at < ?1) \
     OR EXISTS (SELECT 1 FROM credential_grants WHERE ends_at <= ?2)";

/// What left every window stays in the sums in total. The order is the same as below: the same rows.
const ADD_UP: &str = "INSERT INTO used_before \
     SELECT principal, tool, provider, own, sum(provider = '' AND own = 1), \
     sum(CASE WHEN settled = 1 THEN cost ELSE spent_cost END), \
     sum(CASE WHEN settled = 1 THEN tokens ELSE spent_tokens END), \
     sum(CASE WHEN settled = 1 THEN requests ELSE spent_requests END), \
     sum(CASE WHEN settled = 1 THEN bytes ELSE spent_bytes END) \
     FROM (SELECT * FROM uses WHERE at < ?1 AND (settled = 1 OR expires_at <= ?2) \
     ORDER BY at, call, tool, provider LIMIT ?3) WHERE true GROUP BY principal, tool, provider, own \
     ON CONFLICT (principal, tool, provider, own) DO UPDATE SET calls = calls + excluded.calls, \
     cost = min(?4, cost + excluded.cost), tokens = min(?4, tokens + excluded.tokens), \
     requests = min(?4, requests + excluded.requests), bytes = min(?4, bytes + excluded.bytes)";
const REMOVE_USES: &str = "DELETE FROM uses WHERE (call, tool, provider) IN \
     (SELECT call, tool, provider FROM uses WHERE at < ?1 AND (settled = 1 OR expires_at <= ?2) \
     ORDER BY at, call, tool, provider LIMIT ?3)";
/// Those of the questions that leave next.
const REMOVE_TELLINGS: &str = "DELETE FROM approval_tellings WHERE approval IN \
     (SELECT id FROM approvals WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)";
const REMOVE_LINKS: &str = "DELETE FROM approval_links WHERE approval IN \
     (SELECT id FROM approvals WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)";
const REMOVE_APPROVALS: &str = "DELETE FROM approvals WHERE id IN \
     (SELECT id FROM approvals WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2)";
const REMOVE_GRANTS: &str = "DELETE FROM credential_grants WHERE (credential, party, tool) IN \
     (SELECT credential, party, tool FROM credential_grants WHERE ends_at <= ?1 LIMIT ?2)";

/// Rows of one kind that leave in one sweep.
const BATCH: i64 = 500;
/// The longest month, and a day for clocks that are set back. In microseconds.
const KEPT: i64 = 32 * 24 * 60 * 60 * 1_000_000;
