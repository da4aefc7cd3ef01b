//! How far limits are used up, for the one who is held to them and for those who run the host.
use serde_json::{Value, json};

use super::{server::Server, wire::Request};
use crate::cli::Place;

fn place() -> Place {
    let place = Place::with(&["github-issues"]);
    let limits = "@rate(\"50/hour\") @budget(\"requests:60/month of github by principal, requests:70/month of github by tool\")";
    let policy = format!(
        "\n@id(\"limited\") {limits}\npermit(principal, action == Action::\"call\", resource in Component::\"github-issues\");\n"
    );
    place.write(
        "policies/github-issues.cedar",
        &(place.read("policies/github-issues.cedar") + &policy),
    );
    place
}

fn call(tool: &str, arguments: Value) -> Request {
    Request::post("/v1/calls", &json!({ "tool": tool, "arguments": arguments }))
}

fn limits(told: &Value) -> Vec<Value> {
    told["budgets"].as_array().unwrap_or_else(|| panic!("{told}")).clone()
}

/// Each page with as few as there are, joined.
fn paged(ask: impl Fn(&str) -> Value) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(&format!("/v1/budgets?most=1{after}"));
        all.extend(limits(&page));
        let Some(next) = page["next"].as_str() else { return all };
        after = format!("&after={}", next.replace(' ', "%20"));
    }
}

#[test]
fn a_caller_sees_its_own_limits_and_those_who_run_the_host_see_all_of_them() {
    let server = Server::at(place(), "");
    let other = server.mint("--id agent-8 --role assistant");
    let list = || call("list_issues", json!({ "owner": "acme", "repo": "site" }));
    let open =
        call("open_issue", json!({ "owner": "acme", "repo": "site", "title": "Broken link" }));
    assert_eq!(server.ask(list()).status, 200);
    assert_eq!(server.ask(open).status, 200);
    assert_eq!(list().token(&other).send(server.agents).status, 200);

    // What counts the calls of others, too, is not told to one of them.
    let own = limits(&server.ask(Request::get("/v1/budgets")).json());
    let told = |all: &[Value], key: &str| -> Vec<String> {
        all.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert!(told(&own, "principal").iter().all(|one| one == "agent-7"), "{own:?}");
    let by_tool = "requests:70/month of github by tool";
    assert!(!told(&own, "limit").iter().any(|one| one == by_tool), "{own:?}");
    let rate = own.iter().find(|one| one["tool"] == "list_issues" && one["unit"] == "calls");
    let rate = rate.unwrap();
    assert_eq!((&rate["used"], &rate["left"]), (&json!(1), &json!(49)));
    let requests = own.iter().find(|one| one["unit"] == "requests").unwrap();
    assert_eq!((&requests["used"], &requests["left"]), (&json!(2), &json!(58)), "{own:?}");
    assert_eq!(paged(|target| server.ask(Request::get(target)).json()), own);
    let of_one = server.ask(Request::get("/v1/budgets?tool=open_issue")).json();
    assert!(told(&limits(&of_one), "tool").iter().all(|tool| tool == "open_issue"), "{of_one}");
    let theirs = Request::get("/v1/budgets").token(&other).send(server.agents).json();
    assert!(told(&limits(&theirs), "principal").iter().all(|one| one == "agent-8"), "{theirs}");

    let all = limits(&server.administer(Request::get("/v1/budgets")).json());
    let shown = server.place.run("budget show --json").exits(0).json();
    assert_eq!(all, limits(&shown));
    assert!(told(&all, "limit").iter().any(|one| one == by_tool), "{all:?}");
    assert_eq!(paged(|target| server.administer(Request::get(target)).json()), all);
    let of_other = server.administer(Request::get("/v1/budgets?principal=agent-8")).json();
    let whose = told(&limits(&of_other), "principal");
    assert!(!whose.is_empty() && whose.iter().all(|one| one == "agent-8"), "{of_other}");
    server.end();
}

#[test]
fn what_is_no_question_about_limits_is_refused_and_so_is_one_about_others() {
    let server = Server::with(&["teller"]);
    for wrong in ["most=0", "most=101", "most=x", "tool=%2F", "after=%2F", "more=1"] {
        let request = || Request::get(&format!("/v1/budgets?{wrong}"));
        assert_eq!(server.ask(request()).status, 400, "{wrong}");
        assert_eq!(server.administer(request()).status, 400, "{wrong}");
    }
    let long = Request::get(&format!("/v1/budgets?principal={}", "x".repeat(257)));
    assert_eq!(server.administer(long).status, 400);
    let others = || Request::get("/v1/budgets?principal=agent-8");
    assert_eq!(server.ask(others()).status, 400);
    assert_eq!(server.administer(others()).status, 200);
    let cook = server.mint("--id cleo --kind user --role cook --administration");
    let refused = others().token(&cook).send(server.people);
    assert_eq!((refused.status, refused.problem().as_str()), (403, "no-role"));
    server.end();
}
