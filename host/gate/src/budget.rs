//! Set aside before a call, settled after it.
use std::{ops::Add, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Approval, Call, Refusal, Unavailable};

/// What a call costs, in micro-dollars (a millionth of a dollar).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(pub u64);

impl Add for Cost {
    type Output = Self;
    /// Saturates: a cost that does not fit is over every budget.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Cost {
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

/// At most `calls` in any `window`, per principal and tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    pub calls: u32,
    pub window: Duration,
}

/// At most `cost` in any `window`, per principal and tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetLimit {
    pub cost: Cost,
    pub window: Duration,
}

/// What admission asks the ledger to do in one transaction: count against every rate, set the cost aside
/// against every budget, and spend the approval. All of it, or nothing.
#[derive(Debug)]
pub struct Reservation<'a> {
    pub call: &'a Call,
    pub cost: Cost,
    pub rates: &'a [RateLimit],
    pub budgets: &'a [BudgetLimit],
    pub approval: Option<Approval>,
    pub now: Timestamp,
    /// When a reservation that nobody settled gives its cost back: after the end of the call's life.
    pub expires_at: Timestamp,
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
}
