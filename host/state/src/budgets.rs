//! What is counted and set aside before a call, and settled after it.
use async_trait::async_trait;
use jiff::Timestamp;
use toolward_gate::{
    Adjustment, Admitted, Amount, BudgetLedger, BudgetLimit, Call, CallId, Cost, RateLimit, Record,
    Refusal, Reservation, ReserveError, Unavailable, Usage,
};

use crate::{State, approvals, micros, remaining::remaining, unavailable, writer::Writing};

#[async_trait]
impl BudgetLedger for State {
    /// Counts, sets aside, spends and records that in one transaction: all of it, or nothing.
    async fn reserve(&self, reservation: Reservation<'_>) -> Result<(), ReserveError> {
        let mut writing = self.write().await?;
        let who = Account::of(&reservation);
        let now = who.now(&mut writing, micros(reservation.now)).await?;
        for rate in reservation.rates {
            who.check_rate(&mut writing, rate, now).await?;
        }
        for budget in reservation.budgets {
            who.check_budget(&mut writing, budget, reservation.usage, reservation.call.id, now)
                .await?;
        }
        if let Some(approval) = &reservation.approval {
            approvals::spend(&mut writing, approval.id(), now).await?;
        }
        who.set_aside(&mut writing, &reservation, now).await?;
        self.add(&mut writing, &Record::Admitted(Admitted::of(&reservation))).await?;
        writing.commit().await.map_err(unavailable)?;
        Ok(())
    }

    async fn remaining(
        &self,
        call: &Call,
        budgets: &[BudgetLimit],
        now: Timestamp,
    ) -> Result<Option<Cost>, Unavailable> {
        remaining(self, call, budgets, now).await
    }

    async fn adjust(&self, adjustment: Adjustment<'_>) -> Result<(), ReserveError> {
        let Adjustment { call, usage, budgets, now } = adjustment;
        let mut writing = self.write().await?;
        let who = Account::of_call(&mut writing, call).await?;
        let now = who.now(&mut writing, micros(now)).await?;
        for budget in budgets {
            who.check_budget(&mut writing, budget, usage, call, now).await?;
        }
        let (cost, tokens) = columns(usage);
        sqlx::query("UPDATE reservations SET reserved = ?, reserved_tokens = ? WHERE call = ?")
            .bind(cost)
            .bind(tokens)
            .bind(call.to_string())
            .execute(&mut *writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)?;
        Ok(())
    }
}

/// What a rate or a budget is counted for: one principal and one tool.
struct Account {
    principal: String,
    tool: String,
}

impl Account {
    fn of(reservation: &Reservation<'_>) -> Self {
        let call = reservation.call;
        Self { principal: call.principal.id().to_owned(), tool: call.tool.name.to_string() }
    }

    /// The account of a call that has set something aside and is not settled.
    async fn of_call(writing: &mut Writing, call: CallId) -> Result<Self, Unavailable> {
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT principal, tool FROM reservations WHERE call = ? AND settled IS NULL",
        )
        .bind(call.to_string())
        .fetch_optional(&mut **writing)
        .await
        .map_err(unavailable)?;
        let (principal, tool) =
            found.ok_or_else(|| unavailable("the call has set nothing aside"))?;
        Ok(Self { principal, tool })
    }

    /// The time, or the latest time on record where the clock has stepped back: a window never reopens.
    async fn now(&self, writing: &mut Writing, now: i64) -> Result<i64, Unavailable> {
        let latest: Option<i64> =
            sqlx::query_scalar("SELECT max(at) FROM reservations WHERE principal = ? AND tool = ?")
                .bind(&self.principal)
                .bind(&self.tool)
                .fetch_one(&mut **writing)
                .await
                .map_err(unavailable)?;
        Ok(latest.map_or(now, |latest| latest.max(now)))
    }

    async fn check_rate(
        &self,
        writing: &mut Writing,
        rate: &RateLimit,
        now: i64,
    ) -> Result<(), ReserveError> {
        let window = window(rate.window);
        // The call that must leave the window before another one fits: the newest but `calls - 1`.
        let blocking: Option<i64> = sqlx::query_scalar(
            "SELECT at FROM reservations WHERE principal = ? AND tool = ? AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?",
        )
        .bind(&self.principal)
        .bind(&self.tool)
        .bind(now.saturating_sub(window))
        .bind(i64::from(rate.calls.saturating_sub(1)))
        .fetch_optional(&mut **writing)
        .await
        .map_err(unavailable)?;
        if rate.calls > 0 && blocking.is_none() {
            return Ok(());
        }
        let wait = blocking.map_or(window, |at| at.saturating_add(window).saturating_sub(now));
        let retry_after = std::time::Duration::from_micros(u64::try_from(wait).unwrap_or_default());
        Err(Refusal::OverRate { calls: rate.calls, window: rate.window, retry_after }.into())
    }

    /// Whether the call fits with so much, in place of what it has set aside already.
    async fn check_budget(
        &self,
        writing: &mut Writing,
        budget: &BudgetLimit,
        usage: Usage,
        call: CallId,
        now: i64,
    ) -> Result<(), ReserveError> {
        // `sum` fails on overflow, and a failure refuses.
        let query = match budget.most {
            Amount::Cost(_) => {
                "SELECT coalesce(sum(CASE WHEN settled IS NOT NULL THEN settled WHEN expires_at > ?4 THEN reserved ELSE 0 END), 0) \
                 FROM reservations WHERE principal = ?1 AND tool = ?2 AND at > ?3 AND call <> ?5"
            }
            Amount::Tokens(_) => {
                "SELECT coalesce(sum(CASE WHEN settled IS NOT NULL THEN coalesce(settled_tokens, 0) WHEN expires_at > ?4 THEN reserved_tokens ELSE 0 END), 0) \
                 FROM reservations WHERE principal = ?1 AND tool = ?2 AND at > ?3 AND call <> ?5"
            }
        };
        let used: i64 = sqlx::query_scalar(query)
            .bind(&self.principal)
            .bind(&self.tool)
            .bind(now.saturating_sub(window(budget.window)))
            .bind(now)
            .bind(call.to_string())
            .fetch_one(&mut **writing)
            .await
            .map_err(unavailable)?;
        let used = u64::try_from(used).map_err(unavailable)?;
        // Both, as if they were of the one kind that the budget looks at.
        let used = Usage { cost: Cost(used), tokens: used };
        // Saturates: what does not fit is over every budget but the greatest.
        if budget.fits(used.with(usage)) { Ok(()) } else { Err(Refusal::OverBudget.into()) }
    }

    async fn set_aside(
        &self,
        writing: &mut Writing,
        reservation: &Reservation<'_>,
        now: i64,
    ) -> Result<(), ReserveError> {
        // What does not fit into its column is over every budget.
        let cost = i64::try_from(reservation.usage.cost.0).map_err(|_| Refusal::OverBudget)?;
        let tokens = i64::try_from(reservation.usage.tokens).map_err(|_| Refusal::OverBudget)?;
        // It lasts as long as it was asked to, counted from the time on record: where the clock has
        // stepped back, it would else be over before it began, and count for nothing.
        let lasts = micros(reservation.expires_at).saturating_sub(micros(reservation.now)).max(0);
        sqlx::query("INSERT INTO reservations (call, principal, tool, at, reserved, reserved_tokens, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(reservation.call.id.to_string())
            .bind(&self.principal)
            .bind(&self.tool)
            .bind(now)
            .bind(cost)
            .bind(tokens)
            .bind(now.saturating_add(lasts))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

/// Ends what was set aside under a call's id: keeps what was used, at most what was set aside last. A call
/// that set nothing aside, or was settled before, is left as it is.
pub(crate) async fn settle(
    writing: &mut Writing,
    call: CallId,
    usage: Usage,
) -> Result<(), Unavailable> {
    let (cost, tokens) = columns(usage);
    sqlx::query(
        "UPDATE reservations SET settled = min(reserved, ?), settled_tokens = min(reserved_tokens, ?) WHERE call = ? AND settled IS NULL",
    )
    .bind(cost)
    .bind(tokens)
    .bind(call.to_string())
    .execute(&mut **writing)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// As they are written down. Many of the greatest still make a sum that fits.
fn columns(usage: Usage) -> (i64, i64) {
    let column = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX).min(GREATEST);
    (column(usage.cost.0), column(usage.tokens))
}

/// Of what was used: whatever is more is over every budget that anybody has.
const GREATEST: i64 = 1 << 53;

/// In microseconds.
fn window(window: std::time::Duration) -> i64 {
    i64::try_from(window.as_micros()).unwrap_or(i64::MAX)
}
