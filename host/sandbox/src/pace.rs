//! Which guest computes now? Those that have computed for a while take turns, so that a short call finds a
//! processor that is free.
use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

/// How many guests that have computed for a while go on at once.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(crate) fn new(at_once: u32) -> Self {
        Self(Arc::new(Semaphore::new(usize::try_from(at_once.max(1)).unwrap_or(1))))
    }
}

/// What one guest has computed, and whether it is its turn.
#[derive(Clone)]
pub(crate) struct Pace {
    turns: Turns,
    state: Arc<Mutex<State>>,
}

struct State {
    computed: Duration,
    /// When it was last resumed.
    since: Instant,
    turn: Option<OwnedSemaphorePermit>,
}

impl Pace {
    pub(crate) fn new(turns: Turns) -> Self {
        let state = State { computed: Duration::ZERO, since: Instant::now(), turn: None };
        Self { turns, state: Arc::new(Mutex::new(state)) }
    }

    /// What a guest does at a tick: it lets others run, and waits for its turn where it computes for long.
    pub(crate) fn tick(&self) -> UpdateDeadline {
        let mut state = self.state();
        let now = state.since.elapsed();
        let short = state.computed.saturating_add(now) < SHORT;
        if now < SLICE && (short || state.turn.is_some()) {
            // It was just resumed: the tick was for the time that it waited.
            return UpdateDeadline::Continue(1);
        }
        state.turn = None;
        drop(state);
        // `UpdateDeadline::Yield` would starve the timers of the runtime.
        let yielded = tokio::task::yield_now();
        if short {
            return UpdateDeadline::YieldCustom(1, Box::pin(yielded));
        }
        let pace = self.clone();
        UpdateDeadline::YieldCustom(
            1,
            Box::pin(async move {
                yielded.await;
                pace.wait_for_turn().await;
            }),
        )
    }

    async fn wait_for_turn(&self) {
        // Nobody closes it.
        let turn = self.turns.0.clone().acquire_owned().await.ok();
        self.state().turn = turn;
    }

    /// Runs the guest, and counts how long it computes. What waits for the host gives its turn back.
    pub(crate) async fn keep<T>(&self, guest: impl Future<Output = T>) -> T {
        let mut guest = pin!(guest);
        std::future::poll_fn(|context| {
            self.state().since = Instant::now();
            let polled = guest.as_mut().poll(context);
            let mut state = self.state();
            state.computed = state.computed.saturating_add(state.since.elapsed());
            state.turn = None;
            polled
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has computed for less takes no turns: most calls have ended by then.
const SHORT: Duration = Duration::from_millis(2);
/// The least time between two yields: half a tick.
const SLICE: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use std::{pin::Pin, task::Poll, time::Duration};

    use wasmtime::UpdateDeadline;

    use super::{Pace, SHORT, Turns};

    fn pace(turns: &Turns, computed: Duration) -> Pace {
        let pace = Pace::new(turns.clone());
        pace.state().computed = computed;
        pace
    }

    /// As the engine does it: at a tick, after a while.
    async fn computing(pace: &Pace, then: impl Future<Output = ()>) {
        pace.keep(async {
            {
                let mut state = pace.state();
                state.since = state.since.checked_sub(SHORT).unwrap();
            }
            match pace.tick() {
                UpdateDeadline::YieldCustom(_, future) => future.await,
                _ => panic!("it goes on"),
            }
            then.await;
        })
        .await;
    }

    /// Polls once.
    async fn poll(work: &mut (impl Future<Output = ()> + Unpin)) -> Poll<()> {
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *work).poll(context))).await
    }

    #[tokio::test]
    async fn a_guest_that_computes_for_long_waits_for_its_turn() {
        let turns = Turns::new(1);
        let (one, two) = (pace(&turns, SHORT), pace(&turns, SHORT));
        let held = turns.0.clone().acquire_owned().await.unwrap();
        let mut waits = Box::pin(computing(&one, std::future::ready(())));
        for _ in 0..3 {
            assert!(poll(&mut waits).await.is_pending());
        }
        drop(held);
        waits.await;
        assert_eq!(turns.0.available_permits(), 1);
        computing(&two, std::future::ready(())).await;
    }

    #[tokio::test]
    async fn a_guest_that_waits_for_the_host_gives_its_turn_back() {
        let turns = Turns::new(1);
        let (one, two) = (pace(&turns, SHORT), pace(&turns, SHORT));
        let mut waits = Box::pin(computing(&one, std::future::pending()));
        for _ in 0..3 {
            assert!(poll(&mut waits).await.is_pending());
        }
        computing(&two, std::future::ready(())).await;
        assert_eq!(turns.0.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_short_call_waits_for_nobody() {
        let turns = Turns::new(1);
        let _held = turns.0.clone().acquire_owned().await.unwrap();
        let pace = pace(&turns, Duration::ZERO);
        assert!(matches!(pace.tick(), UpdateDeadline::Continue(1)));
        let mut short = Box::pin(pace.keep(async {}));
        assert_eq!(poll(&mut short).await, Poll::Ready(()));
    }
}
