//! A tool that calls tools: what is said of it before, while it waits for a person, and after.
use serde_json::Value;

use super::place::Place;

const LENT: &str = r#"
[capability."house:tools:call"]
description = "Have other tools do something."
interface = "tools"
tools = ["say", "create_charge", "relay_two"]
lends = ["payments:charges:create", "house:tools:call"]
risk = "low"
[capability."shop:notes:use"]
description = "Remember notes."
interface = "key-value"
risk = "low"
[capability."shop:items:read"]
description = "Read items."
interface = "http"
destination = "https://shop.example"
methods = ["GET"]
paths = ["/items/{id}"]
risk = "low"
"#;

const PERMITTED: &str = r#"
@id("house")
permit(principal in Role::"assistant", action == Action::"house:tools:call", resource in Component::"relay");
"#;

fn house() -> Place {
    let place = Place::with(&["relay", "payments", "teller"]);
    let capabilities = place.read("policies/capabilities.toml") + LENT;
    place.write("policies/capabilities.toml", &capabilities);
    place.write("policies/house.cedar", PERMITTED);
    place
}

const SAY: &str = r#"{"text":"hello"}"#;
const CHARGE: &str = r#"{"amount":1000,"currency":"eur","description":"Rent"}"#;

/// The words of a call of the relaying tool.
fn relay(tool: &str, arguments: &str) -> String {
    format!("call relay tool={tool} 'arguments={arguments}'")
}

/// What was recorded of calls.
fn records(text: &str) -> Vec<Value> {
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|one| one["record"]["record"] != "changed").collect()
}

#[test]
fn check_lists_the_tools_that_could_be_called_and_says_which_are_not_there() {
    let place = house();
    let told = place.run("check tools/relay.wasm").exits(0);
    let called = "may call create_charge, relay_two, say\n    and lends them house:tools:call, payments:charges:create\n";
    assert!(told.out.contains(called), "{}", told.told());
    place.change("policies/capabilities.toml", "[\"say\", ", "[\"ghost\", ");
    let told = place.run("check tools/relay.wasm").exits(0);
    assert!(told.out.contains("ghost (NOT INSTALLED), relay_two\n"), "{}", told.told());
    let data = place.run("check tools/relay.wasm --json").exits(0).json();
    let tools = data["tools"].as_array().unwrap();
    let one = tools.iter().find(|one| one["tool"] == "relay").unwrap();
    let called = &one["calls"]["house:tools:call"]["tools"];
    assert_eq!((&called[1]["tool"], &called[1]["installed"]), (&"ghost".into(), &false.into()));
    assert_eq!(called[0]["installed"], true);
}

#[test]
fn the_tree_of_a_call_is_shown_from_any_call_in_it() {
    let place = house();
    place.run("call say text=alone").exits(0);
    let below = serde_json::json!({ "tool": "say", "arguments": SAY }).to_string();
    place.run(&relay("relay_two", &below)).exits(0);
    let all = records(&place.run("audit tail --json").exits(0).out);
    let calls: Vec<&str> = all.iter().map(|one| one["record"]["call"].as_str().unwrap()).collect();
    for call in &calls[3..8] {
        let tree = records(&place.run(&format!("audit show {call} --json")).exits(0).out);
        assert_eq!(tree, all[3..]);
    }
    let alone = records(&place.run(&format!("audit show {} --json", calls[0])).exits(0).out);
    assert_eq!(alone, all[..3]);
    let shown = place.run(&format!("audit show {}", calls[7])).exits(0);
    // The first T is that of the time: the number before it stands to the right.
    let ends: Vec<usize> = shown.out.lines().map(|line| line.find('T').unwrap()).collect();
    assert_eq!(ends, [0, 0, 4, 4, 8, 8, 8, 4, 0].map(|more| ends[0] + more), "{}", shown.told());
    assert!(shown.out.lines().nth(2).unwrap().contains("calls relay_two through tool for "));
    // Nothing but the records of that call is what `tail --call` shows.
    let one = records(&place.run(&format!("audit tail --call {} --json", calls[7])).exits(0).out);
    assert_eq!(one.len(), 3);
    let none = place.run("audit show 01890000-0000-7000-8000-000000000000");
    assert!(none.exits(10).err.contains("there is no call"));
}

#[test]
fn a_question_about_a_called_tool_says_which_call_it_is_for() {
    let place = house();
    let told = place.run(&relay("create_charge", CHARGE)).exits(0);
    assert!(told.out.contains("held: "), "{}", told.told());
    let open = place.run("approval list --json").exits(0).json();
    let all = records(&place.run("audit tail --json").exits(0).out);
    let (filing, caller) = (&open["approvals"][0], &open["approvals"][0]["caller"]);
    assert_eq!(
        (&caller["call"], &caller["tools"][0]),
        (&all[0]["record"]["call"], &"relay".into())
    );
    let (id, call) = (filing["id"].as_str().unwrap(), caller["call"].as_str().unwrap());
    let words = format!("called by `relay` in call {call}");
    let listed = place.run("approval list").exits(0);
    assert!(listed.out.contains(&words), "{}", listed.told());
    let shown = place.run(&format!("approval show {id}")).exits(0);
    assert!(
        shown.out.contains(&format!("\ncalled by     `relay` in call {call}\n")),
        "{}",
        shown.told()
    );
    // Without a caller there is nothing to say of one.
    place.run("call create_charge amount=1000 currency=eur description=Rent").exits(5);
    let open = place.run("approval list --json").exits(0).json();
    assert_eq!(open["approvals"].as_array().unwrap().len(), 2);
    assert!(open["approvals"].as_array().unwrap().iter().any(|one| one.get("caller").is_none()));
}
