//! How much is used in a window, and what is set aside?
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use toolward_gate::{Amount, BudgetLimit, By, CallId, ProviderName, RateLimit, Unavailable};

use jiff::Timestamp;

use crate::{micros, timestamp, unavailable};

/// Whose use is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    principal: &'a str,
    tool: &'a str,
}

/// When, and beside which call: what that one has set aside is being replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    pub(super) now: i64,
    pub(super) except: Option<CallId>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) used: u64,
    pub(super) reserved: u64,
    /// When the oldest and the newest of it began; absent where there is nothing.
    pub(super) between: Option<(i64, i64)>,
}

impl Sum {
    pub(super) fn all(self) -> u64 {
        self.used.saturating_add(self.reserved)
    }
}

impl<'a> Subject<'a> {
    pub(super) fn of(principal: &'a str, tool: &'a str) -> Self {
        Self { principal, tool }
    }

    /// The condition that a row is of this subject, as a limit counts.
    fn only(self, query: &mut QueryBuilder<Sqlite>, by: By) {
        match by {
            By::Both => {
                query.push("principal = ").push_bind(self.principal.to_owned());
                query.push(" AND tool = ").push_bind(self.tool.to_owned());
            }
            // Each call once, whoever waits for it.
            By::Principal => {
                query.push("principal = ").push_bind(self.principal.to_owned());
                query.push(" AND own = 1");
            }
            By::Tool => {
                query.push("tool = ").push_bind(self.tool.to_owned());
            }
        }
    }
}

/// What one budget counts.
pub(super) async fn used(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    budget: &BudgetLimit,
    looked: Looked,
) -> Result<Sum, Unavailable> {
    let begin = budget.window.begin(timestamp(looked.now)?);
    let column = column(budget.most);
    // `sum` fails on overflow, and a failure refuses.
    let mut query = QueryBuilder::new(format!(
        "SELECT coalesce(sum(CASE WHEN settled = 1 THEN {column} ELSE spent_{column} END), 0), \
         coalesce(sum(CASE WHEN settled = 0 AND expires_at > "
    ));
    query.push_bind(looked.now);
    query.push(format!(
        " THEN {column} - spent_{column} ELSE 0 END), 0), \
         min(at) FILTER (WHERE {column} > 0), max(at) FILTER (WHERE {column} > 0) FROM uses WHERE "
    ));
    subject.only(&mut query, budget.by);
    only_of(&mut query, budget.of.as_ref());
    if let Some(begin) = begin {
        query.push(" AND at > ").push_bind(micros(begin));
    }
    if let Some(except) = looked.except {
        query.push(" AND call <> ").push_bind(except.to_string());
    }
    let found: (i64, i64, Option<i64>, Option<i64>) =
        query.build_query_as().fetch_one(&mut *connection).await.map_err(unavailable)?;
    let (used, reserved, first, last) = found;
    let mut sum = Sum { used: whole(used)?, reserved: whole(reserved)?, between: first.zip(last) };
    if begin.is_none() {
        let before = before(connection, subject, budget.by, budget.of.as_ref(), column).await?;
        sum.used = sum.used.saturating_add(before);
    }
    Ok(sum)
}

/// What a limit in total counts of what was added up.
async fn before(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    by: By,
    of: Option<&ProviderName>,
    column: &str,
) -> Result<u64, Unavailable> {
    let mut query =
        QueryBuilder::new(format!("SELECT coalesce(sum({column}), 0) FROM used_before WHERE "));
    subject.only(&mut query, by);
    only_of(&mut query, of);
    let sum: i64 =
        query.build_query_scalar().fetch_one(&mut *connection).await.map_err(unavailable)?;
    whole(sum)
}

/// The calls that a rate in total counts, and that were added up.
pub(super) async fn calls_before(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
) -> Result<u64, Unavailable> {
    before(connection, subject, rate.by, None, "calls").await
}

/// When the call began that leaves no place for another one, where so many may be in the window.
pub(super) async fn blocking(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
    room: u64,
) -> Result<Option<i64>, Unavailable> {
    let mut query = QueryBuilder::new("SELECT at FROM uses WHERE ");
    calls_within(&mut query, subject, rate, now);
    let skipped = i64::try_from(room.saturating_sub(1)).map_err(unavailable)?;
    query.push(" ORDER BY at DESC LIMIT 1 OFFSET ").push_bind(skipped);
    query.build_query_scalar().fetch_optional(&mut *connection).await.map_err(unavailable)
}

/// How many calls a rate counts.
pub(super) async fn calls(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
) -> Result<Sum, Unavailable> {
    let mut query = QueryBuilder::new("SELECT count(*), min(at), max(at) FROM uses WHERE ");
    calls_within(&mut query, subject, rate, now);
    let (count, first, last): (i64, Option<i64>, Option<i64>) =
        query.build_query_as().fetch_one(&mut *connection).await.map_err(unavailable)?;
    let mut used = whole(count)?;
    if rate.window.begin(now).is_none() {
        used = used.saturating_add(calls_before(connection, subject, rate).await?);
    }
    Ok(Sum { used, reserved: 0, between: first.zip(last) })
}

fn calls_within(
    query: &mut QueryBuilder<Sqlite>,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
) {
    subject.only(query, rate.by);
    query.push(" AND own = 1 AND provider = ''");
    if let Some(begin) = rate.window.begin(now) {
        query.push(" AND at > ").push_bind(micros(begin));
    }
}

fn only_of(query: &mut QueryBuilder<Sqlite>, of: Option<&ProviderName>) {
    if let Some(provider) = of {
        query.push(" AND provider = ").push_bind(provider.as_str().to_owned());
    }
}

fn column(amount: Amount) -> &'static str {
    match amount {
        Amount::Cost(_) => "cost",
        Amount::Tokens(_) => "tokens",
        Amount::Requests(_) => "requests",
        Amount::Bytes(_) => "bytes",
    }
}

fn whole(number: i64) -> Result<u64, Unavailable> {
    u64::try_from(number).map_err(unavailable)
}
