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

/// Of which principals and tools the limits are asked for; everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    pub principal: Option<String>,
    pub tool: Option<ToolName>,
    /// Those that come after this principal with this tool.
    pub after: Option<(String, ToolName)>,
    /// Pairs of a principal and a tool, at most.
    pub most: Option<u32>,
}

impl State {
    /// Every limit of these, and how far it is used up, in the order of principals and tools. With it the last pair,
    /// where more come after it.
    pub async fn standings_of(
        &self,
        which: &AccountFilter,
        now: Timestamp,
    ) -> Result<(Vec<Standing>, Option<(String, ToolName)>), Unavailable> {
        // One transaction: all of it is of one moment.
        let mut reading = self.read_pool().begin().await.map_err(unavailable)?;
        let mut rows = which.rows(&mut reading).await?;
        let is_more = which.most.is_some_and(|most| rows.len() > most as usize);
        if is_more {
            rows.pop();
        }
        let (mut all, mut last) = (Vec::new(), None);
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
            last = Some((account.principal, account.tool));
        }
        Ok((all, last.filter(|_| is_more)))
    }
}

type Row = (String, String, String, i64);

impl AccountFilter {
    /// One more than are wanted, where there is one.
    async fn rows(&self, reading: &mut SqliteConnection) -> Result<Vec<Row>, Unavailable> {
        let (principal, tool) = self.after.as_ref().map(|(one, tool)| (one, tool.as_str())).unzip();
        let most = self.most.map_or(-1, |most| i64::from(most).saturating_add(1));
        sqlx::query_as(
            "SELECT principal, tool, limits, since FROM held_to \
             WHERE (?1 IS NULL OR principal = ?1) AND (?2 IS NULL OR tool = ?2) \
             AND (?3 IS NULL OR (principal, tool) > (?3, ?4)) ORDER BY principal, tool LIMIT ?5",
        )
        .bind(&self.principal)
        .bind(self.tool.as_ref().map(ToolName::as_str))
        .bind(principal)
        .bind(tool)
        .bind(most)
        .fetch_all(reading)
        .await
        .map_err(unavailable)
    }
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
