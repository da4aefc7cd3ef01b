//! Calls whose callers come back for the answer: what became of each, for its principal alone.
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{ApprovalId, CallId, Digest, ToolName, Unavailable};

use crate::{State, micros, timestamp, unavailable, writer::Writing};

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Nobody guesses it, and it is of no use to anybody but its principal.
    pub id: String,
    /// Whose it is, and whom that one acts for.
    pub principal: String,
    pub tool: ToolName,
    pub digest: Digest,
    /// In canonical form.
    pub arguments: String,
    /// The last call that was made for it.
    pub call: CallId,
    pub state: TaskState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    Running,
    /// It waits for a person.
    Held(ApprovalId),
    /// With this answer, as the door wrote it.
    Ended(String),
    Cancelled,
}

impl TaskState {
    fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Held(_) => "held",
            Self::Ended(_) => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    fn approval(&self) -> Option<String> {
        if let Self::Held(approval) = self { Some(approval.to_string()) } else { None }
    }

    fn result(&self) -> Option<&str> {
        if let Self::Ended(result) = self { Some(result) } else { None }
    }
}

impl State {
    /// How long a task is kept from its beginning.
    pub const TASK_KEPT: SignedDuration = SignedDuration::from_hours(24);

    /// Writes a task down; `false` where its principal has as many as one may have. Its times are set here.
    pub async fn begin_task(&self, task: &mut Task) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        let mut writing = self.write().await?;
        sweep(&mut writing, now).await?;
        if count(&mut writing, &task.principal).await? >= MOST {
            return Ok(false);
        }
        (task.created_at, task.updated_at) = (now, now);
        task.expires_at = now.checked_add(Self::TASK_KEPT).map_err(unavailable)?;
        sqlx::query("INSERT INTO tasks (id, principal, tool, digest, arguments, call, state, approval, result, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(&task.id)
            .bind(&task.principal)
            .bind(task.tool.as_str())
            .bind(task.digest.to_string())
            .bind(&task.arguments)
            .bind(task.call.to_string())
            .bind(task.state.word())
            .bind(task.state.approval())
            .bind(task.state.result())
            .bind(micros(task.created_at))
            .bind(micros(task.updated_at))
            .bind(micros(task.expires_at))
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await?;
        Ok(true)
    }

    /// A task of this principal's own. One that is somebody else's, or is over, is not there.
    pub async fn task(&self, id: &str, principal: &str) -> Result<Option<Task>, Unavailable> {
        let row =
            sqlx::query("SELECT * FROM tasks WHERE id = ? AND principal = ? AND expires_at > ?")
                .bind(id)
                .bind(principal)
                .bind(micros(self.clock.now()))
                .fetch_optional(self.read_pool())
                .await
                .map_err(unavailable)?;
        row.as_ref().map(task).transpose()
    }

    /// Brings a task from what it was to what it is, under the call that was made for it last; `false` where it
    /// was brought somewhere else meanwhile. Nothing leads away from an end.
    pub async fn advance_task(
        &self,
        was: &Task,
        to: &TaskState,
        call: CallId,
    ) -> Result<bool, Unavailable> {
        let mut writing = self.write().await?;
        let done = sqlx::query(
            "UPDATE tasks SET state = ?, approval = ?, result = ?, call = ?, updated_at = ? \
             WHERE id = ? AND principal = ? AND call = ? AND state = ? AND state IN ('running', 'held')",
        )
        .bind(to.word())
        .bind(to.approval())
        .bind(to.result())
        .bind(call.to_string())
        .bind(micros(self.clock.now()))
        .bind(&was.id)
        .bind(&was.principal)
        .bind(was.call.to_string())
        .bind(was.state.word())
        .execute(&mut *writing)
        .await
        .map_err(unavailable)?;
        writing.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn task(row: &SqliteRow) -> Result<Task, Unavailable> {
    let text = |column| row.try_get::<String, _>(column).map_err(unavailable);
    let time = |column| timestamp(row.try_get(column).map_err(unavailable)?);
    Ok(Task {
        id: text("id")?,
        principal: text("principal")?,
        tool: text("tool")?.parse().map_err(unavailable)?,
        digest: text("digest")?.parse().map_err(unavailable)?,
        arguments: text("arguments")?,
        call: CallId::from_uuid(text("call")?.parse().map_err(unavailable)?),
        state: match text("state")?.as_str() {
            "running" => TaskState::Running,
            "held" => TaskState::Held(text("approval")?.parse().map_err(unavailable)?),
            "ended" => TaskState::Ended(text("result")?),
            "cancelled" => TaskState::Cancelled,
            other => return Err(unavailable(format!("a task is `{other}`"))),
        },
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
        expires_at: time("expires_at")?,
    })
}

async fn count(writing: &mut Writing, principal: &str) -> Result<i64, Unavailable> {
    sqlx::query_scalar("SELECT count(*) FROM tasks WHERE principal = ?")
        .bind(principal)
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)
}

/// Removes some of those whose time is over: a little work each time.
async fn sweep(writing: &mut Writing, now: Timestamp) -> Result<(), Unavailable> {
    sqlx::query(
        "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE expires_at <= ? ORDER BY expires_at LIMIT 100)",
    )
    .bind(micros(now))
    .execute(&mut **writing)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// Tasks of one principal at once, those that have ended among them.
const MOST: i64 = 1_000;
