//! What is left of a budget, for policies that look at it. Nothing is set aside by looking.
use jiff::Timestamp;
use sqlx::Row as _;
use toolward_gate::{Amount, BudgetLimit, Call, Cost, Unavailable};

use crate::{State, micros, unavailable};

/// The least that is left of these budgets for the caller of this tool; `None` where none is in money.
pub(crate) async fn remaining(
    state: &State,
    call: &Call,
    budgets: &[BudgetLimit],
    now: Timestamp,
) -> Result<Option<Cost>, Unavailable> {
    let mut least = None;
    for budget in budgets {
        let Amount::Cost(most) = budget.most else { continue };
        let window = i64::try_from(budget.window.as_micros()).unwrap_or(i64::MAX);
        let used = used(state, call, micros(now), window).await?;
        let left = Cost(most.0.saturating_sub(used));
        least = Some(least.map_or(left, |least: Cost| least.min(left)));
    }
    Ok(least)
}

/// As the ledger counts when it sets aside: what was settled, and what is set aside and has not lapsed.
async fn used(state: &State, call: &Call, now: i64, window: i64) -> Result<u64, Unavailable> {
    let row = sqlx::query(
        "SELECT coalesce(sum(CASE WHEN settled IS NOT NULL THEN settled WHEN expires_at > ?4 THEN reserved ELSE 0 END), 0) AS used \
         FROM reservations WHERE principal = ?1 AND tool = ?2 AND at > ?3",
    )
    .bind(call.principal.id())
    .bind(call.tool.name.as_str())
    .bind(now.saturating_sub(window))
    .bind(now)
    .fetch_one(state.read_pool())
    .await
    .map_err(unavailable)?;
    let used: i64 = row.try_get("used").map_err(unavailable)?;
    u64::try_from(used).map_err(unavailable)
}
