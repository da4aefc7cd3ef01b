//! Policies that change while a host serves.
use std::time::Instant;

use serde_json::{Value, json};

use super::client::Client;
use crate::cli::{PATIENCE, Place, command};

fn hang_up_signal(client: &Client) {
    let id = client.id().to_string();
    assert!(command("kill").args(["-HUP", &id]).status().unwrap().success());
}

/// The first record of a change, once it is there.
fn change(place: &Place, action: &str) -> Value {
    let begun = Instant::now();
    loop {
        let trail = place.run("audit tail --json -n 50").out;
        let records = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = { records }.find(|one| one["record"]["action"] == action);
        match found {
            Some(found) => return found["record"].clone(),
            None => assert!(begun.elapsed() < PATIENCE, "no `{action}`: {trail}"),
        }
    }
}

fn said(client: &mut Client) -> bool {
    client.call("say", json!({ "text": "hello" }))["isError"] != json!(true)
}

/// J-23.
#[test]
fn policies_are_exchanged_without_a_restart_and_a_broken_set_leaves_the_one_before() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    assert!(said(&mut client));
    let file = "policies/teller.cedar";
    place.change(file, "permit(principal", "@audit(\"whole\") permti(principal");
    hang_up_signal(&client);
    let refused = change(&place, "policy-reload-refused");
    assert!(refused["reason"].as_str().unwrap().contains("teller.cedar"), "{refused}");
    assert!(said(&mut client), "the set before stays in force");
    // Nobody is told this time: the host looks by itself.
    place.change(file, "permti(principal", "forbid(principal");
    place.change(file, "@audit(\"whole\") ", "");
    let taken = change(&place, "policy-reload");
    assert!(!said(&mut client), "the new set is in force");
    let trail = place.run("audit tail --json -n 2").out;
    let last: Value = serde_json::from_str(trail.lines().last().unwrap()).unwrap();
    let note = last["record"]["notes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|note| note["note"] == "refused")
        .unwrap()
        .clone();
    assert_eq!(
        (&note["policy-version"], &note["policies"]),
        (&taken["subject"], &json!(["teller"]))
    );
    let ran = client.hang_up(&place).exits(0);
    assert!(ran.err.contains("those before stay in force"), "{}", ran.told());
}
