//! Who is asked, in which order, and for how long?
use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Filing, Roles};
use crate::Unavailable;

/// How a host asks people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Who is asked one after the other; where it is empty, whoever the policies name, until the question expires.
    pub chain: Vec<Step>,
    /// Open questions of one principal at once. Further ones are refused.
    pub most_open: u32,
    /// Who may answer as what by now.
    pub roles: Roles,
}

impl Default for Asking {
    fn default() -> Self {
        Self { chain: Vec::new(), most_open: MOST_OPEN, roles: Roles::default() }
    }
}

/// One step of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Roles; empty: whoever the policies name.
    pub approvers: BTreeSet<String>,
    /// Until the next step is asked as well; after the last one, the answer is no.
    pub patience: Duration,
}

/// A step as it stands in a question: whoever has one of the roles may answer, until `until` and in every later step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub approvers: BTreeSet<String>,
    pub until: Timestamp,
}

impl Filing {
    /// The same question, put to people in this order. It stays good after its last turn as long as it would have
    /// without any, so that a no stands and a late yes can be used. Fails when a time does not fit the calendar.
    pub fn ask_in_turn(mut self, chain: &[Step]) -> Result<Self, Unavailable> {
        let Some(good) = chain.first().and(Some(self.expires_at.duration_since(self.filed_at)))
        else {
            return Ok(self);
        };
        let clock = |error| Unavailable::new("the clock", error);
        let mut until = self.filed_at;
        for step in chain {
            until = until.checked_add(step.patience).map_err(clock)?;
            self.turns.push(Turn { approvers: step.approvers.clone(), until });
        }
        self.expires_at = until.checked_add(good).map_err(clock)?;
        Ok(self)
    }

    /// Until when it can be answered.
    pub fn open_until(&self) -> Timestamp {
        self.turns.last().map_or(self.expires_at, |last| last.until)
    }

    /// How many steps have been asked by then, from 1; where there is no chain, always 1.
    pub fn asked_by(&self, now: Timestamp) -> usize {
        let over = self.turns.iter().filter(|turn| turn.until <= now).count();
        over.saturating_add(1).min(self.turns.len().max(1))
    }

    /// Whether somebody with these roles has been asked by then.
    pub(super) fn is_asked(&self, roles: &BTreeSet<String>, now: Timestamp) -> bool {
        let mut asked = self.turns.iter().take(self.asked_by(now));
        let fits = |turn: &Turn| turn.approvers.is_empty() || !turn.approvers.is_disjoint(roles);
        self.turns.is_empty() || asked.any(fits)
    }
}

const MOST_OPEN: u32 = 20;
