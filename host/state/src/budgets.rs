//! What is counted and set aside before a call, and settled after it.
mod held;
mod rows;
mod sums;

use async_trait::async_trait;
use jiff::Timestamp;
use toolward_gate::{
    Adjustment, Admitted, Behalf, BudgetLedger, BudgetLimit, By, Call, Cost, RateLimit, Record,
    Refusal, Reservation, ReserveError, Standing, Tally, Unavailable,
};

pub(crate) use rows::{GREATEST, settle};

use crate::{State, approvals, faults, micros, timestamp, unavailable, writer::Writing};
pub use held::AccountFilter;
use held::Limits;
use rows::Charged;
use sums::{Looked, Subject, blocking, calls, used};

#[async_trait]
impl BudgetLedger for State {
    /// Counts, sets aside, spends and records that in one transaction: all of it, or nothing.
    async fn reserve(&self, reservation: Reservation<'_>) -> Result<(), ReserveError> {
        let mut writing = self.write().await?;
        let charged = Charged::of(reservation.call);
        let limits = Limits::of(&reservation);
        let now = charged.now(&mut writing, micros(reservation.now), &limits).await?;
        let checked = check(&mut writing, &charged, &reservation, now).await;
        // Also who is refused can look up by what.
        let is_new = limits.keep(&mut writing, reservation.call, now).await?;
        if let Err(error) = checked {
            if is_new {
                writing.commit().await?;
            }
            return Err(error);
        }
        if let Some(approval) = &reservation.approval {
            approvals::spend(&mut writing, approval.id(), now).await?;
        }
        faults::at("reserve")?;
        charged.set_aside(&mut writing, &reservation, now).await?;
        faults::at("reserved")?;
        self.add(&mut writing, &Record::Admitted(Admitted::of(&reservation))).await?;
        writing.commit().await?;
        Ok(())
    }

    async fn remaining(
        &self,
        call: &Call,
        budgets: &[BudgetLimit],
        now: Timestamp,
    ) -> Result<Option<Cost>, Unavailable> {
        let mut reading = self.read_pool().acquire().await.map_err(unavailable)?;
        let subject = Subject::of(call.principal.id(), call.tool.name.as_str());
        let in_money =
            budgets.iter().filter(|one| matches!(one.most, toolward_gate::Amount::Cost(_)));
        let mut least = None;
        for budget in in_money {
            let looked = Looked { now: micros(now), except: None };
            let sum = used(&mut reading, subject, budget, looked).await?;
            let left = Cost(budget.most.most().saturating_sub(sum.all()));
            least = Some(least.map_or(left, |least: Cost| least.min(left)));
        }
        Ok(least)
    }

    async fn adjust(&self, adjustment: Adjustment<'_>) -> Result<(), ReserveError> {
        let Adjustment { call, usage, spent, budgets, behalf, now } = adjustment;
        let mut writing = self.write().await?;
        let charged = Charged::of_running(&mut writing, call).await?;
        let limits = Limits { rates: Vec::new(), budgets: budgets.to_vec() };
        let now = charged.now(&mut writing, micros(now), &limits).await?;
        let looked = Looked { now, except: Some(call) };
        check_budgets(&mut writing, charged.subject(), budgets, &usage, looked).await?;
        check_behalf(&mut writing, &charged.principal, behalf, &usage, looked).await?;
        faults::at("adjust")?;
        charged.hold(&mut writing, call, &usage, &spent).await?;
        writing.commit().await?;
        Ok(())
    }

    async fn standings(
        &self,
        principal: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<Standing>, Unavailable> {
        let principal = principal.map(str::to_owned);
        let all = AccountFilter { principal, ..AccountFilter::default() };
        Ok(self.standings_of(&all, now).await?.0)
    }
}

/// Every limit of the call, and every budget of the tools that wait for it.
async fn check(
    writing: &mut Writing,
    charged: &Charged,
    reservation: &Reservation<'_>,
    now: i64,
) -> Result<(), ReserveError> {
    let Reservation { call, usage, rates, budgets, .. } = reservation;
    for rate in *rates {
        check_rate(writing, charged.subject(), rate, now).await?;
    }
    let looked = Looked { now, except: Some(call.id) };
    check_budgets(writing, charged.subject(), budgets, usage, looked).await?;
    let behalf = call.parent.as_ref().map_or(&[][..], |parent| parent.behalf());
    check_behalf(writing, &charged.principal, behalf, usage, looked).await
}

async fn check_rate(
    writing: &mut Writing,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: i64,
) -> Result<(), ReserveError> {
    let time = timestamp(now)?;
    let used = calls(writing, subject, rate, time).await?.used;
    if used < u64::from(rate.calls) {
        return Ok(());
    }
    // Only who is refused waits until the call is found that must leave the window first.
    let blocking = blocking(writing, subject, rate, time, used).await?.unwrap_or(now);
    let leaves = rate.window.leaves(timestamp(blocking)?);
    let wait = leaves.map(|leaves| leaves.duration_since(time).unsigned_abs());
    Err(Refusal::OverRate { calls: rate.calls, window: rate.window, retry_after: wait }.into())
}

/// Whether the call fits with so much, in place of what it has set aside already.
async fn check_budgets(
    writing: &mut Writing,
    subject: Subject<'_>,
    budgets: &[BudgetLimit],
    usage: &Tally,
    looked: Looked,
) -> Result<(), ReserveError> {
    for budget in budgets {
        let used = used(writing, subject, budget, looked).await?.all();
        let wanted = budget.most.of(usage.at(budget.of.as_ref()));
        // Saturates: what does not fit is over every budget but the greatest.
        if used.saturating_add(wanted) > budget.most.most() {
            return Err(Refusal::OverBudget.into());
        }
    }
    Ok(())
}

async fn check_behalf(
    writing: &mut Writing,
    principal: &str,
    behalf: &[Behalf],
    usage: &Tally,
    looked: Looked,
) -> Result<(), ReserveError> {
    for Behalf { tool, budgets } in behalf {
        let subject = Subject::of(principal, tool.as_str());
        check_budgets(writing, subject, budgets, usage, looked).await?;
    }
    Ok(())
}

/// Whether a limit counts for more than one principal.
fn is_for_all(by: By) -> bool {
    by == By::Tool
}
