//! Where does a call run on that takes long, so that short ones do not wait for it?
//!
//! ```text
//! the caller's threads --over its share--> threads of the background --kept waiting--> the caller's threads ..
//! ```
//!
//! A call begins where it was made. Once it has used its share of a processor it goes on on threads that give way to
//! the others, one fewer than there are processors; a tool whose last call was over its share begins there. What a
//! call waits for, timers and connections, stays with the threads it came from. What is left of a run that nobody
//! waits for is given back on a thread that gives way, too: it may be much memory.
use std::{
    collections::HashSet,
    future::poll_fn,
    io,
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};
use toolward_gate::{Digest, Stop, ToolName, Unavailable};
use tracing::Span;

use crate::run::Output;

/// One run, from its store on.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Output, Stop>> + Send>>;

/// Threads that give way, and the tools that begin there.
pub(crate) struct Background {
    runtime: Option<Runtime>,
    share: Duration,
    slow: Mutex<HashSet<Which>>,
}

pub(crate) type Which = (Digest, ToolName);

impl Background {
    /// `share` is what a call uses of a processor before it goes on here.
    pub(crate) fn start(share: Duration) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let runtime = Builder::new_multi_thread()
            // One processor is left to all others.
            .worker_threads(processors.saturating_sub(1).max(1))
            .thread_name("sandbox-background")
            .on_thread_start(give_way)
            .build()?;
        Ok(Self { runtime: Some(runtime), share, slow: Mutex::default() })
    }

    /// Runs `work` to its end. When the returned future is dropped, so is the work: at once, on a thread that gives way,
    /// or, where a thread is in it, when the guest looks at its epoch.
    pub(crate) async fn carry(&self, which: Which, work: Work) -> Result<Output, Stop> {
        let home = Handle::current();
        let mut work = Run { work: Some(work), home, background: self.handle()? };
        let mut used = Duration::ZERO;
        let mut share = if self.is_slow(&which) { Duration::ZERO } else { self.share };
        loop {
            if !share.is_zero() {
                work = match here(work, share, &mut used).await {
                    Part::Done(ended) => return ended,
                    Part::Over(rest) => rest,
                };
                self.slow().insert(which.clone());
            }
            (work, share) = match apart(work, &mut used).await? {
                Apart::Done(ended) => {
                    if used < self.share {
                        self.slow().remove(&which);
                    }
                    return ended;
                }
                Apart::KeptWaiting(rest, share) => (rest, share),
            };
        }
    }

    fn handle(&self) -> Result<Handle, Unavailable> {
        let ended = || stopped("it has ended".to_owned());
        self.runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(ended)
    }

    fn is_slow(&self, which: &Which) -> bool {
        self.slow().contains(which)
    }

    fn slow(&self) -> MutexGuard<'_, HashSet<Which>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Sandboxes are dropped where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Work, and the threads on which it goes on, and is given back when it is dropped before its end.
struct Run {
    work: Option<Work>,
    /// Timers, connections and tasks are made where the call was made, also those of a destructor.
    home: Handle,
    background: Handle,
}

impl Run {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Output, Stop>> {
        // Nobody polls what has ended.
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let ended = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(ended)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let home = self.home.clone();
        self.background.spawn(async move {
            let _home = home.enter();
            drop(work);
        });
    }
}

enum Part {
    Done(Result<Output, Stop>),
    Over(Run),
}

/// Polls where it is called, until the work is done or has used its share.
async fn here(work: Run, share: Duration, used: &mut Duration) -> Part {
    let mut work = Some(work);
    let mut left = share;
    poll_fn(move |context| {
        let Some(polling) = work.as_mut() else { return Poll::Pending };
        let meter = Meter::start();
        let polled = polling.poll(context);
        let took = meter.processor();
        *used = used.saturating_add(took);
        left = left.saturating_sub(took);
        match polled {
            Poll::Ready(ended) => Poll::Ready(Part::Done(ended)),
            Poll::Pending if left.is_zero() => {
                work.take().map(Part::Over).map_or(Poll::Pending, Poll::Ready)
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Goes on in the background, until the work is done or was kept waiting.
async fn apart(work: Run, used: &mut Duration) -> Result<Apart, Stop> {
    let (home, background) = (work.home.clone(), work.background.clone());
    let lent = Arc::new(Lent { work: Mutex::new(Some(work)) });
    let (theirs, span) = (lent.clone(), Span::current());
    let task = background.spawn(async move {
        let mut used = Duration::ZERO;
        let apart = poll_fn(|context| theirs.poll(context, &home, &span, &mut used)).await;
        (apart, used)
    });
    let mut carried = Carried { lent, task };
    let (apart, took) = (&mut carried.task).await.map_err(|error| stopped(error.to_string()))?;
    *used = used.saturating_add(took);
    Ok(apart)
}

fn stopped(cause: String) -> Unavailable {
    Unavailable::new("the background", cause)
}

enum Apart {
    Done(Result<Output, Stop>),
    /// The machine is busy with others. It may have so much of a processor on its caller's threads.
    KeptWaiting(Run, Duration),
}

/// What a thread of the background works on, and what its caller can take away.
struct Lent {
    work: Mutex<Option<Run>>,
}

impl Lent {
    fn poll(
        &self,
        context: &mut Context<'_>,
        home: &Handle,
        span: &Span,
        used: &mut Duration,
    ) -> Poll<Apart> {
        let mut held = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken away: nobody waits for this.
        let Some(work) = held.as_mut() else { return Poll::Pending };
        let (_home, _span) = (home.enter(), span.enter());
        let meter = Meter::start();
        let polled = work.poll(context);
        *used = used.saturating_add(meter.processor());
        if polled.is_pending() {
            let stalled = meter.stalled();
            return match (stalled >= STALL).then(|| held.take()).flatten() {
                Some(rest) => Poll::Ready(Apart::KeptWaiting(rest, of_stalled(stalled))),
                None => Poll::Pending,
            };
        }
        let ended = ready!(polled);
        drop(held.take());
        Poll::Ready(Apart::Done(ended))
    }
}

/// The work goes with the one who waits for it.
struct Carried {
    lent: Arc<Lent>,
    task: JoinHandle<(Apart, Duration)>,
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.task.abort();
        // Where a thread is in it, the task ends when that comes out.
        if let Ok(mut held) = self.lent.work.try_lock() {
            drop(held.take());
        }
    }
}

/// What was kept waiting makes up for a tenth of it, and no more: there is a bound to what all of the background takes.
fn of_stalled(stalled: Duration) -> Duration {
    stalled.checked_div(10).unwrap_or_default().min(LONGEST_SHARE)
}

/// What one poll takes: of a processor, and of time.
struct Meter {
    processor: Duration,
    time: Instant,
}

impl Meter {
    fn start() -> Self {
        Self { processor: processor_time(), time: Instant::now() }
    }

    fn processor(&self) -> Duration {
        processor_time().saturating_sub(self.processor)
    }

    /// How long the thread was in it and did not run.
    fn stalled(&self) -> Duration {
        self.time.elapsed().saturating_sub(self.processor())
    }
}

/// Of this thread: a thread that others keep from running uses nothing.
#[cfg(unix)]
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// On Linux a priority belongs to a thread. Elsewhere it belongs to the process: there the system shares fairly
/// between these threads and the others.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "calls that take long do not give way to others");
    }
}

/// How long a thread of the background is kept from running until its work moves on elsewhere.
const STALL: Duration = Duration::from_millis(20);
const LONGEST_SHARE: Duration = Duration::from_millis(20);
/// As `nice` counts: a third of the usual weight. With less, a guest on a machine that is never idle would take seconds
/// to notice that its call has ended.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

#[cfg(test)]
mod tests;
