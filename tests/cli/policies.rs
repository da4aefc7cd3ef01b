//! `policy`: what the policies say, before they are relied on.
use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use super::place::{Place, root};

fn everything() -> Place {
    let place = Place::without_secrets(&["github-issues", "payments", "weather"]);
    for name in ["github-issues", "payments", "weather"] {
        let case = format!("policies/cases/{name}.toml");
        place.write(&case, &fs::read_to_string(root().join(&case)).unwrap());
    }
    place
}

/// Another folder with the same capabilities, and these policies.
fn other(place: &Place, text: &str) {
    place.write("other/capabilities.toml", &place.read("policies/capabilities.toml"));
    place.write("other/all.cedar", text);
}

#[test]
fn policies_that_fit_are_counted_and_what_they_cannot_speak_of_is_told() {
    let place = everything();
    assert_snapshot!(place.run("policy check").exits(0).told());
    let data = place.run("policy check --json").exits(0).json();
    assert_eq!(data["policies"], 7);
    assert!(data["version"].as_str().unwrap().starts_with("sha256:"));
    let schema = place.run("policy check --schema").exits(0).out;
    assert!(schema.contains("action \"github:issues:write\""), "{schema}");
}

#[test]
fn a_folder_of_policies_is_checked_before_it_is_used() {
    let place = everything();
    other(&place, "permit(principal, action, resource) when { context.arguments has ownr };");
    assert_snapshot!(
        place.fails_and_writes_nothing("policy check --policies other").exits(3).told()
    );
    place.run("policy check").exits(0);
}

#[test]
fn a_call_is_explained_with_what_would_have_to_change() {
    let place = everything();
    let lines = [
        "policy explain list_issues owner=acme repo=site",
        "policy explain open_issue owner=evil repo=site title=x",
        "policy explain open_issue owner=acme repo=site title=x --principal ben --role assistant",
        "policy explain create_charge amount=100 currency=eur description=chair",
        "policy explain create_charge amount=100 currency=eur description=chair --approved-by ana",
    ];
    let told: Vec<String> = lines.iter().map(|line| place.run(line).exits(0).told()).collect();
    assert_snapshot!(told.join("\n"));
    let data = place.run(&format!("{} --json", lines[3])).exits(0).json();
    assert_eq!((&data["outcome"], &data["roles"][0]), (&"ask".into(), &"payer".into()));
    assert!(place.run("audit tail --json").out.is_empty(), "nothing was called");
}

#[test]
fn what_is_explained_is_a_call_of_a_tool_that_is_there() {
    let place = everything();
    place.run("policy explain lst_issues owner=acme").exits(10);
    place.run("policy explain list_issues owner=acme").exits(2);
}

#[test]
fn the_cases_of_the_shipped_policies_hold() {
    let place = everything();
    assert_snapshot!(place.run("policy test").exits(0).told());
}

#[test]
fn a_case_that_does_not_hold_fails_with_what_is_otherwise() {
    let place = everything();
    place.change("policies/github-issues.cedar", "owner == \"acme\"", "owner like \"acme*\"");
    let ran = place.run("policy test policies/cases/github-issues.toml").exits(1);
    assert_snapshot!(ran.told());
    let data = place.run("policy test --json").exits(1).json();
    assert_eq!(data["failed"], 1);
}

#[test]
fn cases_that_are_none_are_refused_with_their_line() {
    let place = everything();
    place.change("policies/cases/weather.toml", "expect = \"allow\"", "expects = \"allow\"");
    assert_snapshot!(place.run("policy test").exits(3).told());
    let bare = Place::without_secrets(&[]);
    bare.run("policy test").exits(10);
}

#[test]
fn recorded_calls_are_decided_again_under_other_policies() {
    let place = everything();
    place.change(
        "policies/github-issues.cedar",
        "@id(\"github-issues-read\")",
        "@id(\"github-issues-read\") @audit(\"whole\")",
    );
    // The secret is not set: the calls fail after they were admitted.
    place.run("call list_issues owner=acme repo=site");
    place.run("call list_issues owner=evil repo=site");
    place.run("call get_forecast city=Berlin --config toolward.toml");
    place.run("call open_issue owner=evil repo=site title=x").exits(4);
    place.run("call create_charge amount=100 currency=eur description=chair").exits(5);
    let all: String = ["default", "github-issues", "payments", "weather"]
        .iter()
        .map(|name| place.read(&format!("policies/{name}.cedar")))
        .collect();
    other(&place, &all);
    let same = place.run("policy what-if other --json").exits(0).json();
    assert_eq!(same["changed"].as_array().unwrap().len(), 0, "{same}");
    let stricter = "\n@id(\"not-evil\") forbid(principal, action == Action::\"github:issues:read\", resource) when { context.arguments.owner == \"evil\" };\n@id(\"no-charge\") forbid(principal, action == Action::\"payments:charges:create\", resource);";
    other(&place, &format!("{all}{stricter}"));
    let told = place.run("policy what-if other --json").exits(0).json();
    let changed = told["changed"].as_array().unwrap();
    let brief = |one: &Value| {
        format!(
            "{} {} {}",
            one["tool"].as_str().unwrap(),
            one["was"].as_str().unwrap(),
            one["would_be"].as_str().unwrap()
        )
    };
    assert_eq!(
        changed.iter().map(brief).collect::<Vec<_>>(),
        ["list_issues allow refuse", "create_charge ask refuse"]
    );
    let undecided = told["undecided"].as_array().unwrap();
    assert_eq!(undecided.len(), 1, "{told}");
    assert_eq!(undecided[0]["tool"], "open_issue");
    assert!(place.run("policy what-if other").exits(0).out.contains("was allow, would be refuse"));
}

/// I-29 of arguments: what `@audit` does not ask for stays out of the trail.
#[test]
fn the_trail_holds_arguments_as_the_policies_say() {
    let place = Place::with(&["github-issues"]);
    let line = "call list_issues owner=acme repo=zanzibar";
    place.run(line).exits(0);
    assert!(!place.run("audit tail --json").out.contains("zanzibar"));
    let head = "@id(\"github-issues-read\")";
    place.change("policies/github-issues.cedar", head, &format!("{head} @audit(\"redacted\")"));
    place.run(line).exits(0);
    let trail = place.run("audit tail --json").out;
    assert!(trail.contains("[text of 8 bytes]") && !trail.contains("zanzibar"), "{trail}");
    place.change("policies/github-issues.cedar", "\"redacted\"", "\"whole\"");
    place.run(line).exits(0);
    assert!(place.run("audit tail --json").out.contains("zanzibar"));
    // The one that keeps least wins.
    place.change(
        "policies/github-issues.cedar",
        "@id(\"github-issues-call\")",
        "@id(\"github-issues-call\") @audit(\"digest\")",
    );
    place.run(line).exits(0);
    assert!(!place.run("audit tail --json -n 2").out.contains("zanzibar"));
}

#[test]
fn a_result_is_projected_to_the_fields_that_every_policy_keeps() {
    let place = Place::with(&["github-issues"]);
    let line = "call list_issues owner=acme repo=site --json";
    let whole = place.run(line).exits(0).json();
    let first = &whole["result"]["issues"][0];
    assert!(first["title"].is_string() && first["number"].is_u64(), "{whole}");
    let head = "@id(\"github-issues-read\")";
    place.change(
        "policies/github-issues.cedar",
        head,
        &format!("{head} @project(\"/issues/*/title /issues/*/number\")"),
    );
    let kept = place.run(line).exits(0).json();
    let names = |value: &Value| {
        value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&kept["result"]["issues"][0]), ["number", "title"].map(str::to_owned).into());
    place.change(
        "policies/github-issues.cedar",
        "@id(\"github-issues-call\")",
        "@id(\"github-issues-call\") @project(\"/issues/*/title\")",
    );
    let less = place.run(line).exits(0).json();
    assert_eq!(names(&less["result"]["issues"][0]), ["title".to_owned()].into());
}
