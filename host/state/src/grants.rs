//! Who may use a credential of somebody else, until when?
use async_trait::async_trait;
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{
    Change, CredentialGrant, CredentialName, GrantBook, Party, Record, ToolName, Unavailable,
};

use crate::{State, faults, micros, timestamp, unavailable};

#[async_trait]
impl GrantBook for State {
    async fn grants(
        &self,
        of: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        let rows = sqlx::query(
            "SELECT * FROM credential_grants WHERE ends_at > ?1 AND (?2 IS NULL OR credential = ?2) ORDER BY credential, party, tool",
        )
        .bind(micros(self.clock.now()))
        .bind(of.map(CredentialName::as_str))
        .fetch_all(self.read_pool())
        .await
        .map_err(unavailable)?;
        rows.iter().map(grant).collect()
    }

    async fn grant(&self, grant: CredentialGrant) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        faults::at("grant")?;
        sqlx::query("INSERT OR REPLACE INTO credential_grants (credential, party, tool, by, reason, since, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(grant.credential.as_str())
            .bind(grant.to.to_string())
            .bind(grant.tool.as_ref().map_or("", ToolName::as_str))
            .bind(&grant.by)
            .bind(&grant.reason)
            .bind(micros(grant.since))
            .bind(micros(grant.ends_at))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        faults::at("granted")?;
        let CredentialGrant { credential, to, tool, by, reason, ends_at, .. } = &grant;
        let subject = format!("{} until {ends_at}", subject(credential, to, tool.as_ref()));
        self.add(&mut writing, &change("credential-grant", by, subject, reason)).await?;
        writing.commit().await
    }

    async fn revoke(
        &self,
        credential: &CredentialName,
        to: &Party,
        tool: Option<&ToolName>,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable> {
        let mut writing = self.write().await?;
        let removed = sqlx::query(
            "DELETE FROM credential_grants WHERE credential = ? AND party = ? AND tool = ? AND ends_at > ?",
        )
        .bind(credential.as_str())
        .bind(to.to_string())
        .bind(tool.map_or("", ToolName::as_str))
        .bind(micros(self.clock.now()))
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        faults::at("revoked")?;
        let subject = subject(credential, to, tool);
        self.add(&mut writing, &change("credential-revoke", by, subject, reason)).await?;
        writing.commit().await.map(|()| true)
    }
}

fn grant(row: &SqliteRow) -> Result<CredentialGrant, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    let time = |column| timestamp(row.try_get(column).map_err(unavailable)?);
    let tool = text("tool")?;
    let tool = (!tool.is_empty()).then(|| tool.parse().map_err(unavailable)).transpose()?;
    Ok(CredentialGrant {
        credential: text("credential")?.parse().map_err(unavailable)?,
        to: text("party")?.parse().map_err(unavailable)?,
        tool,
        by: text("by")?,
        reason: text("reason")?,
        since: time("since")?,
        ends_at: time("ends_at")?,
    })
}

fn subject(credential: &CredentialName, to: &Party, tool: Option<&ToolName>) -> String {
    let with = tool.map(|tool| format!(" with the tool {tool}")).unwrap_or_default();
    format!("{credential} to {to}{with}")
}

fn change(action: &str, by: &str, subject: String, reason: &str) -> Record {
    Record::Changed(Change {
        by: by.to_owned(),
        action: action.to_owned(),
        subject,
        reason: reason.to_owned(),
    })
}
