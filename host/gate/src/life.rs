//! Switches and time, as one object that a run can wait on.
//!
//! The time limit of a call, the end of its caller's token, the end of a credential that it may use and every
//! switch that names something of it: whichever comes first ends it.
mod switch;
mod switchboard;

pub use switch::{Switch, SwitchFeed, SwitchSet, SwitchTarget, SwitchTargetError};
pub(crate) use switchboard::Board;
pub use switchboard::Switchboard;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{CredentialName, Principal};
use switchboard::Known;

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
    /// A credential that the call may use is good no longer.
    CredentialEnded(CredentialName),
}

impl Cause {
    /// Stable: programs match on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SwitchThrown(_) | Self::SwitchesUnreadable => "halted",
            Self::TimeOver => "time-over",
            Self::IdentityEnded => "identity-ended",
            Self::IdentityDenied => "identity-denied",
            Self::CredentialEnded(_) => "credential-ended",
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
            Self::CredentialEnded(name) => write!(f, "the credential `{name}` has ended"),
        }
    }
}

/// How long a permit lives. Clones share one fate.
#[derive(Clone, Debug)]
pub struct Life {
    known: watch::Receiver<Known>,
    subjects: Arc<[SwitchTarget]>,
    caller: Principal,
    end: End,
}

/// When a life ends by itself, and of what.
#[derive(Clone, Debug)]
struct End {
    at: Instant,
    cause: Cause,
}

impl End {
    /// The one that comes first; of two at once, `self`.
    fn sooner(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

impl Life {
    /// Fails when the life is over.
    pub fn check(&self) -> Result<(), Cause> {
        if let Some(cause) = self.halted(&self.known.borrow()) {
            return Err(cause);
        }
        if self.end.at <= Instant::now() { Err(self.end.cause.clone()) } else { Ok(()) }
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
        tokio::select! {
            biased;
            // A board that is gone cannot be read any more.
            cause = async { known.wait_for(|known| self.halted(known).is_some()).await.map(|known| self.halted(&known)) } =>
                cause.ok().flatten().unwrap_or(Cause::SwitchesUnreadable),
            () = tokio::time::sleep_until(self.end.at) => self.end.cause.clone(),
        }
    }

    /// From now to the end of the life, as far as it is known.
    pub fn remaining(&self) -> Duration {
        self.end.at.saturating_duration_since(Instant::now())
    }

    /// The same life, for what uses a credential that is good until `end`.
    pub fn while_good(&self, credential: &CredentialName, end: Instant) -> Self {
        let cause = Cause::CredentialEnded(credential.clone());
        let sooner = self.end.clone().sooner(End { at: end, cause });
        Self { end: sooner, ..self.clone() }
    }

    /// The same life, that ends at `end` at the latest.
    pub(crate) fn until(self, end: Option<Instant>) -> Self {
        let end = end.map(|at| End { at, cause: Cause::TimeOver });
        let sooner = end.into_iter().fold(self.end, End::sooner);
        Self { end: sooner, ..self }
    }

    /// A life that also ends with another one: at its end, and with every switch that names it.
    fn within(self, other: &Self) -> Self {
        let subjects = self.subjects.iter().chain(other.subjects.iter()).cloned().collect();
        Self { subjects, end: self.end.clone().sooner(other.end.clone()), ..self }
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

#[cfg(test)]
mod tests;
