//! What was taken back: tokens, subjects and issuers, and the static keys of this host.
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{
    API_KEY_ISSUER, ApiKey, ApiKeys, Change, Denial, DenialTarget, Denials, DenyList, Record,
    Unavailable,
};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

/// The denials as they were read last. They are read again once one was added or taken back, or the next of them
/// is forgotten: every host asks again and again, and seldom is there anything new.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Option<Reading>>);

#[derive(Clone)]
struct Reading {
    version: i64,
    /// Microseconds since 1970.
    good_until: i64,
    denials: Denials,
}

#[async_trait]
impl DenyList for State {
    async fn denials(&self) -> Result<Denials, Unavailable> {
        let version: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'denied'")
                .fetch_optional(self.read_pool())
                .await
                .map_err(unavailable)?;
        let (version, now) = (version.unwrap_or(0), micros(self.clock.now()));
        if let Some(seen) = self.seen.good(version, now) {
            return Ok(seen);
        }
        let denials = self.read_denials(now).await?;
        self.seen.keep(version, &denials);
        Ok(denials)
    }

    async fn deny(&self, denial: Denial) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        self.put_denial(&mut writing, &denial).await?;
        let change = Change {
            by: denial.by,
            action: "token-deny".to_owned(),
            subject: denial.target.to_string(),
            reason: denial.reason,
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await
    }

    async fn allow(
        &self,
        target: &DenialTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable> {
        let mut writing = self.write().await?;
        let removed = sqlx::query("DELETE FROM denied WHERE target = ?")
            .bind(name(target)?)
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        if removed.rows_affected() == 0 {
            writing.commit().await?;
            return Ok(false);
        }
        sqlx::query("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'denied'")
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        let change = Change {
            by: by.to_owned(),
            action: "token-allow".to_owned(),
            subject: target.to_string(),
            reason: reason.to_owned(),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl ApiKeys for State {
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, Unavailable> {
        let row = sqlx::query("SELECT * FROM api_keys WHERE id = ?")
            .bind(id)
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?;
        row.as_ref().map(api_key).transpose()
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, Unavailable> {
        let rows = sqlx::query("SELECT * FROM api_keys ORDER BY created_at, id")
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)?;
        rows.iter().map(api_key).collect()
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Unavailable> {
        let hash = key.hash.ok_or_else(|| unavailable("the key has no hash"))?;
        let mut writing = self.write().await?;
        sqlx::query(
            "INSERT INTO api_keys (id, hash, key, created_at, ends_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&key.id)
        .bind(hash.to_string())
        .bind(serde_json::to_string(key).map_err(unavailable)?)
        .bind(micros(key.created_at))
        .bind(micros(key.ends_at))
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        let change = Change {
            by: key.by.clone(),
            action: "api-key-create".to_owned(),
            subject: key.id.clone(),
            reason: format!("for {} until {}", key.principal, key.ends_at),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await
    }

    async fn revoke_api_key(&self, id: &str, by: &str, reason: &str) -> Result<bool, Unavailable> {
        let (mut writing, now) = (self.write().await?, self.clock.now());
        let ends_at: Option<i64> = sqlx::query_scalar(
            "UPDATE api_keys SET revoked_at = ?1 WHERE id = ?2 AND revoked_at IS NULL AND ends_at > ?1 RETURNING ends_at",
        )
        .bind(micros(now))
        .bind(id)
        .fetch_optional(&mut *writing)
        .await
        .map_err(unavailable)?;
        let Some(ends_at) = ends_at else {
            writing.commit().await?;
            return Ok(false);
        };
        // What runs with the key ends with it, and so does what it was exchanged for.
        let (issuer, id) = (API_KEY_ISSUER.to_owned(), id.to_owned());
        let denial = Denial {
            target: DenialTarget::Token { issuer, id: id.clone(), tree: true },
            reason: reason.to_owned(),
            by: by.to_owned(),
            since: now,
            expires_at: Some(timestamp(ends_at)?),
        };
        self.put_denial(&mut writing, &denial).await?;
        let change = Change {
            by: by.to_owned(),
            action: "api-key-revoke".to_owned(),
            subject: id,
            reason: reason.to_owned(),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await?;
        Ok(true)
    }
}

impl State {
    async fn read_denials(&self, now: i64) -> Result<Denials, Unavailable> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT denial FROM denied WHERE expires_at IS NULL OR expires_at > ? ORDER BY id",
        )
        .bind(now)
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)?;
        // One that cannot be read fails the whole reading: it would deny somebody.
        let denials: Result<Vec<Denial>, _> =
            rows.iter().map(|text| serde_json::from_str(text)).collect();
        Ok(Denials::of(denials.map_err(unavailable)?))
    }

    /// Writes a denial down, and forgets those whose time is over. One of the same target that lasts longer keeps
    /// its end: nothing that is said about a token makes it good again.
    async fn put_denial(&self, writing: &mut Writing, denial: &Denial) -> Result<(), Unavailable> {
        sqlx::query("DELETE FROM denied WHERE expires_at <= ?")
            .bind(micros(self.clock.now()))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        let before: Option<Option<i64>> =
            sqlx::query_scalar("DELETE FROM denied WHERE target = ? RETURNING expires_at")
                .bind(name(&denial.target)?)
                .fetch_optional(&mut **writing)
                .await
                .map_err(unavailable)?;
        let before = before.map(|end| end.map(timestamp).transpose()).transpose()?;
        let denial = Denial { expires_at: later(denial.expires_at, before), ..denial.clone() };
        sqlx::query("INSERT INTO denied (target, denial, expires_at) VALUES (?, ?, ?)")
            .bind(name(&denial.target)?)
            .bind(serde_json::to_string(&denial).map_err(unavailable)?)
            .bind(denial.expires_at.map(micros))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

/// The later end, where `None` is never.
fn later(end: Option<Timestamp>, before: Option<Option<Timestamp>>) -> Option<Timestamp> {
    match before {
        None => end,
        Some(before) => Some(end?.max(before?)),
    }
}

impl Seen {
    fn good(&self, version: i64, now: i64) -> Option<Denials> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let good = seen.as_ref().filter(|one| one.version == version && now < one.good_until)?;
        Some(good.denials.clone())
    }

    /// `version` was read before the denials: what came between is read once more, and not missed.
    fn keep(&self, version: i64, denials: &Denials) {
        let ends = denials.all().iter().filter_map(|one| one.expires_at.map(micros));
        let good_until = ends.min().unwrap_or(i64::MAX);
        let reading = Reading { version, good_until, denials: denials.clone() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }
}

/// One text for one target.
fn name(target: &DenialTarget) -> Result<String, Unavailable> {
    serde_json::to_string(target).map_err(unavailable)
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    let revoked_at: Option<i64> = row.try_get("revoked_at").map_err(unavailable)?;
    let key: ApiKey = serde_json::from_str(&text("key")?).map_err(unavailable)?;
    Ok(ApiKey {
        hash: Some(text("hash")?.parse().map_err(unavailable)?),
        revoked_at: revoked_at.map(timestamp).transpose()?,
        ..key
    })
}
