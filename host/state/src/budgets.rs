//! What is counted and set aside before a call, and settled after it.
use async_trait::async_trait;
use jiff::Timestamp;
use toolward_gate::{
    Admitted, BudgetLedger, BudgetLimit, Call, CallId, Cost, RateLimit, Record, Refusal,
    Reservation, ReserveError, Unavailable,
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
            who.check_budget(&mut writing, budget, reservation.cost, now).await?;
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

    async fn check_budget(
        &self,
        writing: &mut Writing,
        budget: &BudgetLimit,
        cost: Cost,
        now: i64,
    ) -> Result<(), ReserveError> {
        // `sum` fails on overflow, and a failure refuses.
        let used: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(CASE WHEN settled IS NOT NULL THEN settled WHEN expires_at > ?4 THEN reserved ELSE 0 END), 0) \
             FROM reservations WHERE principal = ?1 AND tool = ?2 AND at > ?3",
        )
        .bind(&self.principal)
        .bind(&self.tool)
        .bind(now.saturating_sub(window(budget.window)))
        .bind(now)
        .fetch_one(&mut **writing)
        .await
        .map_err(unavailable)?;
        let used = u64::try_from(used).map_err(unavailable)?;
        // Saturates: a cost that does not fit is over every budget but the greatest.
        let with_this = Cost(used.saturating_add(cost.0));
        if with_this <= budget.cost { Ok(()) } else { Err(Refusal::OverBudget.into()) }
    }

    async fn set_aside(
        &self,
        writing: &mut Writing,
        reservation: &Reservation<'_>,
        now: i64,
    ) -> Result<(), ReserveError> {
        // A cost that does not fit into the column is over every budget.
        let cost = i64::try_from(reservation.cost.0).map_err(|_| Refusal::OverBudget)?;
        // It lasts as long as it was asked to, counted from the time on record: where the clock has
        // stepped back, it would else be over before it began, and count for nothing.
        let lasts = micros(reservation.expires_at).saturating_sub(micros(reservation.now)).max(0);
        sqlx::query("INSERT INTO reservations (call, principal, tool, at, reserved, expires_at) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(reservation.call.id.to_string())
            .bind(&self.principal)
            .bind(&self.tool)
            .bind(now)
            .bind(cost)
            .bind(now.saturating_add(lasts))
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

/// Ends what was set aside under a call's id: keeps what it cost, at most what was set aside. A call that
/// set nothing aside, or was settled before, is left as it is.
pub(crate) async fn settle(
    writing: &mut Writing,
    call: CallId,
    cost: Cost,
) -> Result<(), Unavailable> {
    let cost = i64::try_from(cost.0).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE reservations SET settled = min(reserved, ?) WHERE call = ? AND settled IS NULL",
    )
    .bind(cost)
    .bind(call.to_string())
    .execute(&mut **writing)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// In microseconds.
fn window(window: std::time::Duration) -> i64 {
    i64::try_from(window.as_micros()).unwrap_or(i64::MAX)
}
