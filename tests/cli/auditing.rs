//! `audit`: what happened, and whether the record of it still holds.
use std::io::{BufRead as _, BufReader};

use insta::assert_snapshot;
use serde_json::Value;

use super::place::Place;

fn records(place: &Place, line: &str) -> Vec<Value> {
    let ran = place.run(line).exits(0);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_call_has_an_entry_that_is_opened_and_closed() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    place.run("call refuse").exits(8);
    let all = records(&place, "audit tail --json");
    let kinds: Vec<&str> =
        all.iter().map(|one| one["record"]["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["opened", "admitted", "closed", "opened", "admitted", "closed"]);
    assert_eq!(all[2]["record"]["outcome"], "ok");
    assert_eq!(all[5]["record"]["outcome"], "tool-failed");
    assert_eq!(all[0]["record"]["door"], "cli");
    assert!(
        !place.run("audit tail --json").out.contains("hello"),
        "arguments stay out of the trail"
    );
    let call = all[3]["record"]["call"].as_str().unwrap();
    let of_one = records(&place, &format!("audit tail --json --call {call}"));
    assert_eq!(of_one, all[3..]);
    assert_eq!(records(&place, "audit tail --json -n 1"), all[5..]);
    let text = place.run("audit tail -n 3").exits(0);
    assert!(text.out.contains("agent-7 calls refuse through cli"), "{}", text.told());
}

#[test]
fn the_trail_is_followed_while_others_write_it() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    let line = "audit tail --follow --json";
    let mut child = place.start(line);
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut outcomes = output.map(|line| {
        let one: Value = serde_json::from_str(&line.unwrap()).unwrap();
        one["record"]["outcome"]
            .as_str()
            .unwrap_or(one["record"]["record"].as_str().unwrap())
            .to_owned()
    });
    assert_eq!(outcomes.by_ref().take(3).collect::<Vec<_>>(), ["opened", "admitted", "ok"]);
    place.run("call refuse").exits(8);
    assert_eq!(
        outcomes.by_ref().take(3).collect::<Vec<_>>(),
        ["opened", "admitted", "tool-failed"]
    );
    Place::interrupt(&child);
    place.ran(line, child.wait_with_output().unwrap()).exits(0);
}

#[test]
fn a_chain_that_holds_is_told_with_what_that_does_not_show() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    assert_snapshot!(place.run("audit verify").exits(0).told());
    let data = place.run("audit verify --json").exits(0);
    assert_eq!(data.err, "");
    assert_eq!((&data.json()["whole"], &data.json()["records"]), (&true.into(), &3.into()));
}

#[test]
fn a_record_that_was_changed_or_taken_out_is_found() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call refuse").exits(8);
    place.run("call say text=hello").exits(0);
    place.run("audit verify").exits(0);
    place.sql("DROP TRIGGER audit_is_not_changed; UPDATE audit SET record = replace(record, '\"tool-failed\"', '\"ok\"')");
    assert_snapshot!(place.run("audit verify").exits(1).told());
    let broken = place.run("audit verify --json").exits(1);
    assert_eq!(broken.err, "", "what is to be said is data");
    assert_eq!(broken.json()["fault"]["sequence"], 3);
    place.sql("UPDATE audit SET record = replace(record, '\"ok\",', '\"tool-failed\",') WHERE sequence = 3");
    place.run("audit verify").exits(0);
    place.sql("DROP TRIGGER audit_is_not_cut; DELETE FROM audit WHERE sequence = 4");
    assert_eq!(place.run("audit verify --json").exits(1).json()["fault"]["sequence"], 5);
}

#[test]
fn a_call_that_a_crash_left_open_is_closed_at_the_next_start() {
    let place = Place::with(&["hostile", "teller"]);
    let mut child = place.start("call fetch_debug_page page=slow");
    place.upstream.slow_began();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = records(&place, "audit tail --json -n 1");
    assert_eq!(last[0]["record"]["record"], "admitted");
    let next = place.run("call say text=hello").exits(0);
    assert!(next.err.contains("an earlier host ended while calls were running"), "{}", next.told());
    let call = last[0]["record"]["call"].as_str().unwrap();
    let both = records(&place, &format!("audit tail --json --call {call}"));
    assert_eq!(both.len(), 3);
    assert_eq!(both[2]["record"]["outcome"], "interrupted");
    place.run("audit verify").exits(0);
}

/// I-21: what nobody is known to have asked for fills no trail.
#[test]
fn a_caller_who_is_nobody_writes_nothing_into_the_trail() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=a").exits(0);
    let records = || place.run("audit search --json").exits(0).out.lines().count();
    let before = records();
    assert!(before > 0);
    place.write("token", "not.a.token");
    let token = place.path("token");
    let variables = [("TOOLWARD_TOKEN_FILE", token.to_str().unwrap())];
    place.run_in(&variables, "call say text=a", "").exits(4);
    assert_eq!(records(), before);
    place.run("call say text=a").exits(0);
    assert!(records() > before);
}
