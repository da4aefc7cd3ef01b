//! Who says elsewhere how far the trail goes: a checkpoint every so many records, every so often, and at the end.
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Notify, task::JoinHandle, time::Instant};
use toolward_gate::{AuditLog, Change, Closed, Record, Unavailable};

use super::{
    checkpoint::{Checkpoint, CheckpointKind},
    places::CheckpointPlace,
    retention::Retention,
};
use crate::{State, StateError};

/// When checkpoints are written, where, and what happens when they cannot be.
#[derive(Clone)]
pub struct Anchoring {
    pub places: Vec<Arc<dyn CheckpointPlace>>,
    /// Written after so many records.
    pub every_records: u64,
    /// Written after so long, where there are new records.
    pub every: Duration,
    pub on_failure: OnFailure,
    /// What becomes of old records.
    pub retention: Option<Retention>,
}

impl std::fmt::Debug for Anchoring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places: Vec<String> = self.places.iter().map(|place| place.name()).collect();
        f.debug_struct("Anchoring").field("places", &places).finish_non_exhaustive()
    }
}

/// What becomes of calls while no checkpoint can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// No new call is opened until one was written.
    #[default]
    Stop,
    /// Calls go on, and the log says what is missing.
    GoOn,
}

/// The trail in the state, anchored elsewhere. Dropped, it writes no more checkpoints; [`AuditLog::stop`] writes
/// the last one.
pub struct AnchoredLog {
    inner: Arc<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for AnchoredLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnchoredLog")
            .field("anchoring", &self.inner.anchoring)
            .finish_non_exhaustive()
    }
}

struct Inner {
    state: State,
    anchoring: Anchoring,
    /// Records since the last checkpoint.
    unanchored: AtomicU64,
    /// What the last checkpoint stands for; the greatest number before the first.
    anchored: AtomicU64,
    failing: AtomicBool,
    due: Notify,
    /// Checkpoints are written one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl AnchoredLog {
    /// Holds the trail against what stands in the places that can be read, and fails where records are missing
    /// or were changed; then follows it.
    pub async fn start(state: State, anchoring: Anchoring) -> Result<Self, StateError> {
        match state.check_against(&anchoring.places).await {
            Err(StateError::Unavailable(error)) if anchoring.on_failure == OnFailure::GoOn => {
                tracing::error!(cause = %error.cause, "the checkpoints of the audit trail cannot be read");
            }
            checked => checked?,
        }
        let inner = Arc::new(Inner {
            state,
            anchoring,
            unanchored: AtomicU64::new(0),
            anchored: AtomicU64::new(u64::MAX),
            failing: AtomicBool::new(false),
            due: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        });
        // A place that cannot be written is found before the first call.
        let written = inner.checkpoint(CheckpointKind::Running).await;
        if inner.anchoring.on_failure == OnFailure::Stop {
            written?;
        }
        let task = tokio::spawn(follow(inner.clone()));
        Ok(Self { inner, task: Mutex::new(Some(task)) })
    }
}

async fn follow(inner: Arc<Inner>) {
    let mut retained = None;
    loop {
        let pause = if inner.failing.load(Ordering::Acquire) {
            AGAIN.min(inner.anchoring.every)
        } else {
            inner.anchoring.every
        };
        tokio::select! {
            () = inner.due.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        // It says in the log what went wrong, and is tried again.
        drop(inner.checkpoint(CheckpointKind::Running).await);
        if retained.is_none_or(|last: Instant| last.elapsed() >= RETAIN) {
            inner.retain().await;
            retained = Some(Instant::now());
        }
    }
}

impl Inner {
    /// Writes to every place how far the trail goes, unless they know.
    async fn checkpoint(&self, kind: CheckpointKind) -> Result<(), Unavailable> {
        if self.anchoring.places.is_empty() {
            return Ok(());
        }
        let _one = self.writing.lock().await;
        let before = self.unanchored.swap(0, Ordering::AcqRel);
        let written = self.write(kind).await;
        self.failing.store(written.is_err(), Ordering::Release);
        if let Err(error) = &written {
            self.unanchored.fetch_add(before, Ordering::AcqRel);
            tracing::error!(cause = %error.cause, "a checkpoint of the audit trail cannot be written");
        }
        written
    }

    async fn write(&self, kind: CheckpointKind) -> Result<(), Unavailable> {
        let last = self.state.last_link().await?;
        let sequence = last.as_ref().map_or(0, |link| link.sequence);
        if sequence == self.anchored.load(Ordering::Acquire) && kind == CheckpointKind::Running {
            return Ok(());
        }
        let point = Checkpoint::of(kind, last.as_ref(), self.state.clock.now(), &self.state.key);
        put(&point, &self.anchoring.places).await?;
        self.anchored.store(sequence, Ordering::Release);
        Ok(())
    }

    async fn retain(&self) {
        let Some(retention) = &self.anchoring.retention else { return };
        match self.state.retain(retention, "toolward").await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "old audit records were removed"),
            Err(error) => tracing::error!(%error, "old audit records cannot be removed"),
        }
    }

    fn count(&self) {
        let count = self.unanchored.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if count >= self.anchoring.every_records {
            self.due.notify_one();
        }
    }
}

/// Puts it into every place, also where another one fails.
async fn put(point: &Checkpoint, places: &[Arc<dyn CheckpointPlace>]) -> Result<(), Unavailable> {
    let mut failed = Vec::new();
    for place in places {
        let put = place.put(point).await.map_err(|error| unread(place.as_ref(), &error));
        failed.extend(put.err().map(|error| error.cause.to_string()));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Unavailable::new("the checkpoints", failed.join("; ")))
    }
}

fn unread(place: &dyn CheckpointPlace, error: &Unavailable) -> Unavailable {
    Unavailable::new("the checkpoints", format!("{}: {}", place.name(), error.cause))
}

#[async_trait]
impl AuditLog for AnchoredLog {
    async fn append(&self, record: &Record) -> Result<(), Unavailable> {
        let stops = self.inner.anchoring.on_failure == OnFailure::Stop;
        if stops
            && matches!(record, Record::Opened(_))
            && self.inner.failing.load(Ordering::Acquire)
        {
            return Err(Unavailable::new("the checkpoints", "the last one was not written"));
        }
        self.inner.state.append(record).await?;
        self.inner.count();
        Ok(())
    }

    async fn close(&self, closed: Closed) -> Result<(), Unavailable> {
        self.inner.state.close(closed).await?;
        self.inner.count();
        Ok(())
    }

    async fn stop(&self) -> Result<(), Unavailable> {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
        self.inner.checkpoint(CheckpointKind::Stopped).await
    }
}

impl Drop for AnchoredLog {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl State {
    /// Fails where the newest checkpoint of a place says something else than the trail.
    async fn check_against(&self, places: &[Arc<dyn CheckpointPlace>]) -> Result<(), StateError> {
        for place in places {
            let lines = place.lines().await.map_err(|error| unread(place.as_ref(), &error))?;
            let Some(lines) = lines else { continue };
            let Some(newest) = self.newest(&lines) else { continue };
            if !self.agrees(&newest).await? {
                let last = self.last_link().await?.map_or(0, |link| link.sequence);
                return Err(StateError::Trail(format!(
                    "the audit trail ends at record {last} or was changed, but a checkpoint of {} in {} stands for record {}: \
                     put back the database that belongs to it, or, where it is lost, run `toolward audit resume --reason TEXT`",
                    newest.at,
                    place.name(),
                    newest.sequence
                )));
            }
        }
        Ok(())
    }

    /// The checkpoint that stands for most, of those that were not given up.
    fn newest(&self, lines: &[String]) -> Option<Checkpoint> {
        let read = lines.iter().filter_map(|line| Checkpoint::read(line, self.key.public()).ok());
        let points: Vec<Checkpoint> = read.collect();
        let resumed: Vec<&Checkpoint> =
            points.iter().filter(|one| one.kind == CheckpointKind::Resumed).collect();
        let stands = |point: &&Checkpoint| {
            !resumed.iter().any(|one| one.sequence < point.sequence && one.at >= point.at)
        };
        points.iter().filter(stands).max_by_key(|point| point.sequence).cloned()
    }

    async fn agrees(&self, point: &Checkpoint) -> Result<bool, Unavailable> {
        if point.sequence == 0 {
            return Ok(true);
        }
        let through = self.removal().await?.map_or(0, |(through, _)| through);
        let found = self.link_at(point.sequence).await?;
        Ok(found.map_or(point.sequence <= through, |link| link.hash == point.head))
    }

    /// Says in every place how far the trail goes now.
    pub async fn checkpoint(&self, places: &[Arc<dyn CheckpointPlace>]) -> Result<(), Unavailable> {
        if places.is_empty() {
            return Ok(());
        }
        let last = self.last_link().await?;
        let kind = CheckpointKind::Running;
        put(&Checkpoint::of(kind, last.as_ref(), self.clock.now(), &self.key), places).await
    }

    /// Goes on with a trail that is shorter than its checkpoints say: what they stood for is lost, and that is
    /// said in the trail and in every place. Says whether there was anything to give up.
    pub async fn resume(
        &self,
        places: &[Arc<dyn CheckpointPlace>],
        by: &str,
        reason: &str,
    ) -> Result<bool, StateError> {
        if self.check_against(places).await.is_ok() {
            return Ok(false);
        }
        let last = self.last_link().await?;
        let point =
            Checkpoint::of(CheckpointKind::Resumed, last.as_ref(), self.clock.now(), &self.key);
        let change = Change {
            by: by.to_owned(),
            action: "audit-resumed".to_owned(),
            subject: format!("after record {}", point.sequence),
            reason: reason.to_owned(),
        };
        self.record_change(change).await?;
        put(&point, places).await?;
        Ok(true)
    }
}

/// How long until a checkpoint that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often old records are looked for.
const RETAIN: Duration = Duration::from_secs(3600);
