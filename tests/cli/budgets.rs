//! `budget show`: what is used, set aside and left, and when it comes back.
use serde_json::json;

use super::place::Place;

const CALL: &str = "call list_issues owner=acme repo=site";

fn place(annotation: &str) -> Place {
    let place = Place::with(&["github-issues"]);
    let policy = format!(
        "\n@id(\"limited\") {annotation}\npermit(principal, action == Action::\"call\", resource == Tool::\"list_issues\");\n"
    );
    let policies = place.read("policies/github-issues.cedar") + &policy;
    place.write("policies/github-issues.cedar", &policies);
    place
}

#[test]
fn what_is_used_and_left_is_shown_by_principal_and_tool() {
    let place = place(
        "@rate(\"2/hour\") @budget(\"requests:5/month of github by principal, bytes:99999999/total\")",
    );
    let none = place.run("budget show").exits(0);
    assert!(none.out.trim().is_empty(), "{}", none.told());
    assert!(none.err.contains("no call was held"), "{}", none.told());
    place.run(CALL).exits(0);
    let shown = place.run("budget show --json").exits(0).json();
    let all = shown["budgets"].as_array().unwrap();
    let of = |limit: &str| all.iter().find(|one| one["limit"] == limit).unwrap().clone();
    let rate = of("2/hour");
    let looks = |one: &serde_json::Value| {
        (one["unit"].clone(), one["used"].clone(), one["reserved"].clone(), one["left"].clone())
    };
    assert_eq!(looks(&rate), (json!("calls"), json!(1), json!(0), json!(1)));
    assert_eq!((&rate["principal"], &rate["tool"]), (&json!("agent-7"), &json!("list_issues")));
    assert!(rate["resets_at"].is_string() && rate["frees_at"].is_string(), "{rate}");
    let requests = of("requests:5/month of github by principal");
    assert_eq!(looks(&requests), (json!("requests"), json!(1), json!(0), json!(4)));
    let bytes = of("bytes:99999999/total");
    assert!(bytes["used"].as_u64().unwrap() > 0 && bytes["resets_at"].is_null(), "{bytes}");
    place.run(CALL).exits(0);
    assert_eq!(place.run(&format!("{CALL} --json")).exits(4).error()["code"], "over-rate");
    let text = place.run("budget show --principal agent-7 --tool list_issues").exits(0).out;
    assert!(text.starts_with("agent-7 with list_issues\n"), "{text}");
    assert!(text.contains("  2/hour: 2 calls used, 0 calls left; "), "{text}");
    assert!(text.contains("it does not come back"), "{text}");
    let other = place.run("budget show --principal ben").exits(0);
    assert!(other.out.trim().is_empty(), "{}", other.told());
}

/// H-05.
#[test]
fn a_budget_that_says_nothing_stops_the_start_with_its_place_and_what_to_write() {
    for annotation in ["@budget(\"usd:1\")", "@budget(\"usd:1/day of\")", "@rate(\"1/week\")"] {
        let said = place(annotation).fails_and_writes_nothing(CALL).err;
        assert!(said.contains("github-issues.cedar:") && said.contains("write "), "{said}");
    }
}
