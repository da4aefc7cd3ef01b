//! Where questions wait for answers.
use std::{str::FromStr as _, time::Duration};

use async_trait::async_trait;
use sqlx::{Row as _, sqlite::SqliteRow};
use tokio::time::Instant;
use toolward_gate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Change, DecideError, Filing, Record, Refusal,
    Request, ReserveError, Unavailable, Verdict,
};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

#[async_trait]
impl ApprovalBook for State {
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, Unavailable> {
        let mut writing = self.write().await?;
        if let Some(id) = same_question(&mut writing, filing).await? {
            return Ok(id);
        }
        let id = ApprovalId::generate();
        sqlx::query("INSERT INTO approvals (id, digest, state, filing, answers, filed_at, expires_at) VALUES (?, ?, 'open', ?, '[]', ?, ?)")
            .bind(id.to_string())
            .bind(filing.digest.digest().to_string())
            .bind(serde_json::to_string(filing).map_err(unavailable)?)
            .bind(micros(filing.filed_at))
            .bind(micros(filing.expires_at))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)?;
        Ok(id)
    }

    async fn wait(&self, id: ApprovalId, patience: Duration) -> Result<Request, Unavailable> {
        let until = Instant::now().checked_add(patience).unwrap_or_else(Instant::now);
        loop {
            let answered = self.answered.notified();
            let request =
                self.show(id).await?.ok_or_else(|| unavailable("the question is gone"))?;
            if request.state != ApprovalState::Open || Instant::now() >= until {
                return Ok(request);
            }
            // Another process may answer, and cannot wake this one.
            let next_look = Instant::now().checked_add(LOOK).unwrap_or(until).min(until);
            let _ = tokio::time::timeout_at(next_look, answered).await;
        }
    }

    async fn list(&self, state: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        let rows = sqlx::query("SELECT * FROM approvals ORDER BY filed_at DESC, id")
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)?;
        let mut requests =
            rows.iter().map(|row| self.request(row)).collect::<Result<Vec<_>, _>>()?;
        requests.retain(|request| state.is_none_or(|state| request.state == state));
        Ok(requests)
    }

    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable> {
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?;
        row.as_ref().map(|row| self.request(row)).transpose()
    }

    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError> {
        let mut writing = self.write().await?;
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *writing)
            .await
            .map_err(unavailable)?;
        let mut request = self.request(&row.ok_or(DecideError::Unknown(id))?)?;
        may_answer(&request, &answer)?;
        let record = Record::Changed(change(&request, &answer));
        request.answers.push(answer);
        request.state = state_after(&request);
        self.save(&mut writing, &request).await?;
        self.add(&mut writing, &record).await?;
        writing.commit().await.map_err(unavailable)?;
        self.answered.notify_waiters();
        Ok(request)
    }
}

impl State {
    fn request(&self, row: &SqliteRow) -> Result<Request, Unavailable> {
        let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
        let expires_at = timestamp(row.try_get("expires_at").map_err(unavailable)?)?;
        let state = match text("state")?.as_str() {
            "denied" => ApprovalState::Denied,
            "spent" => ApprovalState::Spent,
            "open" | "approved" if expires_at <= self.clock.now() => ApprovalState::Expired,
            "open" => ApprovalState::Open,
            "approved" => ApprovalState::Approved,
            other => return Err(unavailable(format_args!("an approval is `{other}`"))),
        };
        Ok(Request {
            id: ApprovalId::from_str(&text("id")?).map_err(unavailable)?,
            filing: serde_json::from_str(&text("filing")?).map_err(unavailable)?,
            state,
            answers: serde_json::from_str(&text("answers")?).map_err(unavailable)?,
        })
    }

    async fn save(&self, writing: &mut Writing, request: &Request) -> Result<(), Unavailable> {
        let state = match request.state {
            ApprovalState::Approved => "approved",
            ApprovalState::Denied => "denied",
            ApprovalState::Spent => "spent",
            ApprovalState::Open | ApprovalState::Expired => "open",
        };
        sqlx::query("UPDATE approvals SET state = ?, answers = ? WHERE id = ?")
            .bind(state)
            .bind(serde_json::to_string(&request.answers).map_err(unavailable)?)
            .bind(request.id.to_string())
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

/// Spends a yes, so that it serves one call: of several who try, one wins.
pub(crate) async fn spend(
    writing: &mut Writing,
    id: ApprovalId,
    now: i64,
) -> Result<(), ReserveError> {
    let spent = sqlx::query("UPDATE approvals SET state = 'spent' WHERE id = ? AND state = 'approved' AND expires_at > ?")
        .bind(id.to_string())
        .bind(now)
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
    if spent.rows_affected() == 1 { Ok(()) } else { Err(Refusal::AlreadySpent.into()) }
}

/// The question already filed for the same call, open or approved and still good. A denied one stands
/// until it expires, so that asking again does not ask another person.
async fn same_question(
    writing: &mut Writing,
    filing: &Filing,
) -> Result<Option<ApprovalId>, Unavailable> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM approvals WHERE digest = ? AND state IN ('open', 'approved', 'denied') AND expires_at > ? ORDER BY filed_at DESC LIMIT 1",
    )
    .bind(filing.digest.digest().to_string())
    .bind(micros(filing.filed_at))
    .fetch_optional(&mut **writing)
    .await
    .map_err(unavailable)?;
    id.map(|id| ApprovalId::from_str(&id).map_err(unavailable)).transpose()
}

fn may_answer(request: &Request, answer: &Answer) -> Result<(), DecideError> {
    let filing = &request.filing;
    if filing.is_party(&answer.by) {
        return Err(DecideError::OwnCall(answer.by.clone()));
    }
    if !filing.may_answer(&answer.roles) {
        let roles = filing.approvers.roles.iter().cloned().collect();
        return Err(DecideError::NotAnApprover { by: answer.by.clone(), roles });
    }
    if request.state != ApprovalState::Open {
        return Err(DecideError::NotOpen { id: request.id, state: request.state });
    }
    if request.answers.iter().any(|earlier| earlier.by == answer.by) {
        return Err(DecideError::AnsweredBefore(answer.by.clone()));
    }
    Ok(())
}

/// Denied with the first no, approved with the last yes that is needed.
fn state_after(request: &Request) -> ApprovalState {
    if request.answers.iter().any(|answer| answer.verdict == Verdict::Deny) {
        return ApprovalState::Denied;
    }
    let enough = request.answers.len() >= usize::from(request.filing.approvers.count.max(1));
    if enough { ApprovalState::Approved } else { ApprovalState::Open }
}

fn change(request: &Request, answer: &Answer) -> Change {
    let action = match answer.verdict {
        Verdict::Approve => "approval-approve",
        Verdict::Deny => "approval-deny",
    };
    Change {
        by: answer.by.clone(),
        action: action.to_owned(),
        subject: request.id.to_string(),
        reason: answer.comment.clone(),
    }
}

/// How often a waiting call looks for an answer that another process wrote.
const LOOK: Duration = Duration::from_millis(100);
