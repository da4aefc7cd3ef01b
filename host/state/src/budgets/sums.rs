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

/// What a limit counts of each row, and of the sums that the database keeps of settled ones.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Amount(&'static str),
    /// Of a call, the row of the tool that was called and of no provider.
    Calls,
}

impl Counted {
    fn in_sums(self) -> &'static str {
        match self {
            Self::Amount(column) => column,
            Self::Calls => "calls",
        }
    }

    fn settled(self) -> &'static str {
        match self {
            Self::Amount(column) => column,
            Self::Calls => ONE_CALL,
        }
    }

    /// What is used, settled or not, and what is set aside beside it.
    fn open(self) -> (String, String) {
        match self {
            Self::Amount(column) => {
                (format!("spent_{column}"), format!("{column} - spent_{column}"))
            }
            Self::Calls => (ONE_CALL.to_owned(), "0".to_owned()),
        }
    }
}

const ONE_CALL: &str = "(provider = '' AND own = 1)";

/// What one budget counts.
pub(super) async fn used(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    budget: &BudgetLimit,
    looked: Looked,
) -> Result<Sum, Unavailable> {
    let begin = budget.window.begin(timestamp(looked.now)?).map(micros);
    let column = column(budget.most);
    let limit = Summed { subject, by: budget.by, of: budget.of.as_ref(), begin };
    let mut sum = limit.sum(connection, Counted::Amount(column), looked).await?;
    if begin.is_none() {
        let before = before(connection, subject, budget.by, budget.of.as_ref(), column).await?;
        sum.used = sum.used.saturating_add(before);
    }
    Ok(sum)
}

/// When the oldest and the newest began of what a budget counts.
pub(super) async fn between(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    budget: &BudgetLimit,
    now: Timestamp,
) -> Result<Option<(i64, i64)>, Unavailable> {
    let begin = budget.window.begin(now).map(micros);
    let limit = Summed { subject, by: budget.by, of: budget.of.as_ref(), begin };
    limit.between(connection, column(budget.most)).await
}

/// Whose use, of which provider, after which moment.
struct Summed<'a> {
    subject: Subject<'a>,
    by: By,
    of: Option<&'a ProviderName>,
    begin: Option<i64>,
}

impl Summed<'_> {
    /// The rows that are not settled, those of the minute in which the window begins, and the sums of all minutes,
    /// hours and days after: a few hundred rows, however much was used.
    async fn sum(
        &self,
        connection: &mut SqliteConnection,
        counted: Counted,
        looked: Looked,
    ) -> Result<Sum, Unavailable> {
        // `sum` fails on overflow, and a failure refuses.
        let mut query =
            QueryBuilder::new("SELECT coalesce(sum(used), 0), coalesce(sum(aside), 0) FROM (");
        self.open(&mut query, counted, looked);
        if let Some(begin) = self.begin {
            self.first_minute(&mut query, counted, begin);
        }
        self.summed(&mut query, counted);
        query.push(")");
        let (used, reserved): (i64, i64) =
            query.build_query_as().fetch_one(&mut *connection).await.map_err(unavailable)?;
        Ok(Sum { used: whole(used)?, reserved: whole(reserved)? })
    }

    fn open(&self, query: &mut QueryBuilder<Sqlite>, counted: Counted, looked: Looked) {
        let (used, aside) = counted.open();
        query.push(format!("SELECT {used} AS used, CASE WHEN expires_at > "));
        query.push_bind(looked.now);
        query.push(format!(" THEN {aside} ELSE 0 END AS aside FROM uses INDEXED BY "));
        query.push(match self.by {
            By::Both => "uses_open",
            By::Principal => "uses_open_of_principal",
            By::Tool => "uses_open_of_tool",
        });
        query.push(" WHERE settled = 0 AND ");
        self.only(query);
        if let Some(begin) = self.begin {
            query.push(" AND at > ").push_bind(begin);
        }
        // What is not settled is all that this call can have.
        if let Some(except) = looked.except {
            query.push(" AND call <> ").push_bind(except.to_string());
        }
    }

    fn first_minute(&self, query: &mut QueryBuilder<Sqlite>, counted: Counted, begin: i64) {
        query.push(format!(" UNION ALL SELECT {}, 0 FROM uses INDEXED BY ", counted.settled()));
        query.push(match self.by {
            By::Both => "uses_of_both",
            By::Principal => "uses_of_principal",
            By::Tool => "uses_of_tool",
        });
        query.push(" WHERE settled = 1 AND ");
        self.only(query);
        query.push(" AND at > ").push_bind(begin);
        query.push(" AND at < ").push_bind(after(begin, MINUTE));
    }

    fn summed(&self, query: &mut QueryBuilder<Sqlite>, counted: Counted) {
        // Each kind from where the one before ends; the days have no end.
        let [minutes, hours, days] = self.begin.map_or([i64::MIN; 3], edges);
        let kinds = [(MINUTE, minutes, Some(hours)), (HOUR, hours, Some(days)), (DAY, days, None)];
        for (lasts, from, to) in kinds.into_iter().filter(|(_, from, to)| *to != Some(*from)) {
            query.push(format!(" UNION ALL SELECT {}, 0 FROM used_sums WHERE ", counted.in_sums()));
            self.only(query);
            query.push(format!(" AND lasts = {lasts} AND begins >= ")).push_bind(from);
            if let Some(to) = to {
                query.push(" AND begins < ").push_bind(to);
            }
        }
    }

    async fn between(
        &self,
        connection: &mut SqliteConnection,
        what: &str,
    ) -> Result<Option<(i64, i64)>, Unavailable> {
        let (mut found, orders) = (Vec::new(), ["ASC", "DESC"]);
        for order in orders {
            let mut query = QueryBuilder::new(format!("SELECT at FROM uses WHERE {what} > 0 AND "));
            self.only(&mut query);
            if let Some(begin) = self.begin {
                query.push(" AND at > ").push_bind(begin);
            }
            query.push(format!(" ORDER BY at {order} LIMIT 1"));
            let at: Option<i64> = query
                .build_query_scalar()
                .fetch_optional(&mut *connection)
                .await
                .map_err(unavailable)?;
            found.extend(at);
        }
        Ok(found.first().copied().zip(found.get(1).copied()))
    }

    fn only(&self, query: &mut QueryBuilder<Sqlite>) {
        self.subject.only(query, self.by);
        only_of(query, self.of);
    }
}

/// Where the first whole minute begins after a moment, the first hour that is not before it, and the first day.
fn edges(begin: i64) -> [i64; 3] {
    let minutes = after(begin, MINUTE);
    let hours = after(minutes.saturating_sub(1), HOUR);
    [minutes, hours, after(hours.saturating_sub(1), DAY)]
}

/// The first multiple that is greater.
fn after(moment: i64, lasts: i64) -> i64 {
    moment.div_euclid(lasts).saturating_add(1).saturating_mul(lasts)
}

/// As in the table of sums, in microseconds.
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

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

/// When the call began that has to leave the window before another one fits, where so many are used: the newest but
/// as many as may be, less one.
pub(super) async fn blocking(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
    used: u64,
) -> Result<Option<i64>, Unavailable> {
    let mut query = QueryBuilder::new("SELECT at FROM uses WHERE ");
    calls_within(&mut query, subject, rate, now);
    // From the nearer end: who is at a limit is a few calls beyond it, and many after the first.
    let most = u64::from(rate.calls);
    let (older, newer) = (used.saturating_sub(most), most.saturating_sub(1));
    let (order, skipped) = if older < newer { ("ASC", older) } else { ("DESC", newer) };
    query.push(format!(" ORDER BY at {order} LIMIT 1 OFFSET "));
    query.push_bind(i64::try_from(skipped).map_err(unavailable)?);
    query.build_query_scalar().fetch_optional(&mut *connection).await.map_err(unavailable)
}

/// How many calls a rate counts.
pub(super) async fn calls(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
) -> Result<Sum, Unavailable> {
    let begin = rate.window.begin(now).map(micros);
    let limit = Summed { subject, by: rate.by, of: None, begin };
    let looked = Looked { now: micros(now), except: None };
    let mut sum = limit.sum(connection, Counted::Calls, looked).await?;
    if begin.is_none() {
        let before = before(connection, subject, rate.by, None, "calls").await?;
        sum.used = sum.used.saturating_add(before);
    }
    Ok(sum)
}

/// When the oldest and the newest of them began.
pub(super) async fn calls_between(
    connection: &mut SqliteConnection,
    subject: Subject<'_>,
    rate: &RateLimit,
    now: Timestamp,
) -> Result<Option<(i64, i64)>, Unavailable> {
    let begin = rate.window.begin(now).map(micros);
    let limit = Summed { subject, by: rate.by, of: None, begin };
    limit.between(connection, ONE_CALL).await
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
