//! What becomes of a question, answer by answer: no input but the answers and the time.
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Answer, ApprovalState, DecideError, Filing, Request, Verdict};

impl ApprovalState {
    /// What a question that was left in this state is by `now`.
    #[must_use]
    pub fn by(self, now: Timestamp, filing: &Filing) -> Self {
        match self {
            Self::Open | Self::Approved if filing.expires_at <= now => Self::Expired,
            // Everybody was asked, and nobody answered in time: a tie is a no.
            Self::Open if filing.open_until() <= now => Self::Denied,
            as_it_was => as_it_was,
        }
    }
}

impl Request {
    /// Takes one person's answer at the time it bears. Denied with the first no, approved with the last yes that is
    /// needed. An exception ends with the first no at any time.
    pub fn take(&mut self, answer: Answer) -> Result<(), DecideError> {
        self.may_answer(&answer)?;
        let at = answer.at;
        self.answers.push(answer);
        let denied = self.answers.iter().any(|answer| answer.verdict == Verdict::Deny);
        let enough = self.answers.len() >= usize::from(self.filing.approvers.count.max(1));
        if denied {
            self.state = ApprovalState::Denied;
        } else if enough {
            self.state = ApprovalState::Approved;
            if let Some(access) = &self.filing.access {
                // What does not fit the calendar has ended.
                self.filing.expires_at = at.checked_add(access.lasts()).unwrap_or(at);
            }
        }
        Ok(())
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
