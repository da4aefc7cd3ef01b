//! Who was told about a question, and who has to be told yet?
mod ended;

pub use ended::Ended;
use jiff::SignedDuration;
use toolward_gate::{ApprovalBook as _, ApprovalState, Change, Record, Request, Unavailable};

use crate::{State, micros, unavailable, writer::Writing};

/// A question that one teller has to tell people about, for one step of its chain.
#[derive(Clone, Debug)]
pub struct Telling {
    pub request: Request,
    pub teller: String,
    /// From 1.
    pub turn: usize,
    /// From 1.
    pub attempt: u32,
}

impl State {
    /// Takes what has to be told now: nobody else tells it in the next half minute. Where several hosts run, one of
    /// them takes it; where that one ends before it has told, another does so later.
    pub async fn take_tellings(&self, tellers: &[String]) -> Result<Vec<Telling>, Unavailable> {
        let open = self.list(Some(ApprovalState::Open)).await?;
        if open.is_empty() || tellers.is_empty() || !self.is_any_due(&open, tellers).await? {
            return Ok(Vec::new());
        }
        let mut writing = self.write().await?;
        let mut taken = Vec::new();
        for request in open {
            for teller in tellers {
                taken.extend(self.take(&mut writing, &request, teller).await?);
            }
        }
        writing.commit().await?;
        Ok(taken)
    }

    async fn is_any_due(&self, open: &[Request], tellers: &[String]) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        for request in open {
            for teller in tellers {
                let known: Option<bool> = sqlx::query_scalar(DUE)
                    .bind(request.id.to_string())
                    .bind(teller)
                    .bind(step(request, now))
                    .bind(micros(now))
                    .bind(ATTEMPTS)
                    .fetch_optional(self.read_pool())
                    .await
                    .map_err(unavailable)?;
                if known.unwrap_or(true) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn take(
        &self,
        writing: &mut Writing,
        request: &Request,
        teller: &str,
    ) -> Result<Option<Telling>, Unavailable> {
        let now = self.clock.now();
        let attempt: Option<i64> = sqlx::query_scalar(TAKE)
            .bind(request.id.to_string())
            .bind(teller)
            .bind(step(request, now))
            .bind(micros(now))
            .bind(ATTEMPTS)
            .bind(micros(now).saturating_add(TAKEN))
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
        let Some(attempt) = attempt else { return Ok(None) };
        let attempt = u32::try_from(attempt).map_err(unavailable)?;
        let (teller, turn) = (teller.to_owned(), request.filing.asked_by(now));
        Ok(Some(Telling { request: request.clone(), teller, turn, attempt }))
    }

    /// Writes down, in the trail too, that people were told; and where, if that can be changed later.
    pub async fn told(&self, telling: &Telling, place: Option<&str>) -> Result<(), Unavailable> {
        let mut writing = self.write().await?;
        sqlx::query("UPDATE approval_tellings SET told_at = ?, place = ?, attempts = 0, next_at = 0 WHERE approval = ? AND teller = ? AND turn = ?")
            .bind(micros(self.clock.now()))
            .bind(place)
            .bind(telling.request.id.to_string())
            .bind(&telling.teller)
            .bind(i64::try_from(telling.turn).map_err(unavailable)?)
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        let change = Change {
            by: "toolward".to_owned(),
            action: "approval-tell".to_owned(),
            subject: telling.request.id.to_string(),
            reason: format!("through {}, step {}", telling.teller, telling.turn),
        };
        self.add(&mut writing, &Record::Changed(change)).await?;
        writing.commit().await
    }

    /// Writes down that it is to be tried again: after 1, 2, 4, 8 and 16 seconds, and then not any more.
    pub async fn not_told(&self, telling: &Telling) -> Result<(), Unavailable> {
        let wait = 1_i64.checked_shl(telling.attempt.saturating_sub(1)).unwrap_or(i64::MAX);
        let next = self.clock.now().checked_add(SignedDuration::from_secs(wait.min(60)));
        let mut writing = self.write().await?;
        sqlx::query("UPDATE approval_tellings SET next_at = ? WHERE approval = ? AND teller = ? AND turn = ? AND told_at IS NULL")
            .bind(micros(next.map_err(unavailable)?))
            .bind(telling.request.id.to_string())
            .bind(&telling.teller)
            .bind(i64::try_from(telling.turn).map_err(unavailable)?)
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await
    }
}

fn step(request: &Request, now: jiff::Timestamp) -> i64 {
    i64::try_from(request.filing.asked_by(now)).unwrap_or(i64::MAX)
}

const DUE: &str = "SELECT told_at IS NULL AND next_at <= ?4 AND attempts < ?5 FROM approval_tellings WHERE approval = ?1 AND teller = ?2 AND turn = ?3";
const TAKE: &str = "INSERT INTO approval_tellings (approval, teller, turn, attempts, next_at) VALUES (?1, ?2, ?3, 1, ?6) \
    ON CONFLICT DO UPDATE SET attempts = attempts + 1, next_at = ?6 WHERE told_at IS NULL AND next_at <= ?4 AND attempts < ?5 RETURNING attempts";
/// How often it is tried.
const ATTEMPTS: u32 = 6;
/// Microseconds that one who took it has.
const TAKEN: i64 = 30_000_000;
