//! By what is a principal with a tool held, and how far is that used up?
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use toolward_gate::{
    BudgetLimit, By, Call, Held, RateLimit, Reservation, Standing, ToolName, Unavailable, Window,
};

use super::sums::{Looked, Subject, Sum, between, calls, calls_between, used};
use crate::{State, micros, timestamp, unavailable, writer::Writing};

/// All limits of one call.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) rates: Vec<RateLimit>,
    pub(super) budgets: Vec<BudgetLimit>,
}

impl Limits {
    pub(super) fn of(reservation: &Reservation<'_>) -> Self {
        Self { rates: reservation.rates.to_vec(), budgets: reservation.budgets.to_vec() }
    }

    pub(super) fn all_by(&self) -> impl Iterator<Item = By> {
        let rates = self.rates.iter().map(|one| one.by);
        rates.chain(self.budgets.iter().map(|one| one.by))
    }

    /// Keeps them where they are others than those of the call before; whether they are.
    pub(super) async fn keep(
        &self,
        writing: &mut Writing,
        call: &Call,
        now: i64,
    ) -> Result<bool, Unavailable> {
        let text = serde_json::to_string(self).map_err(unavailable)?;
        let (principal, tool) = (call.principal.id(), call.tool.name.as_str());
        let before: Option<String> =
            sqlx::query_scalar("SELECT limits FROM held_to WHERE principal = ? AND tool = ?")
                .bind(principal)
                .bind(tool)
                .fetch_optional(&mut **writing)
                .await
                .map_err(unavailable)?;
        let is_none = self.rates.is_empty() && self.budgets.is_empty();
        if before.as_ref() == Some(&text) || (before.is_none() && is_none) {
            return Ok(false);
        }
        sqlx::query(
            "INSERT OR REPLACE INTO held_to (principal, tool, limits, since) VALUES (?, ?, ?, ?)",
        )
        .bind(principal)
        .bind(tool)
        .bind(text)
        .bind(now)
        .execute(&mut **writing)
        .await
        .map_err(unavailable)?;
        Ok(true)
    }
}

/// Every limit, and how far it is used up.
pub(super) async fn standings(
    state: &State,
    principal: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Standing>, Unavailable> {
    // One transaction: all of it is of one moment.
    let mut reading = state.read_pool().begin().await.map_err(unavailable)?;
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT principal, tool, limits, since FROM held_to WHERE ?1 IS NULL OR principal = ?1 ORDER BY principal, tool",
    )
    .bind(principal)
    .fetch_all(&mut *reading)
    .await
    .map_err(unavailable)?;
    let mut all = Vec::new();
    for (principal, tool, limits, since) in rows {
        let limits: Limits = serde_json::from_str(&limits).map_err(unavailable)?;
        let tool: ToolName = tool.parse().map_err(unavailable)?;
        let account = Account { principal, tool, since: timestamp(since)?, now };
        for rate in limits.rates {
            all.push(account.rate(&mut reading, rate).await?);
        }
        for budget in limits.budgets {
            all.push(account.budget(&mut reading, budget).await?);
        }
    }
    Ok(all)
}

struct Account {
    principal: String,
    tool: ToolName,
    since: Timestamp,
    now: Timestamp,
}

impl Account {
    async fn rate(
        &self,
        reading: &mut SqliteConnection,
        rate: RateLimit,
    ) -> Result<Standing, Unavailable> {
        let sum = calls(reading, self.subject(), &rate, self.now).await?;
        let between = match sum.all() {
            0 => None,
            _ => calls_between(reading, self.subject(), &rate, self.now).await?,
        };
        let (most, window) = (u64::from(rate.calls), rate.window);
        self.standing(Held::Rate(rate), most, window, sum, between)
    }

    async fn budget(
        &self,
        reading: &mut SqliteConnection,
        budget: BudgetLimit,
    ) -> Result<Standing, Unavailable> {
        let looked = Looked { now: micros(self.now), except: None };
        let sum = used(reading, self.subject(), &budget, looked).await?;
        let between = match sum.all() {
            0 => None,
            _ => between(reading, self.subject(), &budget, self.now).await?,
        };
        let (most, window) = (budget.most.most(), budget.window);
        self.standing(Held::Budget(budget), most, window, sum, between)
    }

    fn standing(
        &self,
        limit: Held,
        most: u64,
        window: Window,
        sum: Sum,
        between: Option<(i64, i64)>,
    ) -> Result<Standing, Unavailable> {
        let (first, last) = between.unzip();
        let leaves = |at: Option<i64>| {
            let at = at.map(timestamp).transpose()?;
            Ok::<_, Unavailable>(at.and_then(|at| window.leaves(at)))
        };
        Ok(Standing {
            principal: self.principal.clone(),
            tool: self.tool.clone(),
            limit,
            used: sum.used,
            reserved: sum.reserved,
            left: most.saturating_sub(sum.all()),
            frees_at: leaves(first)?,
            resets_at: leaves(last)?,
            held_at: self.since,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::of(&self.principal, self.tool.as_str())
    }
}
