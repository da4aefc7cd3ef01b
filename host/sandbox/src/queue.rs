//! Which call may run now, which waits for its turn, and which is told to come again?
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use toolward_gate::{Call, Refusal, SandboxLimits, ToolName};

use crate::{engine::Profile, settings::SandboxSettings};

/// The places of a host. A call that fits runs at once; those that wait are taken in their order, past those
/// that do not fit yet.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Mutex<State>>);

struct State {
    free: HashMap<Profile, usize>,
    tools: HashMap<ToolName, usize>,
    principals: HashMap<String, usize>,
    waiting: VecDeque<Waiter>,
    next: u64,
}

/// A call that wants a place.
#[derive(Clone)]
pub(crate) struct Entrant {
    profile: Profile,
    tool: ToolName,
    principal: String,
    calls_per_tool: usize,
    calls_per_principal: usize,
}

struct Waiter {
    number: u64,
    entrant: Entrant,
    turn: oneshot::Sender<Place>,
}

/// A place that is taken; dropping it gives it back.
#[must_use]
pub(crate) struct Place {
    queue: Queue,
    entrant: Entrant,
}

impl Entrant {
    pub(crate) fn new(profile: Profile, call: &Call, limits: &SandboxLimits) -> Self {
        Self {
            profile,
            tool: call.tool.name.clone(),
            principal: call.principal.id().to_owned(),
            calls_per_tool: limits.calls_per_tool,
            calls_per_principal: limits.calls_per_principal,
        }
    }
}

impl Queue {
    pub(crate) fn new(settings: &SandboxSettings) -> Self {
        let places = |calls: u32| usize::try_from(calls.max(1)).unwrap_or(usize::MAX);
        let free = [
            (Profile::Usual, places(settings.concurrent_calls)),
            (Profile::Large, places(settings.large_calls)),
        ];
        Self(Arc::new(Mutex::new(State {
            free: free.into(),
            tools: HashMap::new(),
            principals: HashMap::new(),
            waiting: VecDeque::new(),
            next: 0,
        })))
    }

    /// A place for this call. Fails at once when too many wait already, and when its turn does not come in time.
    pub(crate) async fn enter(
        &self,
        entrant: Entrant,
        limits: &SandboxLimits,
    ) -> Result<Place, Refusal> {
        let (mut turn, _waiting) = {
            let mut state = self.state();
            if state.take(&entrant) {
                return Ok(Place { queue: self.clone(), entrant });
            }
            if state.waiting.len() >= limits.queue_length {
                return Err(Refusal::QueueFull);
            }
            self.wait(&mut state, entrant)
        };
        match tokio::time::timeout(limits.queue_time, &mut turn).await {
            Ok(Ok(place)) => Ok(place),
            // The turn may have come in this very moment.
            Ok(Err(_)) | Err(_) => {
                turn.try_recv().map_err(|_| Refusal::QueueTime { waited: limits.queue_time })
            }
        }
    }

    fn wait(&self, state: &mut State, entrant: Entrant) -> (oneshot::Receiver<Place>, Waiting) {
        let (turn, comes) = oneshot::channel();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.waiting.push_back(Waiter { number, entrant, turn });
        (comes, Waiting { queue: self.clone(), number })
    }

    fn leave(&self, entrant: &Entrant) {
        let admitted = {
            let mut state = self.state();
            state.give_back(entrant);
            state.admit()
        };
        // Not under the lock: a place that nobody takes comes back here.
        for Waiter { entrant, turn, .. } in admitted {
            drop(turn.send(Place { queue: self.clone(), entrant }));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(&self.entrant);
    }
}

/// A call that waits, until it gets its turn or goes away.
struct Waiting {
    queue: Queue,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.state().waiting.retain(|waiter| waiter.number != self.number);
    }
}

impl State {
    /// Takes the places of a call, if all are free.
    fn take(&mut self, entrant: &Entrant) -> bool {
        let free = self.free.get(&entrant.profile).copied().unwrap_or(0);
        let of_tool = self.tools.get(&entrant.tool).copied().unwrap_or(0);
        let of_principal = self.principals.get(&entrant.principal).copied().unwrap_or(0);
        let fits = free > 0
            && of_tool < entrant.calls_per_tool
            && of_principal < entrant.calls_per_principal;
        if fits {
            self.free.insert(entrant.profile, free.saturating_sub(1));
            self.tools.insert(entrant.tool.clone(), of_tool.saturating_add(1));
            self.principals.insert(entrant.principal.clone(), of_principal.saturating_add(1));
        }
        fits
    }

    fn give_back(&mut self, entrant: &Entrant) {
        if let Some(free) = self.free.get_mut(&entrant.profile) {
            *free = free.saturating_add(1);
        }
        one_less(&mut self.tools, &entrant.tool);
        one_less(&mut self.principals, &entrant.principal);
    }

    /// Takes the places of all that fit now, out of those that wait.
    fn admit(&mut self) -> Vec<Waiter> {
        let (mut admitted, mut waiting) = (Vec::new(), VecDeque::new());
        for waiter in std::mem::take(&mut self.waiting) {
            if self.take(&waiter.entrant) {
                admitted.push(waiter);
            } else {
                waiting.push_back(waiter);
            }
        }
        self.waiting = waiting;
        admitted
    }
}

/// What is not used is not kept: names come from callers.
fn one_less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use toolward_gate::{Refusal, SandboxLimits};

    use super::{Entrant, Place, Queue};
    use crate::{engine::Profile, settings::SandboxSettings};

    fn queue(concurrent_calls: u32) -> Queue {
        Queue::new(&SandboxSettings { concurrent_calls, ..SandboxSettings::default() })
    }

    fn limits() -> SandboxLimits {
        SandboxLimits {
            calls_per_tool: 2,
            calls_per_principal: 3,
            queue_length: 1,
            queue_time: Duration::from_millis(50),
            ..SandboxLimits::default()
        }
    }

    async fn enter(queue: &Queue, tool: &str, principal: &str) -> Result<Place, Refusal> {
        let entrant = Entrant {
            profile: Profile::Usual,
            tool: tool.parse().unwrap(),
            principal: principal.to_owned(),
            calls_per_tool: limits().calls_per_tool,
            calls_per_principal: limits().calls_per_principal,
        };
        queue.enter(entrant, &limits()).await
    }

    #[tokio::test]
    async fn a_tool_and_a_principal_have_so_many_calls_at_once_and_others_do_not_notice() {
        let queue = queue(10);
        let one = enter(&queue, "read", "ana").await.unwrap();
        let _two = enter(&queue, "read", "bo").await.unwrap();
        let third = enter(&queue, "read", "cy").await;
        assert!(matches!(third, Err(Refusal::QueueTime { .. })));
        let _three = enter(&queue, "write", "ana").await.unwrap();
        let _four = enter(&queue, "pay", "ana").await.unwrap();
        assert!(enter(&queue, "look", "ana").await.is_err());
        let _five = enter(&queue, "look", "bo").await.unwrap();
        drop(one);
        drop(enter(&queue, "look", "ana").await.unwrap());
        drop(enter(&queue, "read", "cy").await.unwrap());
    }

    #[tokio::test]
    async fn a_call_that_finds_the_queue_full_is_told_at_once() {
        let queue = queue(1);
        let _one = enter(&queue, "read", "ana").await.unwrap();
        let waits = enter(&queue, "read", "ana");
        // Before the one that waits has heard anything.
        let full = async {
            let mut full = Box::pin(enter(&queue, "read", "bo"));
            assert!(!futures_poll(&mut full).await, "it is told at its first poll");
            assert_eq!(queue.waiting(), 1);
        };
        let (waited, ()) = tokio::join!(waits, full);
        assert!(matches!(waited, Err(Refusal::QueueTime { .. })));
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_is_given_back() {
        let queue = queue(1);
        let one = enter(&queue, "read", "ana").await.unwrap();
        let (second, ()) = tokio::join!(enter(&queue, "read", "bo"), async { drop(one) });
        drop(second.unwrap());
        drop(enter(&queue, "read", "ana").await.unwrap());
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_leaves_nothing_behind() {
        let queue = queue(1);
        let one = enter(&queue, "read", "ana").await.unwrap();
        {
            let mut waits = Box::pin(enter(&queue, "read", "bo"));
            assert!(futures_poll(&mut waits).await);
            assert_eq!(queue.waiting(), 1);
        }
        assert_eq!(queue.waiting(), 0);
        drop(one);
        drop(enter(&queue, "read", "ana").await.unwrap());
        assert!(queue.state().tools.is_empty() && queue.state().principals.is_empty());
    }

    /// Polls once; whether it still waits.
    async fn futures_poll<T>(work: &mut (impl Future<Output = T> + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *work).poll(context).is_pending())
        })
        .await
    }
}
