//! Budgets of every unit, over every window, for whomever they count: and how far they are used up.
use std::time::Duration;

use jiff::Timestamp;
use toolward_gate::{
    AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Closed, Cost, RateLimit, Refusal,
    Reservation, ReserveError, Standing, Tally, Usage,
};

use super::support::{Place, call, closed};
use crate::State;

const DAY: Duration = Duration::from_secs(24 * 3600);
const MOMENT: Duration = Duration::from_micros(1);

pub(super) fn budgets(text: &str) -> Vec<BudgetLimit> {
    text.split(',').map(|one| one.parse().unwrap()).collect()
}

pub(super) fn of(provider: &str, usage: Usage) -> Tally {
    Tally::of(provider.parse().unwrap(), usage)
}

fn cost(cost: u64) -> Usage {
    Cost(cost).into()
}

fn calling(principal: &str, tool: &str) -> Call {
    let mut call = call(principal);
    call.tool.name = tool.parse().unwrap();
    call
}

/// What one call asks for.
struct Asks<'a> {
    budgets: &'a [BudgetLimit],
    usage: Tally,
    spent: Tally,
}

async fn reserve(place: &Place, state: &State, call: &Call, asks: Asks<'_>) -> Result<(), Refusal> {
    let (now, Asks { budgets, usage, spent }) = (place.now(), asks);
    let expires_at = now.checked_add(Duration::from_secs(60)).unwrap();
    let rates = &[];
    let reservation =
        Reservation { call, usage, spent, rates, budgets, approval: None, now, expires_at };
    state.reserve(reservation).await.map_err(|error| match error {
        ReserveError::Refused(refusal) => refusal,
        ReserveError::Unavailable(error) => panic!("{error}: {}", error.cause),
    })
}

/// A call that ends at once, having used all that it asked for.
async fn use_up(
    place: &Place,
    state: &State,
    call: Call,
    budgets: &[BudgetLimit],
    usage: Tally,
) -> Result<(), Refusal> {
    let asks = Asks { budgets, usage: usage.clone(), spent: Tally::default() };
    reserve(place, state, &call, asks).await?;
    state.close(Closed { used: usage, ..closed(&call, 0) }).await.unwrap();
    Ok(())
}

fn set(place: &Place, time: &str) {
    let (to, now): (Timestamp, _) = (time.parse().unwrap(), place.now());
    place.clock.pass(to.duration_since(now).unsigned_abs());
}

#[tokio::test]
async fn a_budget_of_one_provider_counts_nothing_of_another() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budgets("usd:0.00001/day of github");
    use_up(&place, &state, call("robo"), &ten, of("github", cost(10))).await.unwrap();
    assert!(use_up(&place, &state, call("robo"), &ten, of("github", cost(1))).await.is_err());
    use_up(&place, &state, call("robo"), &ten, of("stripe", cost(50))).await.unwrap();
    use_up(&place, &state, call("robo"), &ten, cost(50).into()).await.unwrap();
    let all = budgets("usd:0.00012/day");
    let both = of("github", cost(5)).with(&of("stripe", cost(5)));
    use_up(&place, &state, call("robo"), &all, both).await.unwrap();
    assert!(use_up(&place, &state, call("robo"), &all, of("stripe", cost(1))).await.is_err());
}

#[tokio::test]
async fn a_budget_by_principal_is_of_all_its_tools_and_one_by_tool_of_all_its_callers() {
    let place = Place::new();
    let state = place.open().await;
    let mine = budgets("usd:0.00001/day by principal");
    use_up(&place, &state, calling("robo", "a"), &mine, cost(6).into()).await.unwrap();
    assert!(use_up(&place, &state, calling("robo", "b"), &mine, cost(5).into()).await.is_err());
    use_up(&place, &state, calling("robo", "b"), &mine, cost(4).into()).await.unwrap();
    use_up(&place, &state, calling("rita", "b"), &mine, cost(10).into()).await.unwrap();
    let its = budgets("usd:0.00002/day by tool");
    use_up(&place, &state, calling("zoe", "b"), &its, cost(6).into()).await.unwrap();
    assert!(use_up(&place, &state, calling("kim", "b"), &its, cost(1).into()).await.is_err());
    use_up(&place, &state, calling("kim", "c"), &its, cost(20).into()).await.unwrap();
}

#[tokio::test]
async fn requests_and_bytes_are_counted_beside_money_and_tokens() {
    let place = Place::new();
    let state = place.open().await;
    let usage = Usage { cost: Cost(1), tokens: 2, requests: 3, bytes: 4 };
    for limit in ["usd:0.000002/day", "tokens:4/day", "requests:6/day", "bytes:8/day"] {
        let (limit, robo) = (budgets(limit), format!("robo-{limit}"));
        for _ in 0..2 {
            use_up(&place, &state, call(&robo), &limit, of("a", usage)).await.unwrap();
        }
        let third = use_up(&place, &state, call(&robo), &limit, of("a", usage)).await;
        assert_eq!(third.unwrap_err(), Refusal::OverBudget, "{robo}");
    }
}

/// H-10: UTC, and every month as long as it is.
#[tokio::test]
async fn a_month_ends_where_the_calendar_has_it() {
    for (used, last, free) in [
        ("2026-01-31T12:00:00Z", "2026-02-28T23:59:59.999999Z", "2026-03-01T00:00:00Z"),
        ("2028-01-31T12:00:00Z", "2028-02-29T23:59:59.999999Z", "2028-03-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-03-29T11:59:59.999999Z", "2028-03-29T12:00:00Z"),
        ("2026-04-30T12:00:00Z", "2026-05-30T11:59:59.999999Z", "2026-05-30T12:00:00Z"),
    ] {
        let place = Place::new();
        let state = place.open().await;
        let month = budgets("usd:0.00001/month");
        set(&place, used);
        use_up(&place, &state, call("robo"), &month, cost(10).into()).await.unwrap();
        set(&place, last);
        assert!(use_up(&place, &state, call("robo"), &month, cost(1).into()).await.is_err());
        set(&place, free);
        use_up(&place, &state, call("robo"), &month, cost(10).into()).await.unwrap();
    }
}

/// H-08: a clock that jumps ahead and comes back refills nothing twice.
#[tokio::test]
async fn a_clock_that_jumped_ahead_and_came_back_gives_no_more_than_one_budget() {
    let place = Place::new();
    let state = place.open().await;
    let day = budgets("usd:0.00001/day");
    use_up(&place, &state, call("robo"), &day, cost(10).into()).await.unwrap();
    place.clock.pass(365 * DAY);
    use_up(&place, &state, call("robo"), &day, cost(10).into()).await.unwrap();
    place.clock.step_back(365 * DAY);
    assert!(use_up(&place, &state, call("robo"), &day, cost(1).into()).await.is_err());
    place.clock.pass(MOMENT);
    assert!(use_up(&place, &state, call("robo"), &day, cost(1).into()).await.is_err());
}

#[tokio::test]
async fn a_total_does_not_come_back_and_what_was_swept_is_in_it() {
    let place = Place::new();
    let state = place.open().await;
    let total = budgets("usd:0.00001/total,requests:5/total of a");
    let one = Usage { requests: 2, ..cost(3) };
    use_up(&place, &state, call("robo"), &total, of("a", one)).await.unwrap();
    use_up(&place, &state, call("robo"), &total, of("a", one)).await.unwrap();
    place.clock.pass(100 * DAY);
    let state = place.reopen(state).await;
    assert!(state.sweep().await.unwrap().uses >= 2);
    assert!(use_up(&place, &state, call("robo"), &total, cost(5).into()).await.is_err());
    let two = Usage { requests: 2, ..cost(0) };
    assert!(use_up(&place, &state, call("robo"), &total, of("a", two)).await.is_err());
    use_up(&place, &state, call("robo"), &total, of("b", two)).await.unwrap();
    use_up(&place, &state, call("robo"), &total, cost(4).into()).await.unwrap();
    assert!(use_up(&place, &state, call("robo"), &total, cost(1).into()).await.is_err());
}

#[tokio::test]
async fn a_rate_in_total_counts_every_call_there_ever_was() {
    let place = Place::new();
    let state = place.open().await;
    let three = [RateLimit::new(3, toolward_gate::Window::Total)];
    let take = async |state: &State| {
        let (call, now) = (call("robo"), place.now());
        let (usage, spent) = (Tally::default(), Tally::default());
        let (rates, budgets) = (&three[..], &[][..]);
        let (approval, expires_at) = (None, now);
        let reservation =
            Reservation { call: &call, usage, spent, rates, budgets, approval, now, expires_at };
        state.reserve(reservation).await
    };
    take(&state).await.unwrap();
    take(&state).await.unwrap();
    place.clock.pass(100 * DAY);
    state.sweep().await.unwrap();
    take(&state).await.unwrap();
    let refused = take(&state).await;
    let Err(ReserveError::Refused(Refusal::OverRate { retry_after, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(retry_after, None, "it does not come back");
}

/// H-11: what a host had used when it was lost stays used; what it had only set aside comes back.
#[tokio::test]
async fn what_a_lost_host_had_spent_stays_spent() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budgets("usd:0.00001/day");
    let (usage, spent) = (of("a", cost(9)), of("a", cost(4)));
    let lost = Asks { budgets: &ten, usage, spent };
    reserve(&place, &state, &call("robo"), lost).await.unwrap();
    assert!(use_up(&place, &state, call("robo"), &ten, cost(2).into()).await.is_err());
    place.clock.pass(Duration::from_secs(61));
    let state = place.reopen(state).await;
    assert!(use_up(&place, &state, call("robo"), &ten, cost(7).into()).await.is_err());
    use_up(&place, &state, call("robo"), &ten, cost(6).into()).await.unwrap();
}

fn standing<'a>(all: &'a [Standing], limit: &str) -> &'a Standing {
    all.iter().find(|one| one.limit.to_string() == limit).unwrap()
}

#[tokio::test]
async fn a_standing_says_what_is_used_reserved_and_left_and_when_it_comes_back() {
    let place = Place::new();
    let state = place.open().await;
    let limits = budgets("usd:0.00001/day,requests:5/total of a");
    let one = of("a", Usage { requests: 1, ..cost(3) });
    let began = place.now();
    use_up(&place, &state, call("robo"), &limits, one.clone()).await.unwrap();
    place.clock.pass(Duration::from_secs(3600));
    let asks = Asks { budgets: &limits, usage: one, spent: of("a", cost(1)) };
    reserve(&place, &state, &call("robo"), asks).await.unwrap();
    use_up(&place, &state, call("rita"), &limits, cost(1).into()).await.unwrap();
    let all = state.standings(Some("robo"), place.now()).await.unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    let money = standing(&all, "usd:0.00001/day");
    assert_eq!((money.used, money.reserved, money.left), (4, 2, 4));
    let day = |at: Timestamp| at.checked_add(DAY).unwrap();
    assert_eq!(money.frees_at, Some(day(began)));
    assert_eq!(money.resets_at, Some(day(place.now())));
    let requests = standing(&all, "requests:5/total of a");
    assert_eq!((requests.used, requests.reserved, requests.left), (1, 1, 3));
    assert_eq!((requests.frees_at, requests.resets_at), (None, None));
    assert_eq!(state.standings(None, place.now()).await.unwrap().len(), 4);
    assert!(state.standings(Some("zoe"), place.now()).await.unwrap().is_empty());
    place.clock.pass(2 * DAY);
    let later = state.standings(Some("robo"), place.now()).await.unwrap();
    let money = standing(&later, "usd:0.00001/day");
    assert_eq!((money.used, money.left, money.resets_at), (0, 10, None));
}

#[tokio::test]
async fn who_is_refused_finds_by_what() {
    let place = Place::new();
    let state = place.open().await;
    let narrow = budgets("usd:0.000001/day");
    assert!(use_up(&place, &state, call("robo"), &narrow, cost(2).into()).await.is_err());
    let all = state.standings(Some("robo"), place.now()).await.unwrap();
    assert_eq!(standing(&all, "usd:0.000001/day").left, 1);
    let wide = budgets("usd:0.00001/day");
    use_up(&place, &state, call("robo"), &wide, cost(2).into()).await.unwrap();
    let all = state.standings(Some("robo"), place.now()).await.unwrap();
    assert_eq!((all.len(), standing(&all, "usd:0.00001/day").left), (1, 8));
}

/// What the database takes is no part of a limit: rows of another program that make no sense refuse.
#[tokio::test]
async fn a_ledger_that_was_changed_by_somebody_refuses() {
    let place = Place::new();
    let state = place.open().await;
    let ten = budgets("usd:0.00001/day");
    use_up(&place, &state, call("robo"), &ten, cost(1).into()).await.unwrap();
    assert!(place.run("UPDATE uses SET cost = -5").await.is_err(), "no amount is below nothing");
    place.run("UPDATE held_to SET limits = '{'").await.unwrap();
    assert!(state.standings(None, place.now()).await.is_err());
    place.run("DROP TABLE uses").await.unwrap();
    let call = call("robo");
    let (usage, spent, now) = (Tally::default(), Tally::default(), place.now());
    let (rates, budgets) = (&[][..], &ten[..]);
    let (approval, expires_at) = (None, now);
    let reservation =
        Reservation { call: &call, usage, spent, rates, budgets, approval, now, expires_at };
    assert!(matches!(state.reserve(reservation).await, Err(ReserveError::Unavailable(_))));
}
