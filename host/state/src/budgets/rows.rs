//! The rows of one call: written when it is admitted, changed while it runs, settled at its end.
use std::collections::{BTreeMap, BTreeSet};

use toolward_gate::{
    Call, CallId, Closed, Cost, Refusal, Reservation, ReserveError, Tally, Unavailable, Usage,
};

use super::{held::Limits, is_for_all, sums::Subject};
use crate::{faults, micros, unavailable, writer::Writing};

/// Whom a call is charged to.
pub(super) struct Charged {
    pub(super) principal: String,
    tool: String,
    /// The tools that wait for it.
    others: BTreeSet<String>,
    /// When it began and when what it set aside is given back; where that is known.
    times: Option<(i64, i64)>,
}

impl Charged {
    pub(super) fn of(call: &Call) -> Self {
        let tool = call.tool.name.to_string();
        let behalf = call.parent.iter().flat_map(|parent| parent.behalf());
        let others = behalf.map(|one| one.tool.to_string()).filter(|one| *one != tool).collect();
        Self { principal: call.principal.id().to_owned(), tool, others, times: None }
    }

    /// Of a call that has set something aside and is not settled.
    pub(super) async fn of_running(
        writing: &mut Writing,
        call: CallId,
    ) -> Result<Self, Unavailable> {
        let rows: Vec<(String, String, bool, i64, i64)> = sqlx::query_as(
            "SELECT principal, tool, own, at, expires_at FROM uses WHERE call = ? AND provider = '' AND settled = 0",
        )
        .bind(call.to_string())
        .fetch_all(&mut **writing)
        .await
        .map_err(unavailable)?;
        let (mut own, mut others) = (None, BTreeSet::new());
        for (principal, tool, is_own, at, expires_at) in rows {
            if is_own {
                own = Some((principal, tool, at, expires_at));
            } else {
                others.insert(tool);
            }
        }
        let (principal, tool, at, expires_at) =
            own.ok_or_else(|| unavailable("the call has set nothing aside"))?;
        Ok(Self { principal, tool, others, times: Some((at, expires_at)) })
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::of(&self.principal, &self.tool)
    }

    /// The time, or the latest time on record where the clock has stepped back: a window never reopens.
    pub(super) async fn now(
        &self,
        writing: &mut Writing,
        now: i64,
        limits: &Limits,
    ) -> Result<i64, Unavailable> {
        let latest: Option<i64> =
            sqlx::query_scalar("SELECT max(at) FROM uses WHERE principal = ?")
                .bind(&self.principal)
                .fetch_one(&mut **writing)
                .await
                .map_err(unavailable)?;
        let mut now = latest.map_or(now, |latest| latest.max(now));
        if limits.all_by().any(is_for_all) {
            let latest: Option<i64> = sqlx::query_scalar("SELECT max(at) FROM uses WHERE tool = ?")
                .bind(&self.tool)
                .fetch_one(&mut **writing)
                .await
                .map_err(unavailable)?;
            now = latest.map_or(now, |latest| latest.max(now));
        }
        Ok(now)
    }

    pub(super) async fn set_aside(
        mut self,
        writing: &mut Writing,
        reservation: &Reservation<'_>,
        now: i64,
    ) -> Result<(), ReserveError> {
        let Reservation { call, usage, spent, .. } = reservation;
        // What does not fit into its column is over every budget.
        let Usage { cost, tokens, requests, bytes } = usage.total();
        if [cost.0, tokens, requests, bytes].iter().any(|one| i64::try_from(*one).is_err()) {
            return Err(Refusal::OverBudget.into());
        }
        // It lasts as long as it was asked to, counted from the time on record: where the clock has
        // stepped back, it would else be over before it began, and count for nothing.
        let lasts = micros(reservation.expires_at).saturating_sub(micros(reservation.now)).max(0);
        self.times = Some((now, now.saturating_add(lasts)));
        let is_there: Option<i64> = sqlx::query_scalar("SELECT 1 FROM uses WHERE call = ? LIMIT 1")
            .bind(call.id.to_string())
            .fetch_optional(&mut **writing)
            .await
            .map_err(unavailable)?;
        if is_there.is_some() {
            return Err(unavailable("the call has set something aside already").into());
        }
        let of_nobody = Tally::from(Usage::default());
        self.write(writing, call.id, &of_nobody.with(usage), spent, i64::MAX).await?;
        Ok(())
    }

    /// In place of what the call has set aside.
    pub(super) async fn hold(
        &self,
        writing: &mut Writing,
        call: CallId,
        usage: &Tally,
        spent: &Tally,
    ) -> Result<(), Unavailable> {
        self.write(writing, call, usage, spent, GREATEST).await
    }

    async fn write(
        &self,
        writing: &mut Writing,
        call: CallId,
        usage: &Tally,
        spent: &Tally,
        most: i64,
    ) -> Result<(), Unavailable> {
        let (at, expires_at) = self.times.ok_or_else(|| unavailable("the call has no times"))?;
        let spent: BTreeMap<String, Usage> = by_name(spent);
        for (provider, usage) in by_name(usage) {
            let spent = spent.get(&provider).copied().unwrap_or_default();
            for (tool, own) in self.tools() {
                let mut query = sqlx::query(UPSERT)
                    .bind(call.to_string())
                    .bind(tool)
                    .bind(&provider)
                    .bind(&self.principal)
                    .bind(own)
                    .bind(at)
                    .bind(expires_at);
                let (amounts, spent) = (columns(usage, most), columns(spent, most));
                for amount in amounts {
                    query = query.bind(amount);
                }
                for (spent, amount) in spent.into_iter().zip(amounts) {
                    query = query.bind(spent.min(amount));
                }
                query.execute(&mut **writing).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    fn tools(&self) -> impl Iterator<Item = (&str, bool)> {
        [(self.tool.as_str(), true)]
            .into_iter()
            .chain(self.others.iter().map(|tool| (tool.as_str(), false)))
    }
}

/// Ends what was set aside under a call's id: keeps what was used, of money and tokens at most what was set aside
/// last. A call that set nothing aside, or was settled before, is left as it is.
pub(crate) async fn settle(writing: &mut Writing, closed: &Closed) -> Result<(), Unavailable> {
    let call = closed.call.to_string();
    let aside: Vec<String> =
        sqlx::query_scalar("SELECT provider FROM uses WHERE call = ? AND own = 1 AND settled = 0")
            .bind(&call)
            .fetch_all(&mut **writing)
            .await
            .map_err(unavailable)?;
    if aside.is_empty() {
        return Ok(());
    }
    faults::at("settle")?;
    let used = by_name(&closed.used);
    for (provider, usage) in &used {
        if *usage != Usage::default() && !aside.contains(provider) {
            begin(writing, &call, provider).await?;
        }
    }
    let all: BTreeSet<&String> = aside.iter().chain(used.keys()).collect();
    for provider in all {
        let usage = used.get(provider).copied().unwrap_or_default();
        let [cost, tokens, requests, bytes] = columns(usage, GREATEST);
        sqlx::query("UPDATE uses SET settled = 1, cost = min(cost, ?), tokens = min(tokens, ?), requests = ?, bytes = ? WHERE call = ? AND provider = ? AND settled = 0")
            .bind(cost)
            .bind(tokens)
            .bind(requests)
            .bind(bytes)
            .bind(&call)
            .bind(provider)
            .execute(&mut **writing)
            .await
            .map_err(unavailable)?;
    }
    faults::at("settled")
}

/// A row for a provider that nothing was set aside for: its requests were counted, and nobody limits them.
async fn begin(writing: &mut Writing, call: &str, provider: &str) -> Result<(), Unavailable> {
    sqlx::query(
        "INSERT INTO uses SELECT call, tool, ?, principal, own, at, expires_at, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
         FROM uses WHERE call = ? AND provider = ''",
    )
    .bind(provider)
    .bind(call)
    .execute(&mut **writing)
    .await
    .map(drop)
    .map_err(unavailable)
}

/// No provider is the empty name.
fn by_name(tally: &Tally) -> BTreeMap<String, Usage> {
    let name = |provider: Option<&toolward_gate::ProviderName>| {
        provider.map(ToString::to_string).unwrap_or_default()
    };
    tally.iter().map(|(provider, usage)| (name(provider), usage)).collect()
}

/// As they are written down, in the order of the table.
fn columns(Usage { cost: Cost(cost), tokens, requests, bytes }: Usage, most: i64) -> [i64; 4] {
    [cost, tokens, requests, bytes]
        .map(|amount| i64::try_from(amount).unwrap_or(i64::MAX).min(most))
}

const UPSERT: &str = "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (call, tool, provider) DO UPDATE SET cost = excluded.cost, tokens = excluded.tokens, \
     requests = excluded.requests, bytes = excluded.bytes, spent_cost = excluded.spent_cost, \
     spent_tokens = excluded.spent_tokens, spent_requests = excluded.spent_requests, spent_bytes = excluded.spent_bytes";

/// Of what was used: whatever is more is over every budget that anybody has. Many of them still make a sum that
/// fits.
pub(crate) const GREATEST: i64 = 1 << 53;
