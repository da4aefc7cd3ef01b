//! The trail: one chain, whoever writes, and broken where somebody else did.
use std::time::Duration;

use serde_json::Value;
use toolward_gate::{AuditLog as _, Change, Digest, Record};

use super::support::{Place, call, closed, fault, opened, records};
use crate::{LinkFilter, State};

fn change(subject: &str) -> Change {
    Change {
        by: "ana".to_owned(),
        action: "tool-add".to_owned(),
        subject: subject.to_owned(),
        reason: String::new(),
    }
}

/// A trail of seven: two calls, and three changes round them.
async fn seven(place: &Place) -> State {
    let state = place.open().await;
    state.record_change(change("one")).await.unwrap();
    for subject in ["four", "seven"] {
        let call = call("robo");
        state.append(&opened(&call)).await.unwrap();
        place.clock.pass(Duration::from_millis(3));
        state.close(closed(&call, 1)).await.unwrap();
        state.record_change(change(subject)).await.unwrap();
    }
    state
}

#[tokio::test]
async fn the_trail_tells_what_was_opened_closed_and_changed_in_its_order() {
    let place = Place::new();
    let state = seven(&place).await;
    let kinds: Vec<Value> =
        records(&state).await.into_iter().map(|record| record["record"].clone()).collect();
    let expected = ["changed", "opened", "closed", "changed", "opened", "closed", "changed"];
    assert_eq!(kinds, expected);
    let links = state.links(LinkFilter::default()).await.unwrap();
    assert_eq!(links[0].previous, Digest::ZERO);
    let numbers: Vec<u64> = links.iter().map(|link| link.sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    assert!(links.windows(2).all(|pair| pair[1].previous == pair[0].hash));
}

#[tokio::test]
async fn links_are_found_by_their_place_and_by_their_call() {
    let place = Place::new();
    let state = place.open().await;
    let (mine, other) = (call("robo"), call("robo"));
    for call in [&mine, &other] {
        state.append(&opened(call)).await.unwrap();
        state.close(closed(call, 0)).await.unwrap();
    }
    let found = async |filter| {
        let links = state.links(filter).await.unwrap();
        links.iter().map(|link| link.sequence).collect::<Vec<_>>()
    };
    let all = LinkFilter::default();
    assert_eq!(found(all).await, [1, 2, 3, 4]);
    assert_eq!(found(LinkFilter { after: Some(2), ..all }).await, [3, 4]);
    assert_eq!(found(LinkFilter { last: Some(3), ..all }).await, [2, 3, 4]);
    assert_eq!(found(LinkFilter { call: Some(mine.id), ..all }).await, [1, 2]);
    let last_of_other = LinkFilter { call: Some(other.id), last: Some(1), ..all };
    assert_eq!(found(last_of_other).await, [4]);
}

#[tokio::test]
async fn a_whole_trail_is_verified_and_its_head_is_the_last_hash() {
    let place = Place::new();
    let empty = place.open().await;
    let nothing = empty.verify(&mut |_, _| ()).await.unwrap();
    assert_eq!((nothing.links, nothing.head, nothing.fault), (0, Digest::ZERO, None));
    let state = seven(&place).await;
    let mut heard = Vec::new();
    let verified = state.verify(&mut |done, of| heard.push((done, of))).await.unwrap();
    assert_eq!((verified.links, verified.fault), (7, None));
    assert_eq!(heard.last(), Some(&(7, 7)));
    let last = state.links(LinkFilter { last: Some(1), ..LinkFilter::default() }).await.unwrap();
    assert_eq!(verified.head, last[0].hash);
    let again = place.reopen(state).await;
    assert_eq!(again.verify(&mut |_, _| ()).await.unwrap().head, verified.head);
}

#[tokio::test]
async fn a_trail_longer_than_one_batch_is_verified_to_its_end() {
    let place = Place::new();
    let state = place.open().await;
    for number in 0..1003 {
        state.record_change(change(&number.to_string())).await.unwrap();
    }
    let whole = state.verify(&mut |_, _| ()).await.unwrap();
    assert_eq!((whole.links, whole.fault), (1003, None));
    tamper(&place, "UPDATE audit SET record = replace(record, '1001', '2002')").await;
    assert_eq!(fault(&state).await.unwrap().0, 1002);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_writers_on_two_hosts_make_one_chain() {
    let place = Place::new();
    let (one, two) = (place.open().await, place.open().await);
    let writers = (0..8).map(|number| {
        let state = if number % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move {
            for _ in 0..5 {
                let call = call("robo");
                state.append(&opened(&call)).await.unwrap();
                state.close(closed(&call, 0)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for state in [&one, &two] {
        let verified = state.verify(&mut |_, _| ()).await.unwrap();
        assert_eq!((verified.links, verified.fault), (80, None));
    }
}

/// Changes the trail as somebody would who has the file: first the triggers go.
async fn tamper(place: &Place, statements: &'static str) {
    place.run("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_cut;").await.unwrap();
    place.run(statements).await.unwrap();
}

/// Where a trail of seven is broken after it was tampered with.
async fn fault_after(statements: &'static str) -> Option<(u64, String)> {
    let place = Place::new();
    let state = seven(&place).await;
    assert_eq!(fault(&state).await, None);
    tamper(&place, statements).await;
    fault(&state).await
}

const CHANGED: &str = "it was changed after it was written";
const UNLINKED: &str = "it does not follow the record before it";
const MISSING: &str = "a record before it is missing, or stands elsewhere";
const MISFILED: &str = "it is filed under another kind, call or host than its record names";

async fn assert_fault(statements: &'static str, sequence: u64, what: &str) {
    assert_eq!(fault_after(statements).await, Some((sequence, what.to_owned())), "{statements}");
}

#[tokio::test]
async fn a_link_is_neither_changed_nor_cut_while_the_triggers_stand() {
    let place = Place::new();
    let state = seven(&place).await;
    assert!(place.run("UPDATE audit SET record = '{}' WHERE sequence = 3").await.is_err());
    assert!(place.run("DELETE FROM audit WHERE sequence = 7").await.is_err());
    assert!(place.run("DELETE FROM switches").await.is_ok());
    assert_eq!(fault(&state).await, None);
    assert_eq!(records(&state).await.len(), 7);
}

#[tokio::test]
async fn statements_that_change_nothing_break_nothing() {
    assert_eq!(fault_after("UPDATE audit SET record = record, hash = hash").await, None);
}

#[tokio::test]
async fn a_changed_record_is_found() {
    let middle = "UPDATE audit SET record = replace(record, 'ok', 'no') WHERE sequence = 3";
    assert_fault(middle, 3, CHANGED).await;
    let first = "UPDATE audit SET record = replace(record, 'ana', 'eve') WHERE sequence = 1";
    assert_fault(first, 1, CHANGED).await;
    let last = "UPDATE audit SET record = replace(record, 'seven', 'eight') WHERE sequence = 7";
    assert_fault(last, 7, CHANGED).await;
}

#[tokio::test]
async fn a_changed_time_is_found() {
    let earlier = "UPDATE audit SET at = '2026-01-04T10:00:00Z' WHERE sequence = 4";
    assert_fault(earlier, 4, CHANGED).await;
}

#[tokio::test]
async fn a_changed_hash_is_found() {
    let own = "UPDATE audit SET hash = previous WHERE sequence = 4";
    assert_fault(own, 4, CHANGED).await;
    let before = "UPDATE audit SET previous = hash WHERE sequence = 4";
    assert_fault(before, 4, UNLINKED).await;
}

#[tokio::test]
async fn a_changed_kind_or_call_is_found_though_no_hash_covers_the_column() {
    assert_fault("UPDATE audit SET kind = 'changed' WHERE sequence = 3", 3, MISFILED).await;
    assert_fault("UPDATE audit SET call = NULL WHERE sequence = 3", 3, MISFILED).await;
    let other_call =
        "UPDATE audit SET call = (SELECT call FROM audit WHERE sequence = 2) WHERE sequence = 6";
    assert_fault(other_call, 6, MISFILED).await;
}

#[tokio::test]
async fn a_removed_link_is_found() {
    assert_fault("DELETE FROM audit WHERE sequence = 1", 2, MISSING).await;
    assert_fault("DELETE FROM audit WHERE sequence = 4", 5, MISSING).await;
    let closed_up = "DELETE FROM audit WHERE sequence = 4; \
         UPDATE audit SET sequence = sequence - 1 WHERE sequence > 4";
    assert_fault(closed_up, 4, UNLINKED).await;
}

#[tokio::test]
async fn swapped_links_are_found() {
    let swapped = "UPDATE audit SET sequence = -3 WHERE sequence = 3; \
         UPDATE audit SET sequence = 3 WHERE sequence = 4; \
         UPDATE audit SET sequence = 4 WHERE sequence = -3";
    assert_fault(swapped, 3, UNLINKED).await;
}

#[tokio::test]
async fn an_inserted_link_is_found() {
    let between = "UPDATE audit SET sequence = -sequence WHERE sequence > 3; \
         UPDATE audit SET sequence = 1 - sequence WHERE sequence < 0; \
         INSERT INTO audit SELECT 4, at, kind, call, host, record, previous, hash, seal FROM audit WHERE sequence = 3";
    assert_fault(between, 4, UNLINKED).await;
    let at_the_end = "INSERT INTO audit SELECT 8, at, kind, call, host, record, hash, hash, seal FROM audit WHERE sequence = 7";
    assert_fault(at_the_end, 8, CHANGED).await;
    let far_away = "INSERT INTO audit SELECT 70, at, kind, call, host, record, hash, hash, seal FROM audit WHERE sequence = 7";
    assert_fault(far_away, 70, MISSING).await;
}

#[tokio::test]
async fn a_row_before_the_first_link_is_found() {
    let zeroth = "INSERT INTO audit SELECT 0, at, kind, call, host, record, previous, hash, seal FROM audit WHERE sequence = 1";
    assert_fault(zeroth, 0, MISSING).await;
    let negative = "INSERT INTO audit SELECT -9, at, kind, call, host, record, previous, hash, seal FROM audit WHERE sequence = 1";
    let (sequence, what) = fault_after(negative).await.unwrap();
    assert_eq!(sequence, 0);
    assert!(what.starts_with("it is not a link of the chain"), "{what}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_as_a_link_is_a_fault_and_not_a_failure() {
    for statements in [
        "UPDATE audit SET hash = 'nothing' WHERE sequence = 5",
        "UPDATE audit SET at = 'yesterday' WHERE sequence = 5",
    ] {
        let (sequence, what) = fault_after(statements).await.unwrap();
        assert_eq!(sequence, 5);
        assert!(what.starts_with("it is not a link of the chain"), "{what}");
    }
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_not_found_by_the_bare_chain_but_by_a_head_noted_elsewhere() {
    let place = Place::new();
    let state = seven(&place).await;
    let noted = state.verify(&mut |_, _| ()).await.unwrap().head;
    tamper(&place, "DELETE FROM audit WHERE sequence > 5").await;
    let verified = state.verify(&mut |_, _| ()).await.unwrap();
    assert_eq!((verified.links, verified.fault), (5, None));
    assert_ne!(verified.head, noted);
    let links = state.links(LinkFilter::default()).await.unwrap();
    assert!(links.iter().all(|link| link.hash != noted));
}

#[tokio::test]
async fn what_is_written_after_tampering_does_not_heal_the_chain() {
    let place = Place::new();
    let state = seven(&place).await;
    tamper(&place, "UPDATE audit SET record = replace(record, 'ok', 'no') WHERE sequence = 3")
        .await;
    state.record_change(change("eight")).await.unwrap();
    assert_eq!(fault(&state).await, Some((3, CHANGED.to_owned())));
}

#[tokio::test]
async fn a_clock_that_steps_back_does_not_break_the_chain() {
    let place = Place::new();
    let state = seven(&place).await;
    place.clock.step_back(Duration::from_secs(600));
    state.append(&Record::Changed(change("eight"))).await.unwrap();
    assert_eq!(fault(&state).await, None);
    assert_eq!(records(&state).await.len(), 8);
}
