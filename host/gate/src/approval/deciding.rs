//! What becomes of a question, answer by answer: no input but the answers and the time.
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Answer, ApprovalState, DecideError, Filing, Request, Verdict};
use crate::CapabilityName;

impl ApprovalState {
    /// What a question that was left in this state is by `now`.
    #[must_use]
    pub fn by(self, now: Timestamp, filing: &Filing) -> Self {
        match self {
            Self::Open | Self::Approved if filing.expires_at <= now => Self::Expired,
            // Everybody was asked, and nobody answered in time: a tie is a no.
            Self::Open if filing.open_until() <= now => Self::Denied,
            Self::Open | Self::Approved | Self::Denied | Self::Spent | Self::Expired => self,
        }
    }
}

impl Request {
    /// Takes one person's answer at the time it bears. Denied with the first no, approved with the last yes that is
    /// needed. An exception ends with the first no at any time.
    pub fn take(&mut self, answer: Answer) -> Result<(), DecideError> {
        self.may_answer(&answer)?;
        self.fits(&answer)?;
        let at = answer.at;
        self.answers.push(answer);
        let denied = self.answers.iter().any(|answer| answer.verdict == Verdict::Deny);
        if denied {
            self.state = ApprovalState::Denied;
        } else if self.has_enough() {
            self.state = ApprovalState::Approved;
            if let Some(access) = &self.filing.access {
                // What does not fit the calendar has ended.
                self.filing.expires_at = at.checked_add(access.lasts()).unwrap_or(at);
            }
        }
        Ok(())
    }

    /// Fails where limits are about something that is not asked for.
    fn fits(&self, answer: &Answer) -> Result<(), DecideError> {
        if answer.limits.is_none() {
            return Ok(());
        }
        if answer.verdict == Verdict::Deny {
            return Err(DecideError::Unfit("a no has no limits".to_owned()));
        }
        if self.filing.access.is_some() {
            let why = "access for a time is not narrowed: deny it, and ask for less";
            return Err(DecideError::Unfit(why.to_owned()));
        }
        let asked = &self.filing.capabilities;
        let other = answer.limits.capabilities.keys().find(|name| !asked.contains(name));
        other.map_or(Ok(()), |name| {
            let asked: BTreeSet<&str> = asked.iter().map(CapabilityName::as_str).collect();
            let asked = asked.into_iter().collect::<Vec<_>>().join("`, `");
            Err(DecideError::Unfit(format!("the call does not use `{name}`; it uses `{asked}`")))
        })
    }

    fn may_answer(&self, answer: &Answer) -> Result<(), DecideError> {
        let filing = &self.filing;
        if answer.people().any(|one| filing.is_party(one)) {
            return Err(DecideError::OwnCall(answer.by.clone()));
        }
        if !filing.may_answer(&answer.roles) {
            let roles = filing.approvers.roles.iter().cloned().collect();
            return Err(DecideError::NotAnApprover { by: answer.by.clone(), roles });
        }
        let ends_access = filing.access.is_some()
            && self.state == ApprovalState::Approved
            && answer.verdict == Verdict::Deny;
        if ends_access {
            return Ok(());
        }
        if self.state != ApprovalState::Open {
            return Err(DecideError::NotOpen { id: self.id, state: self.state });
        }
        if !filing.is_asked(&answer.roles, answer.at) {
            return Err(DecideError::NotAskedYet(answer.by.clone()));
        }
        let people: BTreeSet<&str> = answer.people().collect();
        if self.answers.iter().flat_map(Answer::people).any(|earlier| people.contains(earlier)) {
            return Err(DecideError::AnsweredBefore(answer.by.clone()));
        }
        Ok(())
    }
}
