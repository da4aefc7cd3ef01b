//! Entries that a host left open when it ended: closed by the next one, and only then.
use std::{fs, time::Duration};

use serde_json::Value;
use toolward_gate::{
    Amount, AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Cost, Reservation, ReserveError,
    Tally, Usage,
};

use super::support::{Place, call, closed, fault, opened, records};
use crate::State;

async fn outcomes(state: &State) -> Vec<String> {
    let records = records(state).await;
    let outcome = |record: &Value| record.get("outcome")?.as_str().map(str::to_owned);
    records.iter().filter_map(outcome).collect()
}

#[tokio::test]
async fn an_open_entry_is_closed_as_interrupted_only_when_the_other_host_is_gone() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    for call in [call("robo"), call("rita")] {
        there.append(&opened(&call)).await.unwrap();
    }
    let ended = call("robo");
    there.append(&opened(&ended)).await.unwrap();
    there.close(closed(&ended, 0)).await.unwrap();
    assert_eq!(here.close_interrupted().await.unwrap(), 0, "the other host is alive");
    assert_eq!(outcomes(&here).await, ["ok"]);
    drop(there);
    assert_eq!(here.close_interrupted().await.unwrap(), 2);
    assert_eq!(outcomes(&here).await, ["ok", "interrupted", "interrupted"]);
    assert_eq!(here.close_interrupted().await.unwrap(), 0, "they are closed already");
    assert_eq!(fault(&here).await, None);
}

#[tokio::test]
async fn a_host_does_not_take_its_own_open_entry_for_interrupted() {
    let place = Place::new();
    let state = place.open().await;
    state.append(&opened(&call("robo"))).await.unwrap();
    assert_eq!(state.clone().close_interrupted().await.unwrap(), 0);
    drop(state);
    let next = place.open().await;
    assert_eq!(next.close_interrupted().await.unwrap(), 1);
}

#[tokio::test]
async fn a_host_that_left_its_file_behind_unlocked_is_gone_and_the_file_is_removed() {
    let place = Place::new();
    let hosts = place.folder.path().join("state.hosts");
    let files = || fs::read_dir(&hosts).unwrap().map(|file| file.unwrap().path());
    let crashed = place.open().await;
    crashed.append(&opened(&call("robo"))).await.unwrap();
    let left: Vec<_> = files().collect();
    assert_eq!(left.len(), 1);
    drop(crashed);
    fs::write(&left[0], "").unwrap();
    let next = place.open().await;
    assert_eq!(next.close_interrupted().await.unwrap(), 1);
    assert_eq!(files().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_start_at_once_close_an_interrupted_entry_once() {
    let place = Place::new();
    let crashed = place.open().await;
    for _ in 0..10 {
        crashed.append(&opened(&call("robo"))).await.unwrap();
    }
    drop(crashed);
    let (one, two) = (place.open().await, place.open().await);
    let (by_one, by_two) = tokio::join!(one.close_interrupted(), two.close_interrupted());
    assert_eq!(by_one.unwrap().saturating_add(by_two.unwrap()), 10);
    assert_eq!(outcomes(&one).await.len(), 10);
    assert_eq!(fault(&two).await, None);
}

#[tokio::test]
async fn what_an_interrupted_call_set_aside_comes_back_when_it_expires_and_not_before() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    let interrupted = call("robo");
    there.append(&opened(&interrupted)).await.unwrap();
    reserve(&place, &there, &interrupted).await.unwrap();
    drop(there);
    assert_eq!(here.close_interrupted().await.unwrap(), 1);
    assert!(reserve(&place, &here, &call("robo")).await.is_err());
    place.clock.pass(Duration::from_secs(60));
    assert!(reserve(&place, &here, &call("robo")).await.is_ok());
}

/// Sets the whole of a budget aside for a minute.
async fn reserve(place: &Place, state: &State, call: &Call) -> Result<(), ReserveError> {
    let (now, hour) = (place.now(), Duration::from_secs(3600));
    let reservation = Reservation {
        call,
        usage: Usage { cost: Cost(10), tokens: 0, ..Usage::default() }.into(),
        spent: Tally::default(),
        rates: &[],
        budgets: &[BudgetLimit::new(Amount::Cost(Cost(10)), hour)],
        approval: None,
        now,
        expires_at: now.checked_add(Duration::from_secs(60)).unwrap(),
    };
    state.reserve(reservation).await
}
