//! Switches and time, as one object that a run can wait on.
use std::{
    collections::BTreeSet,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::Instant};

use crate::{
    Call, CapabilityName, Clock, Denials, Digest, Principal, Terms, Tripwire, Unavailable,
};

/// Why a life is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    SwitchThrown(SwitchTarget),
    /// The switches could not be read for too long: they count as thrown.
    SwitchesUnreadable,
    TimeOver,
    /// What proved the caller's identity has ended.
    IdentityEnded,
    /// What proved the caller's identity was taken back.
    IdentityDenied,
}

impl Cause {
    /// Stable: programs match on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SwitchThrown(_) | Self::SwitchesUnreadable => "halted",
            Self::TimeOver => "time-over",
            Self::IdentityEnded => "identity-ended",
            Self::IdentityDenied => "identity-denied",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchThrown(target) => write!(f, "the kill switch `{target}` is on"),
            Self::SwitchesUnreadable => f.write_str("the kill switches cannot be read"),
            Self::TimeOver => f.write_str("its time is over"),
            Self::IdentityEnded => f.write_str("the caller's token has ended"),
            Self::IdentityDenied => f.write_str("the caller's token was revoked"),
        }
    }
}

/// What a kill switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SwitchTarget {
    Everything,
    Tool(String),
    Digest(String),
    Capability(String),
    /// What the tools of one component do under one capability.
    Use {
        digest: Digest,
        capability: CapabilityName,
    },
    /// The first part of a capability name, as in `github`.
    Provider(String),
    Credential(String),
    Principal(String),
}

impl fmt::Display for SwitchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Tool(name) => write!(f, "tool {name}"),
            Self::Digest(name) => write!(f, "digest {name}"),
            Self::Capability(name) => write!(f, "capability {name}"),
            Self::Use { digest, capability } => write!(f, "use {digest} {capability}"),
            Self::Provider(name) => write!(f, "provider {name}"),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Principal(name) => write!(f, "principal {name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a kill switch: write `everything`, or one of `tool`, `digest`, `capability`, `provider`, `credential`, `principal` and a name, or `use` with a digest and a capability"
)]
pub struct SwitchTargetError(String);

impl FromStr for SwitchTarget {
    type Err = SwitchTargetError;
    fn from_str(text: &str) -> Result<Self, SwitchTargetError> {
        let (kind, name) = text.split_once(' ').unwrap_or((text, ""));
        if kind == "use" {
            return pair(name).ok_or_else(|| SwitchTargetError(text.to_owned()));
        }
        let owned = name.trim().to_owned();
        match (kind, owned.is_empty()) {
            ("everything", true) => Ok(Self::Everything),
            ("tool", false) => Ok(Self::Tool(owned)),
            ("digest", false) => Ok(Self::Digest(owned)),
            ("capability", false) => Ok(Self::Capability(owned)),
            ("provider", false) => Ok(Self::Provider(owned)),
            ("credential", false) => Ok(Self::Credential(owned)),
            ("principal", false) => Ok(Self::Principal(owned)),
            _ => Err(SwitchTargetError(text.to_owned())),
        }
    }
}

fn pair(text: &str) -> Option<SwitchTarget> {
    let (digest, capability) = text.trim().split_once(' ')?;
    let capability = capability.trim().parse().ok()?;
    Some(SwitchTarget::Use { digest: digest.parse().ok()?, capability })
}

impl TryFrom<String> for SwitchTarget {
    type Error = SwitchTargetError;
    fn try_from(text: String) -> Result<Self, SwitchTargetError> {
        text.parse()
    }
}

impl From<SwitchTarget> for String {
    fn from(target: SwitchTarget) -> Self {
        target.to_string()
    }
}

/// A thrown switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    pub target: SwitchTarget,
    pub reason: String,
    pub by: String,
    pub since: Timestamp,
    /// When it goes off by itself; never, where absent.
    pub expires_at: Option<Timestamp>,
}

/// Every switch that is thrown, and every denial: what ends calls, read at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchSet {
    pub thrown: Vec<Switch>,
    pub denials: Denials,
}

/// Where switches are kept, so that they hold across restarts and reach every host.
#[async_trait]
pub trait SwitchFeed: Send + Sync {
    async fn read(&self) -> Result<SwitchSet, Unavailable>;
    /// Throws a switch, and records it in the audit trail in the same transaction.
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable>;
    /// Counts one event, and throws the switch with the `most`th since it was last lifted; counting, throwing
    /// and its record are one transaction. Whether the switch is on then. A feed that does not count throws it with the first.
    async fn count_towards(&self, switch: Switch, _most: u32) -> Result<bool, Unavailable> {
        self.throw(switch).await.map(|()| true)
    }
    /// Lifts a switch, and records it in the same transaction; `false` when it was not thrown. What was counted
    /// towards it is forgotten.
    async fn lift(
        &self,
        target: &SwitchTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable>;
}

/// What this host knows of the switches: the set, and until when that knowledge is good.
#[derive(Clone, Debug)]
struct Known {
    set: Arc<SwitchSet>,
    readable: bool,
}

/// The kill switches as this host sees them.
pub struct Switchboard {
    feed: Arc<dyn SwitchFeed>,
    board: Arc<Board>,
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard").field("known", &self.board.known).finish_non_exhaustive()
    }
}

/// What is known, and who is told at once when it changes.
pub(crate) struct Board {
    known: watch::Sender<Known>,
    bells: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl Board {
    pub(crate) fn learn(&self, set: SwitchSet) {
        self.change(|known| {
            let changed = !known.readable || *known.set != set;
            if changed {
                *known = Known { set: Arc::new(set), readable: true };
            }
            changed
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known) -> bool) {
        if self.known.send_if_modified(change) {
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
        let board = Board { known: watch::Sender::new(first), bells: Mutex::default() };
        let board = Arc::new(board);
        tokio::spawn(refresh(feed.clone(), Arc::downgrade(&board)));
        Ok(Self { feed, board })
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

    /// What suspends the call's tool when responses to it hold a credential.
    pub(crate) fn tripwire(&self, call: &Call, clock: Arc<dyn Clock>) -> Tripwire {
        Tripwire::new(call.tool.digest, self.feed.clone(), Arc::downgrade(&self.board), clock)
    }

    /// Starts the life of a call. It may be over already; `admit` asks.
    pub(crate) fn watch(&self, call: &Call, terms: &Terms, clock: &dyn Clock) -> Life {
        let now = Instant::now();
        let ends_at = now.checked_add(terms.time).unwrap_or(now);
        let identity_ends_at = call.principal.ends_at().map(|end| {
            let left =
                Duration::try_from(end.duration_since(clock.now())).unwrap_or(Duration::ZERO);
            now.checked_add(left).unwrap_or(ends_at)
        });
        let life = Life {
            known: self.board.known.subscribe(),
            subjects: subjects(call, terms).into(),
            caller: call.principal.clone(),
            ends_at,
            identity_ends_at,
        };
        match &call.parent {
            Some(parent) => life.within(parent.life()),
            None => life,
        }
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
    let mut subjects = vec![
        SwitchTarget::Everything,
        SwitchTarget::Tool(call.tool.name.to_string()),
        SwitchTarget::Tool(call.tool.component.to_string()),
        SwitchTarget::Digest(call.tool.digest.to_string()),
        SwitchTarget::Principal(call.principal.id().to_owned()),
    ];
    subjects.extend(call.principal.acts_for().iter().cloned().map(SwitchTarget::Principal));
    let capabilities = terms.sandbox.capabilities.keys().chain(terms.egress.http.keys());
    for capability in capabilities.collect::<BTreeSet<_>>() {
        subjects.push(SwitchTarget::Capability(capability.to_string()));
        subjects.push(SwitchTarget::Provider(provider(capability).to_owned()));
        let (digest, capability) = (call.tool.digest, capability.clone());
        subjects.push(SwitchTarget::Use { digest, capability });
    }
    for scope in terms.egress.http.values() {
        subjects
            .extend(scope.credential.iter().map(|name| SwitchTarget::Credential(name.to_string())));
    }
    subjects
}

/// The service that a capability is of: the first word of its name.
pub(crate) fn provider(capability: &CapabilityName) -> &str {
    capability.as_str().split(':').next().unwrap_or_default()
}

/// How long a permit lives. Clones share one fate.
#[derive(Clone, Debug)]
pub struct Life {
    known: watch::Receiver<Known>,
    subjects: Arc<[SwitchTarget]>,
    caller: Principal,
    ends_at: Instant,
    identity_ends_at: Option<Instant>,
}

impl Life {
    /// Fails when the life is over.
    pub fn check(&self) -> Result<(), Cause> {
        if let Some(cause) = self.halted(&self.known.borrow()) {
            return Err(cause);
        }
        let now = Instant::now();
        if self.identity_ends_at.is_some_and(|end| end <= now) {
            return Err(Cause::IdentityEnded);
        }
        if self.ends_at <= now { Err(Cause::TimeOver) } else { Ok(()) }
    }

    /// Runs `work` while the life lasts; drops it the moment it ends.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, Cause> {
        self.check()?;
        tokio::select! {
            biased;
            cause = self.end() => Err(cause),
            done = work => Ok(done),
        }
    }

    /// Waits for the end of the life, and says why it ended.
    pub async fn end(&self) -> Cause {
        let mut known = self.known.clone();
        let identity = self.identity_ends_at.unwrap_or(self.ends_at);
        tokio::select! {
            biased;
            // A board that is gone cannot be read any more.
            cause = async { known.wait_for(|known| self.halted(known).is_some()).await.map(|known| self.halted(&known)) } =>
                cause.ok().flatten().unwrap_or(Cause::SwitchesUnreadable),
            () = tokio::time::sleep_until(identity.min(self.ends_at)) =>
                if identity < self.ends_at { Cause::IdentityEnded } else { Cause::TimeOver },
        }
    }

    /// From now to the end of the life, as far as it is known.
    pub fn remaining(&self) -> Duration {
        let end = self.identity_ends_at.map_or(self.ends_at, |identity| identity.min(self.ends_at));
        end.saturating_duration_since(Instant::now())
    }

    /// The same life, that ends at `end` at the latest.
    pub(crate) fn until(mut self, end: Option<Instant>) -> Self {
        self.ends_at = end.map_or(self.ends_at, |end| end.min(self.ends_at));
        self
    }

    /// A life that also ends with another one: at its time, and with every switch that names it.
    fn within(self, other: &Self) -> Self {
        let subjects = self.subjects.iter().chain(other.subjects.iter()).cloned().collect();
        Self { subjects, ..self.until(Some(other.ends_at)) }
    }

    fn halted(&self, known: &Known) -> Option<Cause> {
        if !known.readable {
            return Some(Cause::SwitchesUnreadable);
        }
        let thrown = known.set.thrown.iter().find(|switch| self.subjects.contains(&switch.target));
        let thrown = thrown.map(|switch| Cause::SwitchThrown(switch.target.clone()));
        thrown.or_else(|| known.set.denials.hit(&self.caller).map(|_| Cause::IdentityDenied))
    }
}

/// How often the switches are read: the floor under every faster notice.
const POLL: Duration = Duration::from_millis(50);
/// How long unreadable switches are taken to stand as they were last read.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
