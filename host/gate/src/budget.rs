//! Set aside before a call, settled after it.
use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Amount, Approval, Behalf, BudgetLimit, By, Call, CallId, Cost, RateLimit, Refusal, Tally,
    ToolName, Unavailable,
};

/// What admission asks the ledger to do in one transaction: count against every rate, set aside what it
/// may use against every budget, and spend the approval. All of it, or nothing.
///
/// A call that a tool makes counts against the budgets of the tools that wait for it, too.
#[derive(Debug)]
pub struct Reservation<'a> {
    pub call: &'a Call,
    pub usage: Tally,
    /// What of it counts as used from here on, also where this host is never heard of again.
    pub spent: Tally,
    pub rates: &'a [RateLimit],
    pub budgets: &'a [BudgetLimit],
    pub approval: Option<Approval>,
    pub now: Timestamp,
    /// When a reservation that nobody settled gives back what is not spent: after the end of the call's life.
    pub expires_at: Timestamp,
}

/// Another amount for a call that runs, in place of what was set aside for it until now.
#[derive(Debug)]
pub struct Adjustment<'a> {
    pub call: CallId,
    /// All that it may use from its beginning, what it has used included.
    pub usage: Tally,
    /// What of it counts as used, as in a reservation.
    pub spent: Tally,
    /// What this must fit into; none, where it was used already and only remains to be written down.
    pub budgets: &'a [BudgetLimit],
    /// What it must fit into besides.
    pub behalf: &'a [Behalf],
    pub now: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// How far one limit is used up, by one principal with one tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub principal: String,
    pub tool: ToolName,
    pub limit: Held,
    /// What is settled, or counts as used.
    pub used: u64,
    /// What is set aside for calls that run.
    pub reserved: u64,
    pub left: u64,
    /// When the next part of it comes back; absent where nothing is used, or where nothing comes back.
    pub frees_at: Option<Timestamp>,
    /// When all of it is there again, if nobody uses more.
    pub resets_at: Option<Timestamp>,
    /// When a call was last held to it.
    pub held_at: Timestamp,
}

/// A limit that calls are held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    Rate(RateLimit),
    Budget(BudgetLimit),
}

impl Held {
    /// Whose calls its numbers count.
    pub fn by(&self) -> By {
        match self {
            Self::Rate(rate) => rate.by,
            Self::Budget(budget) => budget.by,
        }
    }

    /// What its numbers count.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Rate(_) => "calls",
            Self::Budget(budget) => match budget.most {
                Amount::Cost(_) => "micro-dollars",
                Amount::Tokens(_) => "tokens",
                Amount::Requests(_) => "requests",
                Amount::Bytes(_) => "bytes",
            },
        }
    }

    /// In its unit.
    pub fn amount(&self, number: u64) -> String {
        match self {
            Self::Budget(budget) if matches!(budget.most, Amount::Cost(_)) => {
                Cost(number).to_string()
            }
            Self::Rate(_) | Self::Budget(_) => format!("{number} {}", self.unit()),
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rate(rate) => rate.fmt(f),
            Self::Budget(budget) => budget.fmt(f),
        }
    }
}

/// Where money, rates and approvals are spent. What was set aside is settled when the audit entry closes.
#[async_trait]
pub trait BudgetLedger: Send + Sync {
    async fn reserve(&self, reservation: Reservation<'_>) -> Result<(), ReserveError>;

    /// The least that is left of these budgets for the caller of this tool; `None` where that is not known.
    async fn remaining(
        &self,
        _call: &Call,
        _budgets: &[BudgetLimit],
        _now: Timestamp,
    ) -> Result<Option<Cost>, Unavailable> {
        Ok(None)
    }

    /// Fails for a call that set nothing aside, or was settled; and in a ledger that meters nothing.
    async fn adjust(&self, _: Adjustment<'_>) -> Result<(), ReserveError> {
        Err(Unavailable::new("the ledger", "it does not meter").into())
    }

    /// Every limit that calls were last held to, and how far it is used up: of one principal, or of all.
    async fn standings(
        &self,
        _principal: Option<&str>,
        _now: Timestamp,
    ) -> Result<Vec<Standing>, Unavailable> {
        Err(Unavailable::new("the ledger", "it keeps no account"))
    }
}

#[cfg(test)]
mod tests;
