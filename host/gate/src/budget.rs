//! Set aside before a call, settled after it.
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Approval, Call, CallId, Refusal, Unavailable};

/// What a call costs, in micro-dollars (a millionth of a dollar).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(pub u64);

impl Cost {
    /// Both together. Saturates: a cost that does not fit is over every budget.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads `usd:` and dollars with at most six decimals, as in `usd:0.01`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let dollars = text.strip_prefix("usd:")?;
        let (whole, fraction) = dollars.split_once('.').unwrap_or((dollars, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return None;
        }
        let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros).map(Self)
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        write!(f, "usd:{whole}.{:0<2}", fraction.trim_end_matches('0'))
    }
}

/// What a call or a request uses up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub cost: Cost,
    /// Of a model, in and out; what counts as one is the upstream's to say.
    pub tokens: u64,
}

impl Usage {
    /// Both together; saturates, as a cost does.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { cost: self.cost.with(other.cost), tokens: self.tokens.saturating_add(other.tokens) }
    }

    /// What is left of it without `other`; never less than nothing.
    pub(crate) fn without(self, other: Self) -> Self {
        let cost = Cost(self.cost.0.saturating_sub(other.cost.0));
        Self { cost, tokens: self.tokens.saturating_sub(other.tokens) }
    }
}

/// So much of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    Cost(Cost),
    Tokens(u64),
}

/// At most `calls` in any `window`, per principal and tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    pub calls: u32,
    pub window: Duration,
}

/// At most so much in any `window`, per principal and tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetLimit {
    #[serde(flatten)]
    pub most: Amount,
    pub window: Duration,
}

impl BudgetLimit {
    /// Whether all of this would fit into it.
    pub fn fits(&self, usage: Usage) -> bool {
        match self.most {
            Amount::Cost(cost) => usage.cost <= cost,
            Amount::Tokens(tokens) => usage.tokens <= tokens,
        }
    }
}

/// What admission asks the ledger to do in one transaction: count against every rate, set aside what it
/// may use against every budget, and spend the approval. All of it, or nothing.
#[derive(Debug)]
pub struct Reservation<'a> {
    pub call: &'a Call,
    pub usage: Usage,
    pub rates: &'a [RateLimit],
    pub budgets: &'a [BudgetLimit],
    pub approval: Option<Approval>,
    pub now: Timestamp,
    /// When a reservation that nobody settled gives back what it held: after the end of the call's life.
    pub expires_at: Timestamp,
}

/// Another amount for a call that runs, in place of what was set aside for it until now.
#[derive(Debug)]
pub struct Adjustment<'a> {
    pub call: CallId,
    /// All that it may use from its beginning, what it has used included.
    pub usage: Usage,
    /// What this must fit into; none, where it was used already and only remains to be written down.
    pub budgets: &'a [BudgetLimit],
    pub now: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
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
}
