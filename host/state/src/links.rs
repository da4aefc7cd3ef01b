//! What comes back from messages: links that serve once, and signed answers that count once.
use std::str::FromStr as _;

use jiff::SignedDuration;
use sqlx::Row as _;
use toolward_gate::{Answer, ApprovalId, DecideError, Digest, Request, Unavailable};
use uuid::Uuid;

use crate::{State, micros, unavailable};

/// A link that one person was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub approval: ApprovalId,
    /// To whom.
    pub person: String,
}

/// Why a link leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the link was used, is over, or never was; `toolward approval list` shows what waits")]
    Gone,
    #[error(transparent)]
    Undecided(#[from] DecideError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl State {
    /// Makes a link for one person, good until the question can no longer be answered. It is unguessable, and only
    /// its digest is kept.
    pub async fn make_link(&self, request: &Request, person: &str) -> Result<String, Unavailable> {
        let word = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut writing = self.write().await?;
        sqlx::query(
            "INSERT INTO approval_links (digest, approval, person, expires_at) VALUES (?, ?, ?, ?)",
        )
        .bind(Digest::of(word.as_bytes()).to_string())
        .bind(request.id.to_string())
        .bind(person)
        .bind(micros(request.filing.open_until()))
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        writing.commit().await?;
        Ok(word)
    }

    /// What a link is about. It stays as it is.
    pub async fn follow_link(&self, word: &str) -> Result<Link, LinkError> {
        let row = sqlx::query("SELECT approval, person FROM approval_links WHERE digest = ? AND used_at IS NULL AND expires_at > ?")
            .bind(Digest::of(word.as_bytes()).to_string())
            .bind(micros(self.clock.now()))
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?
            .ok_or(LinkError::Gone)?;
        let approval: String = row.try_get("approval").map_err(unavailable)?;
        let approval = ApprovalId::from_str(&approval).map_err(unavailable)?;
        Ok(Link { approval, person: row.try_get("person").map_err(unavailable)? })
    }

    /// Takes an answer that came by a link, and uses the link up: of several who try, one does. What is no answer
    /// leaves it as it was.
    pub async fn decide_by_link(&self, word: &str, answer: Answer) -> Result<Request, LinkError> {
        let mut writing = self.write().await?;
        let approval: Option<String> = sqlx::query_scalar("UPDATE approval_links SET used_at = ?1 WHERE digest = ?2 AND used_at IS NULL AND expires_at > ?1 RETURNING approval")
            .bind(micros(self.clock.now()))
            .bind(Digest::of(word.as_bytes()).to_string())
            .fetch_optional(&mut *writing)
            .await
            .map_err(unavailable)?;
        let approval =
            ApprovalId::from_str(&approval.ok_or(LinkError::Gone)?).map_err(unavailable)?;
        let request = self.take_answer(&mut writing, approval, answer).await?;
        writing.commit().await?;
        self.answered.notify_waiters();
        Ok(request)
    }

    /// Whether a signed answer comes for the first time. It is kept for an hour, which is longer than any signature
    /// is believed.
    pub async fn is_first_answer(&self, signature: &str) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        let over = now.checked_sub(SignedDuration::from_hours(1)).map_err(unavailable)?;
        let mut writing = self.write().await?;
        sqlx::query("DELETE FROM approval_answers_seen WHERE at < ?")
            .bind(micros(over))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        let kept = sqlx::query(
            "INSERT OR IGNORE INTO approval_answers_seen (signature, at) VALUES (?, ?)",
        )
        .bind(signature)
        .bind(micros(now))
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        writing.commit().await?;
        Ok(kept.rows_affected() == 1)
    }
}
