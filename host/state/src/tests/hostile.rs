//! What stands in a place elsewhere may be anything: it is told from checkpoints, and changes nothing about the trail.
use proptest::prelude::*;
use toolward_gate::{AuditLog as _, Change, Record};

use super::support::Place;
use crate::{Checkpoint, CheckpointPlace as _, Evidence, FilePlace};

async fn put(place: &Place) -> (crate::State, FilePlace) {
    let state = place.open().await;
    let change = Change {
        by: "ana".to_owned(),
        action: "kill-on".to_owned(),
        subject: "everything".to_owned(),
        reason: String::new(),
    };
    state.append(&Record::Changed(change)).await.unwrap();
    let file = FilePlace::new(place.folder.path().join("elsewhere.jsonl"));
    state.checkpoint(&[std::sync::Arc::new(file.clone())]).await.unwrap();
    (state, file)
}

/// A genuine line that was cut, changed or given other fields, and lines that never were one.
fn line(genuine: String) -> impl Strategy<Value = String> {
    let (cut, changed, odd) = (genuine.clone(), genuine.clone(), genuine);
    let length = cut.len();
    prop_oneof![
        (0..length).prop_map(move |end| cut.chars().take(end).collect()),
        (0..length, any::<char>()).prop_map(move |(at, letter)| {
            let letters = changed.chars().enumerate();
            letters.map(|(place, old)| if place == at { letter } else { old }).collect()
        }),
        "\\PC{0,60}",
        any::<i64>().prop_map(
            move |number| odd.replace("\"sequence\":1", &format!("\"sequence\":{number}"))
        ),
        Just("[".repeat(10_000)),
        Just("{\"kind\":\"running\"}".to_owned()),
    ]
}

/// I-23.
#[test]
fn no_line_that_is_not_genuine_stands_for_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = Place::new();
    let (state, file) = runtime.block_on(put(&place));
    let genuine = runtime.block_on(file.lines()).unwrap().unwrap().remove(0);
    let key = state.key.public();
    let said = Checkpoint::read(&genuine, key).unwrap();
    // Another spelling of it, as a digit in upper case, says the same.
    proptest!(ProptestConfig::with_cases(300), |(line in line(genuine.clone()))| {
        if let Ok(read) = Checkpoint::read(&line, key) {
            prop_assert_eq!(&read, &said, "{}", line);
        }
    });
    proptest!(ProptestConfig::with_cases(40), |(lines in proptest::collection::vec(line(genuine.clone()), 1..5))| {
        let with = Evidence { checkpoints: [lines.clone(), vec![genuine.clone()]].concat(), key: None };
        let alone = Evidence { checkpoints: lines.clone(), key: None };
        let (with, alone) = runtime.block_on(async {
            (state.verify_with(&with, &mut |_, _| {}).await.unwrap(), state.verify_with(&alone, &mut |_, _| {}).await.unwrap())
        });
        prop_assume!(!lines.iter().any(|line| Checkpoint::read(line, key).is_ok()));
        prop_assert_eq!((with.anchored, with.checkpoints, with.fault.is_none()), (1, 1, true));
        prop_assert_eq!((alone.anchored, alone.checkpoints, alone.fault.is_none()), (0, 0, true));
    });
}
