//! `kill`: switches that stop what runs and keep it stopped.
use serde_json::json;

use super::place::Place;

const CALL: &str = "call list_issues owner=acme repo=site";

#[test]
fn each_kind_of_switch_refuses_a_call_until_it_is_lifted() {
    let place = Place::with(&["github-issues"]);
    let digest =
        place.run("tool show list_issues --json").json()["digest"].as_str().unwrap().to_owned();
    let targets = [
        "everything",
        "tool list_issues",
        &format!("digest {digest}"),
        "capability github:issues:read",
        "provider github",
        "credential github",
        "principal agent-7",
    ];
    for target in targets {
        let on = place.run(&format!("kill on {target} --reason 'a leak'")).exits(0);
        assert_eq!(on.out, format!("on: {target}\n"));
        let refused = place.run(&format!("{CALL} --json")).exits(4).error();
        assert_eq!(refused["code"], "halted", "{target}");
        let off = place.run(&format!("kill off {target} --reason 'it is closed'")).exits(0);
        assert_eq!(off.out, format!("off: {target}\n"));
    }
    assert!(place.upstream.seen().is_empty());
    place.run(CALL).exits(0);
    place.run("kill on tool open_issue --reason x").exits(0);
    place.run(CALL).exits(0);
    assert_eq!(place.upstream.seen().len(), 2, "another tool's switch is not this one's");
}

#[test]
fn a_switch_thrown_by_another_process_ends_a_running_call_and_its_request() {
    let place = Place::with(&["hostile"]);
    let line = "call fetch_debug_page page=slow";
    let child = place.start(line);
    place.upstream.slow_began();
    place.run("kill on provider github --reason 'a leak'").exits(0);
    let halted = place.ran(line, child.wait_with_output().unwrap()).exits(4);
    place.upstream.slow_ended();
    assert!(halted.err.contains("the kill switch `provider github` is on"), "{}", halted.told());
}

#[test]
fn switches_are_listed_and_recorded_with_who_and_why() {
    let place = Place::without_secrets(&[]);
    let none = place.run("kill list").exits(0);
    assert!(none.out.trim().is_empty() && none.err == "no switch is on\n");
    place.run("kill on tool say --reason 'too loud' --for 30m").exits(0);
    let listed = place.run("kill list --json").exits(0).json();
    let switch = &listed["switches"][0];
    assert_eq!((&switch["by"], &switch["reason"]), (&json!("ana"), &json!("too loud")));
    assert!(switch["expires_at"].is_string(), "{switch}");
    let text = place.run("kill list").exits(0);
    assert!(text.out.starts_with("tool say by ana since "), "{}", text.told());
    place.run("kill off tool say --reason 'it learned'").exits(0);
    let absent = place.run("kill off tool say --reason again --json").exits(10).error();
    assert_eq!(absent["code"], "not-found");
    let trail = place.run("audit tail").exits(0).out;
    assert!(trail.contains("kill-on by ana: tool say too loud"), "{trail}");
    assert!(trail.contains("kill-off by ana: tool say it learned"), "{trail}");
}
