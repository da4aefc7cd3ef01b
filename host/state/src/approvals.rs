//! Where questions wait for answers.
use std::{collections::BTreeSet, str::FromStr as _, time::Duration};

use async_trait::async_trait;
use sqlx::{Row as _, sqlite::SqliteRow};
use tokio::time::Instant;
use toolward_gate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Change, DecideError, DenyList as _, FileError,
    Filing, Record, Refusal, Request, ReserveError, Unavailable, Verdict,
};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

#[async_trait]
impl ApprovalBook for State {
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, FileError> {
        let filing = filing.clone().ask_in_turn(&self.asking.chain)?;
        let mut writing = self.write().await?;
        if let Some(id) = same_question(&mut writing, &filing).await? {
            return Ok(id);
        }
        self.has_room(&mut writing, &filing).await?;
        let filing = compared(&mut writing, filing).await?;
        let id = ApprovalId::generate();
        sqlx::query("INSERT INTO approvals (id, digest, state, filing, answers, filed_at, expires_at, principal, open_until, access, tool) VALUES (?, ?, 'open', ?, '[]', ?, ?, ?, ?, ?, ?)")
            .bind(id.to_string())
            .bind(filing.digest.digest().to_string())
            .bind(serde_json::to_string(&filing).map_err(unavailable)?)
            .bind(micros(filing.filed_at))
            .bind(micros(filing.expires_at))
            .bind(&filing.principal)
            .bind(micros(filing.open_until()))
            .bind(filing.access.is_some())
            .bind(filing.tool.as_str())
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        if let Some(wanted) = access_wanted(id, &filing) {
            self.add(&mut writing, &Record::Changed(wanted)).await?;
        }
        writing.commit().await?;
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
        // What is good by now is so in the table, too; what is open may have been approved by one who lost the role.
        let among = match state {
            Some(ApprovalState::Open) => {
                "SELECT * FROM approvals WHERE state = 'open' OR state = 'approved' AND expires_at > ? ORDER BY filed_at DESC, id"
            }
            Some(ApprovalState::Approved) => {
                "SELECT * FROM approvals WHERE state = 'approved' ORDER BY filed_at DESC, id"
            }
            Some(ApprovalState::Denied | ApprovalState::Spent | ApprovalState::Expired) | None => {
                "SELECT * FROM approvals ORDER BY filed_at DESC, id"
            }
        };
        let mut query = sqlx::query(among);
        if state == Some(ApprovalState::Open) {
            query = query.bind(micros(self.clock.now()));
        }
        let rows = query.fetch_all(self.read_pool()).await.map_err(unavailable)?;
        let mut requests = self.requests(&rows).await?;
        requests.retain(|request| state.is_none_or(|state| request.state == state));
        Ok(requests)
    }

    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable> {
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(self.read_pool())
            .await
            .map_err(unavailable)?;
        Ok(self.requests(row.as_slice()).await?.pop())
    }

    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError> {
        let mut writing = self.write().await?;
        let request = self.take_answer(&mut writing, id, answer).await?;
        writing.commit().await?;
        self.answered.notify_waiters();
        Ok(request)
    }

    async fn accesses(&self, principal: &str) -> Result<Vec<Request>, Unavailable> {
        let rows = sqlx::query("SELECT * FROM approvals WHERE principal = ? AND state = 'approved' AND access = 1 AND expires_at > ?")
            .bind(principal)
            .bind(micros(self.clock.now()))
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)?;
        self.requests(&rows).await
    }
}

impl State {
    /// Takes an answer, and puts it on record.
    pub(crate) async fn take_answer(
        &self,
        writing: &mut Writing,
        id: ApprovalId,
        answer: Answer,
    ) -> Result<Request, DecideError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
        // The time of the one who keeps the book: whoever answers has no say in it.
        let answer = Answer { at: self.clock.now(), ..answer };
        let mut request =
            self.requests(row.as_slice()).await?.pop().ok_or(DecideError::Unknown(id))?;
        let record = Record::Changed(change(&request, &answer));
        request.take(answer)?;
        self.save(writing, &request).await?;
        self.add(writing, &record).await?;
        Ok(request)
    }

    /// Fails when the principal has as many open questions as it may have.
    async fn has_room(&self, writing: &mut Writing, filing: &Filing) -> Result<(), FileError> {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM approvals WHERE principal = ? AND state = 'open' AND open_until > ? AND expires_at > ?",
        )
        .bind(&filing.principal)
        .bind(micros(filing.filed_at))
        .bind(micros(filing.filed_at))
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)?;
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        if open < self.asking.most_open {
            return Ok(());
        }
        Err(Refusal::TooManyQuestions { open }.into())
    }

    /// As they are by now, and by what is known now of those who answered.
    async fn requests(&self, rows: &[SqliteRow]) -> Result<Vec<Request>, Unavailable> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (denials, roles) = (self.denials().await?, &self.asking.roles);
        rows.iter().map(|row| Ok(self.request(row)?.as_of(roles, &denials))).collect()
    }

    fn request(&self, row: &SqliteRow) -> Result<Request, Unavailable> {
        let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
        let mut filing: Filing = serde_json::from_str(&text("filing")?).map_err(unavailable)?;
        // An exception ends at its time from the last yes, which was not known when it was filed.
        filing.expires_at = timestamp(row.try_get("expires_at").map_err(unavailable)?)?;
        let state = match text("state")?.as_str() {
            "denied" => ApprovalState::Denied,
            "spent" => ApprovalState::Spent,
            "open" => ApprovalState::Open,
            "approved" => ApprovalState::Approved,
            other => return Err(unavailable(format_args!("an approval is `{other}`"))),
        };
        Ok(Request {
            id: ApprovalId::from_str(&text("id")?).map_err(unavailable)?,
            state: state.by(self.clock.now(), &filing),
            filing,
            answers: serde_json::from_str(&text("answers")?).map_err(unavailable)?,
            lapsed: BTreeSet::new(),
        })
    }

    async fn save(&self, writing: &mut Writing, request: &Request) -> Result<(), Unavailable> {
        let state = match request.state {
            ApprovalState::Approved => "approved",
            ApprovalState::Denied => "denied",
            ApprovalState::Spent => "spent",
            ApprovalState::Open | ApprovalState::Expired => "open",
        };
        sqlx::query("UPDATE approvals SET state = ?, answers = ?, expires_at = ? WHERE id = ?")
            .bind(state)
            .bind(serde_json::to_string(&request.answers).map_err(unavailable)?)
            .bind(micros(request.filing.expires_at))
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
    let spent = sqlx::query("UPDATE approvals SET state = 'spent' WHERE id = ? AND state = 'approved' AND access = 0 AND expires_at > ?")
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

/// The question, held against the last one of the same principal about the same tool.
async fn compared(writing: &mut Writing, filing: Filing) -> Result<Filing, Unavailable> {
    let last = sqlx::query(
        "SELECT id, filing FROM approvals WHERE principal = ? AND tool = ? AND access = 0 ORDER BY filed_at DESC, rowid DESC LIMIT 1",
    )
    .bind(&filing.principal)
    .bind(filing.tool.as_str())
    .fetch_optional(&mut **writing)
    .await
    .map_err(unavailable)?;
    let Some(last) = last.filter(|_| filing.access.is_none()) else { return Ok(filing) };
    let text = |column| last.try_get::<String, _>(column).map_err(unavailable);
    let id = ApprovalId::from_str(&text("id")?).map_err(unavailable)?;
    let last: Filing = serde_json::from_str(&text("filing")?).map_err(unavailable)?;
    Ok(filing.compared_with(id, &last))
}

fn change(request: &Request, answer: &Answer) -> Change {
    let about = if request.filing.access.is_some() { "access" } else { "approval" };
    let done = match answer.verdict {
        Verdict::Deny => "deny",
        Verdict::Approve if answer.limits.is_none() => "approve",
        Verdict::Approve => "approve-narrower",
    };
    let within = if answer.limits.is_none() {
        String::new()
    } else {
        format!(" (within {})", answer.limits)
    };
    Change {
        by: answer.by.clone(),
        action: format!("{about}-{done}"),
        subject: request.id.to_string(),
        reason: format!("{}{within}", answer.comment),
    }
}

/// What nobody is to overlook: somebody asks for what no policy permits.
fn access_wanted(id: ApprovalId, filing: &Filing) -> Option<Change> {
    let access = filing.access.as_ref()?;
    Some(Change {
        by: filing.principal.clone(),
        action: "access-request".to_owned(),
        subject: format!("{id}: {}", filing.summary()),
        reason: access.reason.clone(),
    })
}

/// How often a waiting call looks for an answer that another process wrote.
const LOOK: Duration = Duration::from_millis(100);
