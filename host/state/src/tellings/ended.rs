//! Which messages about a question have to be changed, because it is decided?
use jiff::SignedDuration;
use sqlx::Row as _;
use toolward_gate::{ApprovalBook as _, ApprovalState, Request, Unavailable};

use crate::{State, micros, unavailable};

/// A question that is no longer open, and a message that still asks it.
#[derive(Clone, Debug)]
pub struct Ended {
    pub request: Request,
    pub teller: String,
    pub turn: i64,
    /// As the teller wrote it down.
    pub place: String,
    /// From 1.
    pub attempt: u32,
}

impl State {
    /// Takes what has to be changed now: nobody else does so in the next half minute.
    pub async fn take_ended(&self, tellers: &[String]) -> Result<Vec<Ended>, Unavailable> {
        let now = self.clock.now();
        let rows = sqlx::query(STANDING)
            .bind(micros(now))
            .bind(ATTEMPTS)
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)?;
        let mut ended = Vec::new();
        for row in rows {
            let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
            let (id, teller) = (text("approval")?, text("teller")?);
            let request = self.show(id.parse().map_err(unavailable)?).await?;
            let Some(request) = request.filter(|one| one.state != ApprovalState::Open) else {
                continue;
            };
            if !tellers.contains(&teller) {
                continue;
            }
            let (turn, place) = (row.try_get("turn").map_err(unavailable)?, text("place")?);
            let attempt = self.take_one(&id, &teller, turn).await?;
            let attempt = attempt.map(u32::try_from).transpose().map_err(unavailable)?;
            ended.extend(attempt.map(|attempt| Ended { request, teller, turn, place, attempt }));
        }
        Ok(ended)
    }

    /// Of several hosts, one takes it.
    async fn take_one(
        &self,
        id: &str,
        teller: &str,
        turn: i64,
    ) -> Result<Option<i64>, Unavailable> {
        let now = micros(self.clock.now());
        let mut writing = self.write().await?;
        let taken: Option<i64> = sqlx::query_scalar(TAKE)
            .bind(id)
            .bind(teller)
            .bind(turn)
            .bind(now)
            .bind(ATTEMPTS)
            .bind(now.saturating_add(TAKEN))
            .fetch_optional(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await?;
        Ok(taken)
    }

    /// Writes down that it was changed; or that it is to be tried again, after 1, 2, 4, 8 and 16 seconds, and then
    /// not any more.
    pub async fn ended(&self, ended: &Ended, done: bool) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let wait = 1_i64.checked_shl(ended.attempt.saturating_sub(1)).unwrap_or(i64::MAX);
        let next = now.checked_add(SignedDuration::from_secs(wait.min(60))).map_err(unavailable)?;
        let mut writing = self.write().await?;
        sqlx::query("UPDATE approval_tellings SET ended_at = ?4, next_at = ?5 WHERE approval = ?1 AND teller = ?2 AND turn = ?3")
            .bind(ended.request.id.to_string())
            .bind(&ended.teller)
            .bind(ended.turn)
            .bind(done.then(|| micros(now)))
            .bind(micros(next))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await
    }
}

/// Messages that still ask, which are few: an open question has one or two, and one that was decided soon none.
const STANDING: &str = "SELECT approval, teller, turn, place FROM approval_tellings \
    WHERE place IS NOT NULL AND ended_at IS NULL AND next_at <= ?1 AND attempts < ?2";
const TAKE: &str = "UPDATE approval_tellings SET attempts = attempts + 1, next_at = ?6 \
    WHERE approval = ?1 AND teller = ?2 AND turn = ?3 AND ended_at IS NULL AND next_at <= ?4 AND attempts < ?5 RETURNING attempts";
/// How often it is tried.
const ATTEMPTS: u32 = 6;
/// Microseconds that one who took it has.
const TAKEN: i64 = 30_000_000;
