//! Kill switches: they hold across restarts, and reach every host on this file.
use async_trait::async_trait;
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{
    Change, DenyList as _, Record, Switch, SwitchFeed, SwitchSet, SwitchTarget, Unavailable,
};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

#[async_trait]
impl SwitchFeed for State {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        let rows = sqlx::query(
            "SELECT * FROM switches WHERE expires_at IS NULL OR expires_at > ? ORDER BY target",
        )
        .bind(micros(self.clock.now()))
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)?;
        let thrown = rows.iter().map(switch).collect::<Result<_, _>>()?;
        Ok(SwitchSet { thrown, denials: self.denials().await? })
    }

    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        self.put(&mut writing, switch).await?;
        writing.commit().await
    }

    async fn count_towards(&self, switch: Switch, most: u32) -> Result<bool, Unavailable> {
        let mut writing = self.write().await?;
        let target = switch.target.to_string();
        let count: i64 = sqlx::query_scalar(
            "INSERT INTO counted (target, count) VALUES (?, 1) ON CONFLICT (target) DO UPDATE SET count = count + 1 RETURNING count",
        )
        .bind(&target)
        .fetch_one(&mut *writing)
        .await
        .map_err(unavailable)?;
        let thrown = self.is_thrown(&mut writing, &target).await?;
        let due = count >= i64::from(most);
        if due && !thrown {
            self.put(&mut writing, switch).await?;
        }
        writing.commit().await?;
        Ok(due || thrown)
    }

    async fn lift(
        &self,
        target: &SwitchTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable> {
        let mut writing = self.write().await?;
        sqlx::query("DELETE FROM counted WHERE target = ?")
            .bind(target.to_string())
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        // One that has gone off by itself is removed, too, but was not thrown any more.
        let was_thrown: Option<bool> = sqlx::query_scalar(
            "DELETE FROM switches WHERE target = ? RETURNING expires_at IS NULL OR expires_at > ?",
        )
        .bind(target.to_string())
        .bind(micros(self.clock.now()))
        .fetch_optional(&mut *writing)
        .await
        .map_err(unavailable)?;
        if was_thrown != Some(true) {
            writing.commit().await?;
            return Ok(false);
        }
        let change = Change {
            by: by.to_owned(),
            action: "kill-off".to_owned(),
            subject: target.to_string(),
            reason: reason.to_owned(),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await?;
        Ok(true)
    }
}

impl State {
    /// Writes a switch down, and that it was thrown.
    async fn put(&self, writing: &mut Writing, switch: Switch) -> Result<(), Unavailable> {
        sqlx::query("INSERT OR REPLACE INTO switches (target, reason, by, since, expires_at) VALUES (?, ?, ?, ?, ?)")
            .bind(switch.target.to_string())
            .bind(&switch.reason)
            .bind(&switch.by)
            .bind(micros(switch.since))
            .bind(switch.expires_at.map(micros))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        let Switch { target, reason, by, .. } = switch;
        let change =
            Change { by, action: "kill-on".to_owned(), subject: target.to_string(), reason };
        self.add(writing, &Record::Changed(change)).await
    }

    async fn is_thrown(&self, writing: &mut Writing, target: &str) -> Result<bool, Unavailable> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM switches WHERE target = ? AND (expires_at IS NULL OR expires_at > ?))",
        )
        .bind(target)
        .bind(micros(self.clock.now()))
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)
    }
}

/// A target that cannot be read fails the whole reading: an unknown switch is thrown, not skipped.
fn switch(row: &SqliteRow) -> Result<Switch, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    let expires_at: Option<i64> = row.try_get("expires_at").map_err(unavailable)?;
    Ok(Switch {
        target: text("target")?.parse().map_err(unavailable)?,
        reason: text("reason")?,
        by: text("by")?,
        since: timestamp(row.try_get("since").map_err(unavailable)?)?,
        expires_at: expires_at.map(timestamp).transpose()?,
    })
}
