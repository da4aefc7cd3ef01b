//! What each tool was last accepted as, and what is kept back.
use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{
    AcceptanceBook, Acceptances, Accepted, Change, ComponentName, Definition, Digest, KeptBack,
    Record, ToolName, Unavailable,
};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

#[async_trait]
impl AcceptanceBook for State {
    async fn acceptances(&self) -> Result<Acceptances, Unavailable> {
        let accepted = sqlx::query("SELECT * FROM accepted_tools").fetch_all(self.read_pool());
        let accepted = accepted.await.map_err(unavailable)?;
        let kept_back = sqlx::query("SELECT * FROM kept_back_tools").fetch_all(self.read_pool());
        let kept_back = kept_back.await.map_err(unavailable)?;
        Ok(Acceptances {
            accepted: accepted.iter().map(self::accepted).collect::<Result<_, _>>()?,
            kept_back: kept_back.iter().map(self::kept_back).collect::<Result<_, _>>()?,
        })
    }

    async fn accept(
        &self,
        definition: &Definition,
        by: &str,
        reason: &str,
    ) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        self.put_accepted(&mut writing, definition, by).await?;
        forget(&mut writing, &definition.tool).await?;
        let change = Change {
            by: by.to_owned(),
            action: "tool-accept".to_owned(),
            subject: subject(definition),
            reason: reason.to_owned(),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await
    }

    async fn accept_first(&self, definitions: &[Definition], by: &str) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        // One record for one component: its tools came together.
        let mut new: BTreeMap<(&ComponentName, Digest), Vec<&str>> = BTreeMap::new();
        for definition in definitions {
            let known: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accepted_tools WHERE tool = ?)")
                    .bind(definition.tool.as_str())
                    .fetch_one(&mut *writing)
                    .await
                    .map_err(unavailable)?;
            if !known {
                self.put_accepted(&mut writing, definition, by).await?;
                forget(&mut writing, &definition.tool).await?;
                let tools = new.entry((&definition.component, definition.digest)).or_default();
                tools.push(definition.tool.as_str());
            }
        }
        for ((component, digest), tools) in new {
            let change = Change {
                by: by.to_owned(),
                action: "tool-accept".to_owned(),
                subject: format!("{component} {digest}"),
                reason: format!("the first under these names: {}", tools.join(", ")),
            };
            self.add(&mut writing, &Record::Changed(change)).await?;
        }
        writing.commit().await
    }

    async fn keep_back(&self, definition: &Definition, reason: &str) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        let text = serde_json::to_string(definition).map_err(unavailable)?;
        let noted = sqlx::query(
            "INSERT INTO kept_back_tools (tool, definition, since) VALUES (?1, ?2, ?3) \
             ON CONFLICT (tool) DO UPDATE SET definition = ?2, since = ?3 WHERE definition <> ?2",
        )
        .bind(definition.tool.as_str())
        .bind(text)
        .bind(micros(self.clock.now()))
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        if noted.rows_affected() > 0 {
            let change = Change {
                by: "host".to_owned(),
                action: "tool-kept-back".to_owned(),
                subject: subject(definition),
                reason: reason.to_owned(),
            };
            self.add(&mut writing, &Record::Changed(change)).await?;
        }
        writing.commit().await
    }

    async fn release(&self, tool: &ToolName) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        forget(&mut writing, tool).await?;
        writing.commit().await
    }
}

impl State {
    async fn put_accepted(
        &self,
        writing: &mut Writing,
        definition: &Definition,
        by: &str,
    ) -> Result<(), Unavailable> {
        sqlx::query(
            "INSERT OR REPLACE INTO accepted_tools (tool, definition, accepted_by, accepted_at) VALUES (?, ?, ?, ?)",
        )
        .bind(definition.tool.as_str())
        .bind(serde_json::to_string(definition).map_err(unavailable)?)
        .bind(by)
        .bind(micros(self.clock.now()))
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
        Ok(())
    }
}

async fn forget(writing: &mut Writing, tool: &ToolName) -> Result<(), Unavailable> {
    sqlx::query("DELETE FROM kept_back_tools WHERE tool = ?")
        .bind(tool.as_str())
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
    Ok(())
}

fn subject(definition: &Definition) -> String {
    format!("{} in {} {}", definition.tool, definition.component, definition.digest)
}

fn accepted(row: &SqliteRow) -> Result<(ToolName, Accepted), Unavailable> {
    let definition = definition(row)?;
    let by = row.try_get("accepted_by").map_err(unavailable)?;
    let at = timestamp(row.try_get("accepted_at").map_err(unavailable)?)?;
    Ok((definition.tool.clone(), Accepted { definition, by, at }))
}

fn kept_back(row: &SqliteRow) -> Result<(ToolName, KeptBack), Unavailable> {
    let definition = definition(row)?;
    let since = timestamp(row.try_get("since").map_err(unavailable)?)?;
    Ok((definition.tool.clone(), KeptBack { definition, since }))
}

fn definition(row: &SqliteRow) -> Result<Definition, Unavailable> {
    let text: String = row.try_get("definition").map_err(unavailable)?;
    serde_json::from_str(&text).map_err(unavailable)
}
