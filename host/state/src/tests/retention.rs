//! Old records go, and the trail still shows that it is whole.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{fs, time::Duration};

use toolward_gate::{AuditLog as _, Chain, Link};

use super::support::{Place, call, closed, opened};
use crate::{Evidence, LinkFilter, Retention, State};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn calls(state: &State, many: usize) {
    for _ in 0..many {
        let call = call("robo");
        state.append(&opened(&call)).await.unwrap();
        state.close(closed(&call, 0)).await.unwrap();
    }
}

fn retention(place: &Place) -> Retention {
    Retention { keep: 3 * DAY, archive: Some(place.folder.path().join("archive")) }
}

#[tokio::test]
async fn records_whose_time_is_over_are_archived_and_removed_and_the_rest_is_still_a_whole_chain() {
    let place = Place::new();
    let state = place.open().await;
    calls(&state, 5).await;
    place.clock.pass(2 * DAY);
    calls(&state, 5).await;
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 0, "none is old enough");
    place.clock.pass(2 * DAY);
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 10);
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 0, "they are gone already");
    let verified = state.verify(&mut |_, _| ()).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.links, verified.last), (11, 21));
    assert_eq!(verified.removed.unwrap().through, 10);
    // What was removed is a whole chain by itself, and what is left begins where it ends.
    let file = place.folder.path().join("archive").join("audit-000000000001-000000000010.jsonl");
    let text = fs::read_to_string(file).unwrap();
    let archived: Vec<Link> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut chain = Chain::default();
    archived.iter().for_each(|link| chain.check(link).unwrap());
    let left = state.links(LinkFilter::default()).await.unwrap();
    left.iter().for_each(|link| chain.check(link).unwrap());
    assert_eq!(left.last().unwrap().sequence, 21);
}

#[tokio::test]
async fn a_trail_of_which_everything_is_old_goes_on_after_all_of_it_is_removed() {
    let place = Place::new();
    let state = place.open().await;
    calls(&state, 3).await;
    place.clock.pass(9 * DAY);
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 6);
    calls(&state, 1).await;
    let state = place.reopen(state).await;
    let verified = state.verify(&mut |_, _| ()).await.unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.links, verified.last), (3, 9));
}

#[tokio::test]
async fn a_call_that_is_still_open_keeps_its_record_and_all_after_it() {
    let place = Place::new();
    let state = place.open().await;
    calls(&state, 1).await;
    let open = call("robo");
    state.append(&opened(&open)).await.unwrap();
    calls(&state, 2).await;
    place.clock.pass(9 * DAY);
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 2);
    state.close(closed(&open, 0)).await.unwrap();
    place.clock.pass(9 * DAY);
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 7);
    assert!(state.verify(&mut |_, _| ()).await.unwrap().holds());
}

#[tokio::test]
async fn what_stands_for_removed_records_is_noticed_when_it_is_moved_on() {
    let place = Place::new();
    let state = place.open().await;
    calls(&state, 5).await;
    place.clock.pass(4 * DAY);
    calls(&state, 5).await;
    state.retain(&retention(&place), "ana").await.unwrap();
    assert!(state.verify(&mut |_, _| ()).await.unwrap().holds());
    // With the trigger in place nothing beyond what was removed can go.
    assert!(place.run("DELETE FROM audit WHERE sequence = 11").await.is_err());
    place
        .run("UPDATE audit_removed SET through = 12; DELETE FROM audit WHERE sequence <= 12")
        .await
        .unwrap();
    let verified = state.verify(&mut |_, _| ()).await.unwrap();
    assert!(!verified.holds(), "{verified:?}");
}

#[tokio::test]
async fn nothing_is_removed_where_it_cannot_be_archived() {
    let place = Place::new();
    let state = place.open().await;
    calls(&state, 5).await;
    place.clock.pass(4 * DAY);
    fs::write(place.folder.path().join("archive"), "a file, not a folder").unwrap();
    assert!(state.retain(&retention(&place), "ana").await.is_err());
    let verified = state.verify_with(&Evidence::default(), &mut |_, _| ()).await.unwrap();
    assert_eq!((verified.links, verified.removed), (10, None));
    fs::remove_file(place.folder.path().join("archive")).unwrap();
    assert_eq!(state.retain(&retention(&place), "ana").await.unwrap(), 10);
}
