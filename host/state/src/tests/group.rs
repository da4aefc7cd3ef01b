//! Writes of many at once: one wait for the disk, and each for itself.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{
    task::{Context, Poll},
    time::Duration,
};

use toolward_gate::{
    Amount, AuditLog as _, BudgetLedger as _, BudgetLimit, Cost, Refusal, Reservation,
    ReserveError, Tally, Usage,
};

use super::{
    faults,
    support::{Place, call, closed, fault, opened, records},
};

#[tokio::test]
async fn many_who_write_at_once_share_commits() {
    let place = Place::new();
    let state = place.open().await;
    faults::passed();
    let writers = (0..64).map(|_| async {
        let call = call("robo");
        state.append(&opened(&call)).await.unwrap();
        state.close(closed(&call, 0)).await.unwrap();
    });
    futures::future::join_all(writers).await;
    let commits = faults::passed().iter().filter(|step| **step == "commit").count();
    assert!(commits <= 8, "{commits} commits for 128 records");
    assert_eq!(records(&state).await.len(), 128);
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn a_commit_that_fails_fails_all_who_are_in_it_and_none_else() {
    let place = Place::new();
    let state = place.open().await;
    for step in ["write", "record", "commit", "committed"] {
        let before = records(&state).await.len();
        faults::fail(step, 0);
        let writers = (0..8).map(|_| async {
            let call = call("robo");
            state.append(&opened(&call)).await.is_ok()
        });
        let done = futures::future::join_all(writers).await;
        let said = done.iter().filter(|done| **done).count();
        let kept = records(&state).await.len() - before;
        match step {
            // Of one writer alone.
            "write" | "record" => assert_eq!((said, kept), (7, 7), "{step}"),
            "commit" => assert_eq!((said, kept), (0, 0), "{step}"),
            // It is on the disk, and nobody was told: nothing happens that is not recorded.
            _ => assert_eq!((said, kept), (0, 8), "{step}"),
        }
        let call = call("robo");
        state.append(&opened(&call)).await.unwrap();
        assert_eq!(fault(&state).await, None, "{step}");
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_group_takes_nothing_of_the_others_along() {
    let place = Place::new();
    let state = place.open().await;
    let attempts = (0..40).map(|number| {
        let (state, place) = (&state, &place);
        async move {
            let call = call("robo");
            state.append(&opened(&call)).await.unwrap();
            let hour = Duration::from_secs(3600);
            let reserved = state
                .reserve(Reservation {
                    call: &call,
                    usage: Usage { cost: Cost(1), tokens: 0, ..Usage::default() }.into(),
                    spent: Tally::default(),
                    rates: &[],
                    budgets: &[BudgetLimit::new(Amount::Cost(Cost(10)), hour)],
                    approval: None,
                    now: place.now(),
                    expires_at: place.now().checked_add(hour).unwrap(),
                })
                .await;
            match reserved {
                Ok(()) => true,
                Err(ReserveError::Refused(Refusal::OverBudget)) => false,
                Err(error) => panic!("call {number}: {error}"),
            }
        }
    });
    let admitted = futures::future::join_all(attempts).await.into_iter().filter(|one| *one).count();
    assert_eq!(admitted, 10);
    let kinds: Vec<_> = records(&state).await.iter().map(|one| one["record"].clone()).collect();
    let of = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
    assert_eq!((of("opened"), of("admitted")), (40, 10));
    assert_eq!(fault(&state).await, None);
}

#[tokio::test]
async fn one_who_goes_away_at_any_await_takes_nothing_of_the_others_along() {
    let place = Place::new();
    let state = place.open().await;
    let mut expected = 0;
    for polls in 1..40 {
        let given_up = async {
            let call = call("given-up");
            let record = opened(&call);
            let work = state.append(&record);
            let mut work = std::pin::pin!(work);
            for _ in 0..polls {
                let once = |context: &mut Context<'_>| Poll::Ready(work.as_mut().poll(context));
                if std::future::poll_fn(once).await.is_ready() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let stays = async {
            let call = call("stays");
            state.append(&opened(&call)).await.unwrap();
        };
        tokio::join!(given_up, stays, async {
            let call = call("stays");
            state.append(&opened(&call)).await.unwrap();
        });
        expected += 2;
    }
    let stayed = records(&state).await.iter().filter(|one| one["principal"] == "stays").count();
    assert_eq!(stayed, expected);
    assert_eq!(fault(&state).await, None);
}

/// I-11: after the disk has failed to keep a commit, nothing is believed of it.
#[tokio::test]
async fn after_the_disk_failed_nothing_is_written_until_the_host_starts_again() {
    let place = Place::new();
    let state = place.open().await;
    faults::fail("sync", 0);
    for _ in 0..3 {
        let call = call("robo");
        assert!(state.append(&opened(&call)).await.is_err());
    }
    let state = place.reopen(state).await;
    let call = call("robo");
    state.append(&opened(&call)).await.unwrap();
    assert_eq!(fault(&state).await, None);
}

/// I-10: a full disk stops calls, and they go on when there is space again.
#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_goes_on_once_there_is_space() {
    let place = Place::new();
    let state = place.open().await;
    let mut writing = state.write().await.unwrap();
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *writing).await.unwrap();
    let limit = format!("PRAGMA max_page_count = {}", pages + 2);
    sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(&mut *writing).await.unwrap();
    drop(writing);
    let mut kept = 0;
    loop {
        let call = call("robo");
        if state.append(&opened(&call)).await.is_err() {
            break;
        }
        kept += 1;
        assert!(kept < 1_000, "the disk does not fill");
    }
    assert_eq!(records(&state).await.len(), kept);
    let mut writing = state.write().await.unwrap();
    sqlx::raw_sql("PRAGMA max_page_count = 100000").execute(&mut *writing).await.unwrap();
    drop(writing);
    let call = call("robo");
    state.append(&opened(&call)).await.unwrap();
    assert_eq!(records(&state).await.len(), kept + 1);
    assert_eq!(fault(&state).await, None);
}
