//! A task is its principal's own, goes one way, and is over after a day.
use std::time::Duration;

use toolward_gate::{ApprovalId, CallId, Clock as _, Digest};

use super::support::Place;
use crate::{State, Task, TaskState};

fn sketch(place: &Place, id: &str, principal: &str, state: TaskState) -> Task {
    let now = place.clock.now();
    Task {
        id: id.to_owned(),
        principal: principal.to_owned(),
        tool: "say".parse().unwrap(),
        digest: Digest::of(b"teller"),
        arguments: "{}".to_owned(),
        call: CallId::generate(),
        state,
        created_at: now,
        updated_at: now,
        expires_at: now,
    }
}

async fn begun(place: &Place, state: &State, id: &str, what: TaskState) -> Task {
    let mut task = sketch(place, id, "robo", what);
    assert!(state.begin_task(&mut task).await.unwrap());
    task
}

/// E-28: what is somebody else's is not there.
#[tokio::test]
async fn a_task_is_there_for_its_principal_alone_also_after_a_restart() {
    let place = Place::new();
    let state = place.open().await;
    let held = begun(&place, &state, "t", TaskState::Held(ApprovalId::generate())).await;
    let state = place.reopen(state).await;
    assert_eq!(state.task("t", "robo").await.unwrap(), Some(held.clone()));
    for who in ["ana", "robo\nana", "", "ROBO"] {
        assert_eq!(state.task("t", who).await.unwrap(), None, "{who}");
    }
    let anas = Task { principal: "ana".to_owned(), ..held };
    assert!(!state.advance_task(&anas, &TaskState::Cancelled, anas.call).await.unwrap());
}

#[tokio::test]
async fn of_two_who_bring_a_task_on_one_does_and_nothing_leads_away_from_its_end() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    let held = begun(&place, &here, "t", TaskState::Held(ApprovalId::generate())).await;
    let (one, other) = (CallId::generate(), CallId::generate());
    assert!(here.advance_task(&held, &TaskState::Running, one).await.unwrap());
    assert!(!there.advance_task(&held, &TaskState::Running, other).await.unwrap());
    let running = there.task("t", "robo").await.unwrap().unwrap();
    assert_eq!((running.call, &running.state), (one, &TaskState::Running));
    let ended = TaskState::Ended("{}".to_owned());
    assert!(there.advance_task(&running, &ended, one).await.unwrap());
    let last = here.task("t", "robo").await.unwrap().unwrap();
    for to in [TaskState::Running, TaskState::Cancelled, TaskState::Ended("[]".to_owned())] {
        assert!(!here.advance_task(&last, &to, one).await.unwrap(), "{to:?}");
        assert!(!here.advance_task(&running, &to, one).await.unwrap(), "{to:?}");
    }
    assert_eq!(here.task("t", "robo").await.unwrap().unwrap().state, ended);
}

#[tokio::test]
async fn a_task_is_over_after_a_day_and_makes_room_for_another() {
    let place = Place::new();
    let state = place.open().await;
    for number in 0..1_000 {
        begun(&place, &state, &number.to_string(), TaskState::Running).await;
    }
    let mut more = sketch(&place, "more", "robo", TaskState::Running);
    assert!(!state.begin_task(&mut more).await.unwrap());
    let mut anas = sketch(&place, "anas", "ana", TaskState::Running);
    assert!(state.begin_task(&mut anas).await.unwrap());
    place.clock.pass(Duration::from_secs(24 * 3600 - 1));
    assert!(state.task("0", "robo").await.unwrap().is_some());
    place.clock.pass(Duration::from_secs(1));
    assert_eq!(state.task("0", "robo").await.unwrap(), None);
    // Some of those whose time is over leave with each that comes.
    assert!(state.begin_task(&mut more).await.unwrap());
}
