//! The switches as this host sees them, and the life of each call under them.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};

use super::{Cause, End, Life, Switch, SwitchFeed, SwitchSet, SwitchTarget};
use crate::{
    Call, CapabilityName, Clock, CredentialName, Question, STEP, Terms, Tripwire, Unavailable,
};

/// What this host knows of the switches: the set, and until when that knowledge is good.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) set: Arc<SwitchSet>,
    pub(super) readable: bool,
}

/// The kill switches as this host sees them.
pub struct Switchboard {
    pub(super) feed: Arc<dyn SwitchFeed>,
    pub(super) board: Arc<Board>,
    ends: BTreeMap<CredentialName, Timestamp>,
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard").field("known", &self.board.known).finish_non_exhaustive()
    }
}

/// What is known, and who is told at once when it changes.
pub(crate) struct Board {
    pub(super) known: watch::Sender<Known>,
    bells: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
    alarms: Mutex<Vec<Alarm>>,
}

type Alarm = Box<dyn Fn(&SwitchTarget) + Send + Sync>;

impl Board {
    pub(crate) fn learn(&self, set: SwitchSet) {
        self.change(|known| {
            let changed = !known.readable || *known.set != set;
            if changed {
                let before = std::mem::replace(known, Known { set: Arc::new(set), readable: true });
                // While nobody sees the switch yet: who does finds that this was done.
                self.alarm(&before.set, &known.set);
            }
            changed
        });
    }

    fn alarm(&self, before: &SwitchSet, after: &SwitchSet) {
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        for target in after.targets().filter(|target| !before.names(target)) {
            alarms.iter().for_each(|sound| sound(target));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Known) -> bool) {
        if self.known.send_if_modified(change) {
            tell(&self.known.borrow());
            self.bells
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .for_each(|ring| ring());
        }
    }
}

impl Switchboard {
    /// Reads the switches, and follows them from then on. Fails when they cannot be read: no door opens
    /// before they are.
    pub async fn follow(feed: Arc<dyn SwitchFeed>) -> Result<Self, Unavailable> {
        let first = Known { set: Arc::new(feed.read().await?), readable: true };
        tell(&first);
        let known = watch::Sender::new(first);
        let board = Arc::new(Board { known, bells: Mutex::default(), alarms: Mutex::default() });
        tokio::spawn(refresh(feed.clone(), Arc::downgrade(&board)));
        Ok(Self { feed, board, ends: BTreeMap::new() })
    }

    /// The same, where these credentials end by themselves: a call that may use one ends with it.
    pub fn ending(self, ends: BTreeMap<CredentialName, Timestamp>) -> Self {
        Self { ends, ..self }
    }

    /// The switches as this host knows them now.
    pub fn known(&self) -> Arc<SwitchSet> {
        self.board.known.borrow().set.clone()
    }

    /// Throws a switch for every host, and for this one at once.
    pub async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.feed.throw(switch).await?;
        self.board.learn(self.feed.read().await?);
        Ok(())
    }

    /// Calls `ring` at once, and from wherever it is noticed, each time that the switches have changed. It
    /// must not wait. What runs without waiting learns of a switch in this way.
    pub fn on_change(&self, ring: impl Fn() + Send + Sync + 'static) {
        self.board.bells.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(ring));
    }

    /// Calls `sound` with each switch that is found thrown and was not before, ahead of everybody who waits for
    /// it: who sees a switch finds that `sound` has returned. It must neither wait nor ask what is known.
    pub fn on_thrown(&self, sound: impl Fn(&SwitchTarget) + Send + Sync + 'static) {
        self.board.alarms.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(sound));
    }

    /// What suspends the call's tool when responses to it hold a credential.
    pub(crate) fn tripwire(&self, call: &Call, clock: Arc<dyn Clock>) -> Tripwire {
        Tripwire::new(call.tool.digest, self.feed.clone(), Arc::downgrade(&self.board), clock)
    }

    /// Starts the life of a call. It may be over already; `admit` asks.
    pub(crate) fn watch(&self, call: &Call, terms: &Terms, clock: &dyn Clock) -> Life {
        let time = After { now: Instant::now(), clock: clock.now() };
        let over = End {
            at: time.now.checked_add(terms.time).unwrap_or(time.now),
            cause: Cause::TimeOver,
        };
        let credentials = terms.egress.http.values().filter_map(|scope| scope.credential.as_ref());
        let ends = credentials.filter_map(|name| {
            let cause = Cause::CredentialEnded(name.clone());
            self.ends.get(name).map(|end| End { at: time.until(*end), cause })
        });
        let end = ends.fold(over, End::sooner);
        self.life(call, subjects(call, terms), end, &time)
    }

    /// The life of a call that waits for a person. It has no time of its own, and no credential yet.
    pub(crate) fn attend(&self, call: &Call, asked: &Question, clock: &dyn Clock) -> Life {
        let time = After { now: Instant::now(), clock: clock.now() };
        let patience = asked.patience.saturating_add(MARGIN);
        let over =
            End { at: time.now.checked_add(patience).unwrap_or(time.now), cause: Cause::TimeOver };
        let mut subjects = who(call);
        subjects.extend(asked.capabilities.iter().flat_map(|name| of(call, name)));
        self.life(call, subjects, over, &time)
    }

    fn life(&self, call: &Call, subjects: Vec<SwitchTarget>, end: End, time: &After) -> Life {
        let identity = call.principal.ends_at();
        let identity = identity.map(|end| End { at: time.until(end), cause: Cause::IdentityEnded });
        let end = identity.into_iter().fold(end, End::sooner);
        let (known, caller) = (self.board.known.subscribe(), call.principal.clone());
        let life = Life { known, subjects: subjects.into(), caller, end };
        match &call.parent {
            Some(parent) => life.within(parent.life()),
            None => life,
        }
    }
}

/// Places moments of the clock in the time that runs while a call does, which nobody sets back.
struct After {
    now: Instant,
    clock: Timestamp,
}

impl After {
    fn until(&self, end: Timestamp) -> Instant {
        let left = Duration::try_from(end.duration_since(self.clock)).unwrap_or(Duration::ZERO);
        self.now.checked_add(left).unwrap_or(self.now)
    }
}

/// Reads the switches again and again, until the board is dropped.
async fn refresh(feed: Arc<dyn SwitchFeed>, board: Weak<Board>) {
    let mut last_read = Instant::now();
    loop {
        tokio::time::sleep(POLL).await;
        let read = feed.read().await;
        let Some(board) = board.upgrade() else { return };
        match read {
            Ok(set) => {
                last_read = Instant::now();
                board.learn(set);
            }
            Err(error) => {
                tracing::warn!(cause = %error.cause, "the kill switches cannot be read");
                if last_read.elapsed() >= PATIENCE {
                    board.change(|known| std::mem::replace(&mut known.readable, false));
                }
            }
        }
    }
}

/// Everything about a call that a switch can name.
fn subjects(call: &Call, terms: &Terms) -> Vec<SwitchTarget> {
    let mut subjects = who(call);
    let capabilities = terms.sandbox.grants.capabilities.keys().chain(terms.egress.http.keys());
    let capabilities: BTreeSet<_> = capabilities.collect();
    subjects.extend(capabilities.into_iter().flat_map(|name| of(call, name)));
    let credentials = terms.egress.http.values().filter_map(|scope| scope.credential.as_ref());
    subjects.extend(credentials.map(|name| SwitchTarget::Credential(name.to_string())));
    subjects
}

/// Who calls what.
fn who(call: &Call) -> Vec<SwitchTarget> {
    let mut subjects = vec![
        SwitchTarget::Everything,
        SwitchTarget::Tool(call.tool.name.to_string()),
        SwitchTarget::Tool(call.tool.component.to_string()),
        SwitchTarget::Digest(call.tool.digest.to_string()),
        SwitchTarget::Principal(call.principal.id().to_owned()),
    ];
    subjects.extend(call.principal.acts_for().iter().cloned().map(SwitchTarget::Principal));
    subjects
}

/// A capability of a call.
fn of(call: &Call, name: &CapabilityName) -> [SwitchTarget; 3] {
    let (digest, capability) = (call.tool.digest, name.clone());
    [
        SwitchTarget::Capability(name.to_string()),
        SwitchTarget::Provider(name.provider().to_string()),
        SwitchTarget::Use { digest, capability },
    ]
}

/// For whoever measures: how many are thrown, and never which.
fn tell(Known { set, readable }: &Known) {
    let thrown = set.thrown.len();
    tracing::info!(target: STEP, thrown, readable, "the kill switches are known");
}

/// How often the switches are read: the floor under every faster notice.
const POLL: Duration = Duration::from_millis(50);
/// How long unreadable switches are taken to stand as they were last read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who waits for a person is told that nobody came, and not that its time is over.
const MARGIN: Duration = Duration::from_secs(60);
