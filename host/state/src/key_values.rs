//! What tools remember, each in a space of its own.
use async_trait::async_trait;
use toolward_gate::{Expected, KeyChange, KeyQuota, KeySpace, KeyValues, Unavailable};

use crate::{State, unavailable, writer::Writing};

#[async_trait]
impl KeyValues for State {
    async fn get(&self, space: &KeySpace, key: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        sqlx::query_scalar("SELECT value FROM key_values WHERE space = ? AND key = ?")
            .bind(space.text())
            .bind(key)
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)
    }

    async fn change(
        &self,
        space: &KeySpace,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        quota: KeyQuota,
    ) -> Result<KeyChange, Unavailable> {
        let space = space.text();
        // The write lock is held from here on: nobody changes anything in between.
        let mut writing = self.write().await?;
        if !holds(&mut writing, &space, key, expected).await? {
            return Ok(KeyChange::Unexpected);
        }
        match value {
            None => delete(&mut writing, &space, key).await?,
            Some(value) => {
                put(&mut writing, &space, key, value).await?;
                if !fits(&mut writing, &space, quota).await? {
                    // Dropped, the transaction is undone.
                    return Ok(KeyChange::OverQuota);
                }
            }
        }
        writing.commit().await?;
        Ok(KeyChange::Done)
    }

    async fn keys(
        &self,
        space: &KeySpace,
        prefix: &str,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<String>, Unavailable> {
        sqlx::query_scalar(
            "SELECT key FROM key_values WHERE space = ?1 AND key > ?2 AND substr(key, 1, length(?3)) = ?3 ORDER BY key LIMIT ?4",
        )
        .bind(space.text())
        .bind(after.unwrap_or_default())
        .bind(prefix)
        .bind(most)
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)
    }
}

async fn holds(
    writing: &mut Writing,
    space: &str,
    key: &str,
    expected: Expected<'_>,
) -> Result<bool, Unavailable> {
    if expected == Expected::Anything {
        return Ok(true);
    }
    let found: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT value FROM key_values WHERE space = ? AND key = ?")
            .bind(space)
            .bind(key)
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
    Ok(match expected {
        Expected::Anything => true,
        Expected::Nothing => found.is_none(),
        Expected::Something => found.is_some(),
        Expected::Value(value) => found.as_deref() == Some(value),
    })
}

async fn put(
    writing: &mut Writing,
    space: &str,
    key: &str,
    value: &[u8],
) -> Result<(), Unavailable> {
    sqlx::query("INSERT OR REPLACE INTO key_values (space, key, value) VALUES (?, ?, ?)")
        .bind(space)
        .bind(key)
        .bind(value)
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
    Ok(())
}

async fn delete(writing: &mut Writing, space: &str, key: &str) -> Result<(), Unavailable> {
    sqlx::query("DELETE FROM key_values WHERE space = ? AND key = ?")
        .bind(space)
        .bind(key)
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
    Ok(())
}

async fn fits(writing: &mut Writing, space: &str, quota: KeyQuota) -> Result<bool, Unavailable> {
    let (entries, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(octet_length(key) + length(value)), 0) FROM key_values WHERE space = ?",
    )
    .bind(space)
    .fetch_one(&mut **writing)
    .await
    .map_err(unavailable)?;
    let within = |found: i64, most: u64| u64::try_from(found).is_ok_and(|found| found <= most);
    Ok(within(entries, quota.entries) && within(bytes, quota.bytes))
}
