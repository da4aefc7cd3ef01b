//! Was this very request made before, and what was the answer?
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{CallId, Digest, Unavailable};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

/// What is known of a request that its client named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: whoever claimed it does it, and then keeps the answer or lets go.
    Yours,
    /// The same name was given to something else.
    OfAnother,
    /// Somebody does it, or a crash cut it off.
    Begun {
        call: CallId,
        at: Timestamp,
    },
    Answered(Kept),
    /// The principal has given too many names already.
    TooMany,
}

/// An answer as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub call: CallId,
    /// Of HTTP.
    pub status: u16,
    pub body: String,
}

impl State {
    /// Claims the name `key` of one principal for a request. It is kept for 24 hours.
    pub async fn claim(
        &self,
        principal: &str,
        key: &str,
        request: Digest,
        call: CallId,
    ) -> Result<Claim, Unavailable> {
        let now = self.clock.now();
        let mut writing = self.write().await?;
        sweep(&mut writing, now).await?;
        if let Some(found) = find(&mut writing, principal, key, now).await? {
            let claim = claim(&found, request)?;
            writing.commit().await?;
            return Ok(claim);
        }
        if count(&mut writing, principal).await? >= MOST {
            return Ok(Claim::TooMany);
        }
        sqlx::query("INSERT OR REPLACE INTO kept_answers (principal, key, request, call, begun_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(principal)
            .bind(key)
            .bind(request.to_string())
            .bind(call.to_string())
            .bind(micros(now))
            .bind(micros(now.checked_add(KEPT).map_err(unavailable)?))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await?;
        Ok(Claim::Yours)
    }

    /// Keeps the answer to a request that was claimed for this call.
    pub async fn keep(&self, principal: &str, key: &str, kept: &Kept) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        sqlx::query("UPDATE kept_answers SET status = ?, body = ? WHERE principal = ? AND key = ? AND call = ?")
            .bind(i64::from(kept.status))
            .bind(&kept.body)
            .bind(principal)
            .bind(key)
            .bind(kept.call.to_string())
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await
    }

    /// Lets go of a request that was claimed for this call: nothing was done, and it may be made again.
    pub async fn let_go(
        &self,
        principal: &str,
        key: &str,
        call: CallId,
    ) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        sqlx::query("DELETE FROM kept_answers WHERE principal = ? AND key = ? AND call = ? AND status IS NULL")
            .bind(principal)
            .bind(key)
            .bind(call.to_string())
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await
    }
}

async fn find(
    writing: &mut Writing,
    principal: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<SqliteRow>, Unavailable> {
    sqlx::query("SELECT * FROM kept_answers WHERE principal = ? AND key = ? AND expires_at > ?")
        .bind(principal)
        .bind(key)
        .bind(micros(now))
        .fetch_optional(&mut **writing)
        .await
        .map_err(unavailable)
}

fn claim(row: &SqliteRow, request: Digest) -> Result<Claim, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    if text("request")? != request.to_string() {
        return Ok(Claim::OfAnother);
    }
    let call = CallId::from_uuid(text("call")?.parse().map_err(unavailable)?);
    let status: Option<i64> = row.try_get("status").map_err(unavailable)?;
    match status {
        None => {
            let at = timestamp(row.try_get("begun_at").map_err(unavailable)?)?;
            Ok(Claim::Begun { call, at })
        }
        Some(status) => {
            let status = u16::try_from(status).map_err(unavailable)?;
            Ok(Claim::Answered(Kept { call, status, body: text("body")? }))
        }
    }
}

async fn count(writing: &mut Writing, principal: &str) -> Result<i64, Unavailable> {
    sqlx::query_scalar("SELECT count(*) FROM kept_answers WHERE principal = ?")
        .bind(principal)
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)
}

/// Removes some of those whose time is over: a little work each time.
async fn sweep(writing: &mut Writing, now: Timestamp) -> Result<(), Unavailable> {
    sqlx::query(
        "DELETE FROM kept_answers WHERE (principal, key) IN \
         (SELECT principal, key FROM kept_answers WHERE expires_at <= ? ORDER BY expires_at LIMIT 100)",
    )
    .bind(micros(now))
    .execute(&mut **writing)
    .await
    .map_err(unavailable)?;
    Ok(())
}

const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Names of one principal at once.
const MOST: i64 = 10_000;
