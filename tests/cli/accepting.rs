//! A tool that is another one than the one that was accepted: kept back, looked at, accepted.
use serde_json::{Value, json};

use super::place::{Place, component};

/// The teller with another word in one description: as long as it was, so that the component is whole.
pub(crate) fn changed_teller() -> Vec<u8> {
    let (from, to) = (b"Says what it is told.", b"Says what it is sold.");
    let mut bytes = component("teller").to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

const SAY: &str = "call say text=hello";

fn changes(place: &Place, action: &str) -> Vec<Value> {
    let trail = place.run("audit tail --json -n 200").exits(0).out;
    let records = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    { records }.map(|one| one["record"].clone()).filter(|one| one["action"] == action).collect()
}

/// F-02, K-11: another description, and another digest.
#[test]
fn a_tool_that_changed_is_kept_back_from_every_call_until_somebody_accepts_it() {
    let place = Place::without_secrets(&["teller"]);
    place.run(SAY).exits(0);
    let first = changes(&place, "tool-accept");
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["by"], "host");
    // What is added again as it was is what was accepted.
    place.write_bytes("same.wasm", component("teller"));
    let same = place.run("tool add same.wasm --name teller --json").exits(0);
    assert_eq!(same.json()["kept_back"], json!([]));
    place.run(SAY).exits(0);
    place.write_bytes("new.wasm", &changed_teller());
    let added = place.run("tool add new.wasm --name teller").exits(0);
    assert!(added.err.contains("`say` is kept back"), "{}", added.told());
    let refused = place.run(&format!("{SAY} --json")).exits(4).error();
    assert_eq!(refused["code"], "refused");
    assert!(refused["message"].as_str().unwrap().contains("toolward tool accept say"), "{refused}");
    // Each of its tools has other bytes behind it.
    place.run("call count").exits(4);
    let listed = place.run("tool list").exits(0).out;
    assert_eq!(listed.matches("KEPT BACK").count(), 5, "{listed}");
    let shown = place.run("tool show say --json").exits(0).json();
    assert_eq!((&shown["standing"], &shown["kept_back"]), (&json!("changed"), &json!(true)));
    let places: Vec<&str> = shown["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["at"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/digest", "/description"]);
    let told = place.run("tool show say").exits(0);
    assert!(told.out.contains("- \"Says what it is told.\""), "{}", told.told());
    assert!(told.out.contains("+ \"Says what it is sold.\""), "{}", told.told());
    place.run("tool accept say --reason 'looked at it'").exits(0);
    place.run(SAY).exits(0);
    place.run("call count").exits(4);
    // Once for each tool, however often a host started.
    assert_eq!(changes(&place, "tool-kept-back").len(), 5);
    let accepted = changes(&place, "tool-accept");
    let last = accepted.last().unwrap();
    assert_eq!((&last["by"], &last["reason"]), (&json!("ana"), &json!("looked at it")));
    // To go back is a change, too.
    place.run("tool add same.wasm --name teller").exits(0);
    place.run(SAY).exits(4);
    place.run("call count").exits(0);
}

/// F-02.
#[test]
fn a_tool_that_went_and_came_back_is_held_against_what_was_accepted_before() {
    let place = Place::without_secrets(&["teller"]);
    place.run(SAY).exits(0);
    place.run("tool rm teller").exits(0);
    place.write_bytes("new.wasm", &changed_teller());
    place.run("tool add new.wasm --name teller").exits(0);
    place.run(SAY).exits(4);
    let there = Place::without_secrets(&["teller"]);
    there.write_bytes("new.wasm", &changed_teller());
    there.run("tool add new.wasm --name teller --accept").exits(0);
    there.run(SAY).exits(0);
}

#[test]
fn where_first_uses_are_kept_back_nothing_is_called_that_nobody_accepted() {
    let place = Place::without_secrets(&["teller"]);
    place.change("toolward.toml", "[caller]", "[tools]\nfirst_use = \"keep-back\"\n[caller]");
    place.run(SAY).exits(4);
    let shown = place.run("tool show say --json").exits(0).json();
    assert_eq!((&shown["standing"], &shown["kept_back"]), (&json!("new"), &json!(true)));
    place.run("tool accept say").exits(0);
    place.run(SAY).exits(0);
    place.run("call count").exits(4);
    place.change("toolward.toml", "\"keep-back\"", "\"never\"");
    place.run(SAY).exits(3);
}
