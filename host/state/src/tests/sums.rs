//! The sums that the database keeps of uses: are they those of the rows, whatever is done to these?
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _};
use toolward_gate::{BudgetLedger as _, Held, Reservation, Standing, Tally};

use super::{
    limits::budgets,
    support::{Place, call},
};
use crate::State;

/// Windows of every kind, for whom they can count, and of each thing that is counted.
const BUDGETS: &str = "usd:9/minute,tokens:9000000/hour,requests:9000000/day by principal,bytes:9000000/month,usd:9/month by tool,usd:9/total,tokens:9000000/month of shop";

/// In every window the same as a look at each row.
const ROW_BY_ROW: &str = "SELECT coalesce(sum(CASE WHEN settled = 1 THEN {c} ELSE spent_{c} END), 0) FROM uses WHERE at > {begin} AND {whose}";

async fn agree(place: &Place, state: &State, when: &str) {
    let shown = state.standings(Some("robo"), place.now()).await.unwrap();
    assert_eq!(shown.len(), 7);
    let mut connection = place.connect().await;
    for Standing { limit, used, .. } in shown {
        let Held::Budget(budget) = limit else { panic!("no rate was named") };
        let text = budget.to_string();
        let begin = budget.window.begin(place.now()).map_or(-1, |begin| begin.as_microsecond());
        let column = match text.split(':').next().unwrap() {
            "usd" => "cost",
            other => other,
        };
        let whose = match (text.ends_with("by principal"), text.ends_with("by tool")) {
            (true, _) => "principal = 'robo' AND own = 1",
            (_, true) => "tool = 'charge'",
            _ => "principal = 'robo' AND tool = 'charge'",
        };
        let of = if text.contains(" of shop") { " AND provider = 'shop'" } else { "" };
        let statement = ROW_BY_ROW
            .replace("{c}", column)
            .replace("{begin}", &begin.to_string())
            .replace("{whose}", &format!("{whose}{of}"));
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(i64::try_from(used).unwrap(), rows, "{when}: {text}");
    }
    connection.close().await.unwrap();
}

/// A call that is held to all of them, so that they are shown.
async fn held_to(place: &Place, state: &State) {
    let (budgets, call, now) = (budgets(BUDGETS), call("robo"), place.now());
    let (usage, spent, rates, approval) = (Tally::default(), Tally::default(), &[][..], None);
    let (call, budgets, expires_at) = (&call, &budgets[..], now);
    let reservation = Reservation { call, usage, spent, rates, budgets, approval, now, expires_at };
    state.reserve(reservation).await.unwrap();
}

/// Two thousand uses of 33 days, 1,423 s apart, some of another principal, for another tool, or not settled.
const USES: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999) \
    INSERT INTO uses SELECT 'call-' || i, CASE WHEN i % 7 = 0 THEN 'refund' ELSE 'charge' END, \
    CASE WHEN i % 3 = 0 THEN 'shop' ELSE '' END, CASE WHEN i % 11 = 0 THEN 'other' ELSE 'robo' END, i % 5 > 0, \
    1767607200000000 - i * 1423000000, 1767607200000000 - i * 1423000000, i % 13 > 0, \
    i % 17, i % 19, i % 2, i % 23, i % 17 / 2, i % 19 / 2, 0, i % 23 / 2 FROM n";

#[tokio::test]
async fn the_sums_are_those_of_the_rows_whatever_is_done_to_these() {
    let place = Place::new();
    let state = place.open().await;
    held_to(&place, &state).await;
    place.run(USES).await.unwrap();
    agree(&place, &state, "begun").await;
    place.run("UPDATE uses SET settled = 1, cost = cost / 2 WHERE at % 3 = 0").await.unwrap();
    agree(&place, &state, "settled").await;
    place
        .run("UPDATE uses SET tokens = 40, at = at - 1 WHERE settled = 1 AND at % 4 = 0")
        .await
        .unwrap();
    agree(&place, &state, "changed").await;
    place.run("DELETE FROM uses WHERE at % 5 = 0").await.unwrap();
    agree(&place, &state, "removed").await;
    for _ in 0..40 {
        place.clock.pass(Duration::from_secs(77_777));
        while !state.sweep().await.unwrap().is_all() {}
        let shown = state.standings(Some("robo"), place.now()).await.unwrap();
        assert_eq!(shown.len(), 7);
    }
    // What counts in total was added up, and nothing else is left of it.
    place.run("DELETE FROM uses").await.unwrap();
    let mut connection = place.connect().await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM used_sums")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert_eq!(left, 0);
}

/// The control: what the sums say is what counts, so that the test above would see one that is wrong.
#[tokio::test]
async fn a_sum_that_was_changed_is_seen_where_rows_are_looked_at() {
    let place = Place::new();
    let state = place.open().await;
    held_to(&place, &state).await;
    place.run(USES).await.unwrap();
    agree(&place, &state, "before").await;
    let before = state.standings(Some("robo"), place.now()).await.unwrap();
    place.run("UPDATE used_sums SET cost = cost + 1 WHERE lasts = 86400000000").await.unwrap();
    let after = state.standings(Some("robo"), place.now()).await.unwrap();
    let total = |all: &[Standing]| all[5].used;
    assert!(total(&after) > total(&before));
}

/// A budget of a month reads the sums, and of the uses only those of a minute and those that are open.
#[tokio::test]
async fn a_month_of_uses_is_not_read() {
    let place = Place::new();
    drop(place.open().await);
    let mut connection = place.connect().await;
    for (statement, index) in [
        (
            "SELECT cost FROM used_sums WHERE principal = 'a' AND tool = 'b' AND lasts = 60000000 AND begins >= 1 AND begins < 5",
            "PRIMARY KEY (principal=? AND tool=? AND lasts=? AND begins>? AND begins<?)",
        ),
        (
            "SELECT cost FROM used_sums WHERE principal = 'a' AND own = 1 AND lasts = 60000000 AND begins >= 1",
            "used_sums_of_principal (principal=? AND lasts=? AND begins>?)",
        ),
        (
            "SELECT cost FROM used_sums WHERE tool = 'b' AND lasts = 60000000 AND begins >= 1",
            "used_sums_of_tool (tool=? AND lasts=? AND begins>?)",
        ),
        ("DELETE FROM used_sums WHERE uses = 0", "used_sums_of_nothing (uses=?)"),
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&mut connection)
                .await
                .unwrap();
        assert!(plan.iter().any(|(.., step)| step.contains(index)), "{plan:?}");
    }
    connection.close().await.unwrap();
}
