//! A call whose caller comes back for the answer: the tasks extension of MCP (SEP-2663).
//!
//! Only a client that declares the extension gets a task, and only where its answer would be late: the call waits for
//! a person, or runs for longer than [`PATIENCE`]. The task is on the disk before its name is handed out. It belongs to
//! its principal, and is not there for anybody else.
//!
//! A held task goes on when its own principal asks for it after the decision, with the token that is shown then: what
//! was revoked in between runs nothing, and no identity is kept for later.
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use rmcp::{
    ErrorData,
    model::{
        CallToolResult, CreateTaskResult, DetailedTask, ErrorCode, GetTaskResult, JsonObject,
        MetaObject, Task as Described, TaskPayload, TaskStatus,
    },
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};
use toolward_gate::{
    ApprovalState, Call, CallId, Clock as _, Principal, ProgressSink, Refusal, Stop, SystemClock,
    Unavailable,
};
use toolward_sandbox::Output;
use toolward_state::{LinkFilter, State, Task, TaskState};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{APPROVAL, answered, failed};
use crate::host::Host;

type Outcome = Result<Output, Stop>;

/// The tasks of one host, and those that run in this process.
#[derive(Clone, Debug)]
pub(in crate::door) struct Tasks {
    state: State,
    running: Arc<Mutex<HashMap<CallId, oneshot::Sender<()>>>>,
}

/// What became of a call by the time it is answered.
pub(super) enum Carried {
    Done(Outcome),
    Task(Box<Task>),
}

impl Tasks {
    pub(in crate::door) fn of(state: State) -> Self {
        Self { state, running: Arc::default() }
    }

    /// Carries a call, and makes a task of it where its answer is late. One whose caller hears of its progress has
    /// its stream for that, and becomes a task only where it waits for a person.
    pub(super) async fn carry(
        &self,
        host: &Arc<Host>,
        call: Call,
        gone: impl Future<Output = ()> + Send + 'static,
        heard: bool,
    ) -> Carried {
        let mut task = sketch(&call);
        let left = Arc::new(AtomicBool::new(false));
        let waits = left.clone();
        let gone = async move {
            gone.await;
            // Who has the task's name may hang up: the call goes on.
            if waits.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        };
        let (mut work, stop) = begin(host, call, gone);
        let outcome = tokio::select! {
            outcome = &mut work => Some(joined(outcome)),
            () = tokio::time::sleep(PATIENCE), if !heard => None,
        };
        match outcome {
            Some(Err(stop @ Stop::Held { .. })) => {
                task.state = held(&stop);
                if self.write(&mut task).await { task.into() } else { Carried::Done(Err(stop)) }
            }
            Some(outcome) => Carried::Done(outcome),
            None if self.write(&mut task).await => {
                left.store(true, Ordering::SeqCst);
                self.follow(task.clone(), work, stop);
                task.into()
            }
            None => Carried::Done(joined(work.await)),
        }
    }

    async fn write(&self, task: &mut Task) -> bool {
        let begun = self.state.begin_task(task).await;
        begun.unwrap_or_else(|error| {
            tracing::error!(cause = %error.cause, "a task cannot be written");
            false
        })
    }

    /// Sees a call to its end, and writes that down for the one who asks.
    fn follow(&self, task: Task, work: JoinHandle<Outcome>, stop: oneshot::Sender<()>) {
        let tasks = self.clone();
        self.here().insert(task.call, stop);
        let follow = async move {
            let to = ended(joined(work.await));
            let written = tasks.state.advance_task(&task, &to, task.call).await;
            // What cannot be written is found lost by whoever asks.
            if let Err(error) = written {
                tracing::error!(cause = %error.cause, "a task's end cannot be written");
            }
            tasks.here().remove(&task.call);
        };
        tokio::spawn(follow.in_current_span());
    }

    fn here(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, oneshot::Sender<()>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of a task of this principal's own.
    pub(super) async fn get(
        &self,
        host: &Arc<Host>,
        principal: &Principal,
        door: &'static str,
        id: &str,
    ) -> Result<GetTaskResult, ErrorData> {
        let task = self.find(principal, id).await?;
        let task = match &task.state {
            TaskState::Held(_) => self.go_on(host, principal, door, task).await?,
            TaskState::Running if !self.here().contains_key(&task.call) => self.look(task).await?,
            TaskState::Running | TaskState::Ended(_) | TaskState::Cancelled => task,
        };
        let mut result = GetTaskResult::new(DetailedTask::new(described(&task), payload(&task)));
        result.meta = meta(&task);
        Ok(result)
    }

    /// There is nothing that a client could add.
    pub(super) async fn update(&self, principal: &Principal, id: &str) -> Result<(), ErrorData> {
        self.find(principal, id).await.map(drop)
    }

    pub(super) async fn cancel(&self, principal: &Principal, id: &str) -> Result<(), ErrorData> {
        let task = self.find(principal, id).await?;
        let stop = self.here().remove(&task.call);
        if let Some(stop) = stop {
            // The call's own end says that it was cancelled, or that it was faster.
            let _ended_already = stop.send(());
            return Ok(());
        }
        // A held one, or one that another process runs, whose answer is dropped.
        let cancelled = self.state.advance_task(&task, &TaskState::Cancelled, task.call).await;
        cancelled.map(drop).map_err(|error| unavailable(&error))
    }

    async fn find(&self, principal: &Principal, id: &str) -> Result<Task, ErrorData> {
        let found = self.state.task(id, &whose(principal)).await;
        let none = || ErrorData::invalid_params("there is no such task", None);
        found.map_err(|error| unavailable(&error))?.ok_or_else(none)
    }

    /// Makes the call again once its question is decided.
    async fn go_on(
        &self,
        host: &Arc<Host>,
        principal: &Principal,
        door: &'static str,
        task: Task,
    ) -> Result<Task, ErrorData> {
        let TaskState::Held(approval) = &task.state else { return Ok(task) };
        let asked = host.gate.approvals.show(*approval).await;
        let asked = asked.map_err(|error| unavailable(&error))?;
        match asked.map(|asked| asked.state) {
            Some(ApprovalState::Open) => Ok(task),
            Some(ApprovalState::Approved | ApprovalState::Denied) => {
                self.again(host, principal, door, task).await
            }
            Some(ApprovalState::Spent) => {
                self.end(task, ended(Err(Refusal::AlreadySpent.into()))).await
            }
            Some(ApprovalState::Expired) | None => {
                self.end(task, ended(Err(Refusal::Unanswered.into()))).await
            }
        }
    }

    async fn again(
        &self,
        host: &Arc<Host>,
        principal: &Principal,
        door: &'static str,
        task: Task,
    ) -> Result<Task, ErrorData> {
        let name = task.tool.as_str();
        let read = host.tools.read(principal, door, name, &task.arguments, ProgressSink::default());
        let call = match read {
            Ok(call) if call.tool.digest == task.digest => call,
            Ok(_) => return self.end(task, said("tool-changed", CHANGED)).await,
            Err(error) => return self.end(task, said("arguments", &error.to_string())).await,
        };
        let running = Task { call: call.id, state: TaskState::Running, ..task.clone() };
        let advanced = self.state.advance_task(&task, &running.state, running.call).await;
        // Of two who ask at once, one makes the call.
        if !advanced.map_err(|error| unavailable(&error))? {
            return self.find(principal, &task.id).await;
        }
        let (work, stop) = begin(host, call, std::future::pending());
        self.follow(running.clone(), work, stop);
        Ok(running)
    }

    /// A task that does not run here: does it run elsewhere, or did its host end?
    async fn look(&self, task: Task) -> Result<Task, ErrorData> {
        let filter = LinkFilter { after: None, last: Some(RECORDS), call: Some(task.call) };
        let links = self.state.links(filter).await.map_err(|error| {
            tracing::error!(%error, "the trail cannot be read");
            ErrorData::internal_error(UNAVAILABLE, None)
        })?;
        let records = links
            .iter()
            .filter_map(|link| Some((link.at, serde_json::from_str::<Value>(&link.record).ok()?)));
        let records: Vec<_> = records.collect();
        let closed = records.iter().find(|(_, record)| record["record"] == "closed");
        let old = |at, most| SystemClock.now().duration_since(at) > most;
        let lost = match closed {
            Some((_, record)) if record["outcome"] == "interrupted" => true,
            Some((at, _)) => old(*at, UNWRITTEN),
            None => records.is_empty() && old(task.updated_at, UNBEGUN),
        };
        if lost { self.end(task, lost_answer()).await } else { Ok(task) }
    }

    async fn end(&self, task: Task, to: TaskState) -> Result<Task, ErrorData> {
        let advanced = self.state.advance_task(&task, &to, task.call).await;
        advanced.map_err(|error| unavailable(&error))?;
        let found = self.state.task(&task.id, &task.principal).await;
        found.map_err(|error| unavailable(&error)).map(|found| found.unwrap_or(task))
    }
}

impl From<Task> for Carried {
    fn from(task: Task) -> Self {
        Self::Task(Box::new(task))
    }
}

/// Begins a call that stops when it is asked to, or when `gone` is ready.
fn begin(
    host: &Arc<Host>,
    call: Call,
    gone: impl Future<Output = ()> + Send + 'static,
) -> (JoinHandle<Outcome>, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel();
    let host = host.clone();
    let cancelled = async move {
        let asked = async move {
            // Nobody can ask any more who has let go of the other end.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = asked => {}
            () = gone => {}
        }
    };
    let work = async move { host.perform_unless(call, cancelled).await };
    (tokio::spawn(work.in_current_span()), stop)
}

fn joined(outcome: Result<Outcome, tokio::task::JoinError>) -> Outcome {
    outcome.unwrap_or_else(|error| Err(Unavailable::new("the host", error).into()))
}

/// A task as it is before anybody writes it down.
fn sketch(call: &Call) -> Task {
    let now = SystemClock.now();
    Task {
        id: Uuid::new_v4().to_string(),
        principal: whose(&call.principal),
        tool: call.tool.name.clone(),
        digest: call.tool.digest,
        arguments: call.arguments.canonical().to_owned(),
        call: call.id,
        state: TaskState::Running,
        created_at: now,
        updated_at: now,
        expires_at: now,
    }
}

/// One who acts for others is somebody else than one who does not.
fn whose(principal: &Principal) -> String {
    let mut names = vec![principal.id().to_owned()];
    names.extend(principal.acts_for().iter().cloned());
    names.join("\n")
}

fn held(stop: &Stop) -> TaskState {
    if let Stop::Held { approval, .. } = stop {
        TaskState::Held(*approval)
    } else {
        TaskState::Running
    }
}

fn ended(outcome: Outcome) -> TaskState {
    match outcome {
        Err(stop @ Stop::Held { .. }) => held(&stop),
        Err(Stop::Cancelled) => TaskState::Cancelled,
        outcome => written(&answered(outcome)),
    }
}

fn said(code: &str, message: &str) -> TaskState {
    written(&failed(code, message, None))
}

fn written(result: &CallToolResult) -> TaskState {
    TaskState::Ended(json!({ "result": result }).to_string())
}

/// The answer that hands out a task's name.
pub(super) fn handle(task: &Task) -> CreateTaskResult {
    let handle = CreateTaskResult::new(described(task));
    match meta(task) {
        Some(meta) => handle.with_meta(meta),
        None => handle,
    }
}

fn described(task: &Task) -> Described {
    let (created, updated) = (task.created_at.to_string(), task.updated_at.to_string());
    let kept = u64::try_from(State::TASK_KEPT.as_millis()).unwrap_or_default();
    let described = Described::new(&task.id, TaskStatus::Working, created, updated)
        .with_ttl_ms(kept)
        .with_poll_interval_ms(POLL);
    match &task.state {
        TaskState::Held(_) => described.with_status_message(WAITS),
        TaskState::Running | TaskState::Ended(_) | TaskState::Cancelled => described,
    }
}

fn meta(task: &Task) -> Option<MetaObject> {
    let TaskState::Held(approval) = &task.state else { return None };
    let mut meta = MetaObject::new();
    meta.0.insert(APPROVAL.to_owned(), approval.to_string().into());
    Some(meta)
}

fn payload(task: &Task) -> TaskPayload {
    match &task.state {
        TaskState::Running | TaskState::Held(_) => TaskPayload::Working,
        TaskState::Cancelled => TaskPayload::Cancelled,
        TaskState::Ended(text) => {
            let written: Value = serde_json::from_str(text).unwrap_or_default();
            match (object(&written, "result"), object(&written, "error")) {
                (Some(result), _) => TaskPayload::Completed { result },
                (None, Some(error)) => TaskPayload::Failed { error },
                (None, None) => {
                    let error = error(UNAVAILABLE).as_object().cloned().unwrap_or_default();
                    TaskPayload::Failed { error }
                }
            }
        }
    }
}

fn object(written: &Value, name: &str) -> Option<JsonObject> {
    written.get(name)?.as_object().cloned()
}

/// An error of JSON-RPC.
fn error(message: &str) -> Value {
    json!({ "code": ErrorCode::INTERNAL_ERROR.0, "message": message })
}

fn lost_answer() -> TaskState {
    TaskState::Ended(json!({ "error": error(LOST) }).to_string())
}

fn unavailable(error: &Unavailable) -> ErrorData {
    tracing::error!(cause = %error.cause, "a task cannot be read or written");
    ErrorData::internal_error(UNAVAILABLE, None)
}

const UNAVAILABLE: &str = "the task cannot be read or written; the operator's log says why";
const WAITS: &str = "it waits for a person";
const CHANGED: &str = "the tool is another one than the one that was called; call it anew";
const LOST: &str = "the host ended while the call ran, and what came of it is not known; the audit trail says how far it was";
/// For this long a call is waited for before it becomes a task: most are over by then.
const PATIENCE: Duration = Duration::from_millis(750);
/// Milliseconds between two questions of a client.
const POLL: u64 = 1_000;
/// A call whose end is on record and whose answer is not written within this time has lost it.
const UNWRITTEN: SignedDuration = SignedDuration::from_secs(10);
/// A call is on record within this time, or never.
const UNBEGUN: SignedDuration = SignedDuration::from_mins(1);
/// Records of one call: one is opened, one admitted, one closed.
const RECORDS: u32 = 8;
