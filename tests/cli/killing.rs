//! `kill`: switches that stop what runs and keep it stopped.
use std::{
    io::{BufRead as _, BufReader},
    process::ChildStdout,
};

use serde_json::{Value, json};

use super::place::{Place, command, program};

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
        let off = place.run(&format!("kill off {target} --yes --reason 'it is closed'")).exits(0);
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
    place.run("kill on tool say --reason 'too loud' --for 30m --anyway").exits(0);
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

/// H-21: what stops nothing is not taken for a switch, and what is near it is named.
#[test]
fn a_switch_that_names_nothing_of_this_host_is_refused_unless_it_is_wanted_anyway() {
    let place = Place::with(&["github-issues"]);
    for (target, near) in [
        ("tool list_isues", "`list_issues` is near it"),
        ("tool .*", "nothing was stopped"),
        ("tool list_*", "nothing was stopped"),
        ("tool LIST_ISSUES", "nothing was stopped"),
        ("digest sha256:00", "nothing was stopped"),
        ("capability github:issues:reed", "`github:issues:read` is near it"),
        ("provider githug", "`github` is near it"),
        ("credential gitub", "`github` is near it"),
    ] {
        let refused = place.run(&format!("kill on {target} --reason x")).exits(10);
        assert!(refused.err.contains(near), "{}", refused.told());
    }
    assert_eq!(place.run("kill list --json").exits(0).json()["switches"], json!([]));
    place.run(CALL).exits(0);
    // One that is thrown ahead of what it is for.
    place.run("kill on tool list_isues --reason x --anyway").exits(0);
    place.run(CALL).exits(0);
    for (target, stopped) in [
        ("tool list_issues", "1 of 4"),
        ("tool github-issues", "4 of 4"),
        ("capability github:issues:write", "2 of 4"),
        ("provider github", "4 of 4"),
        ("credential github", "4 of 4"),
        ("everything", "4 of 4"),
    ] {
        let on = place.run(&format!("kill on {target} --reason x")).exits(0);
        assert!(on.err.contains(&format!("that it stops: {stopped}")), "{}", on.told());
    }
    // A host whose configuration is broken is stopped all the same.
    place.change("toolward.toml", "path = \"tools/", "path = \"lost/");
    let on = place.run("kill on provider githug --reason x").exits(0);
    assert!(on.err.contains("not known"), "{}", on.told());
}

#[test]
fn who_watches_sees_what_is_on_and_each_change() {
    let place = Place::without_secrets(&["teller"]);
    place.run("kill on tool say --reason 'too loud'").exits(0);
    let mut text = place.start("kill watch");
    let mut lines = place.start("kill watch --json");
    let mut read = BufReader::new(text.stdout.take().unwrap());
    let mut read_json = BufReader::new(lines.stdout.take().unwrap());
    assert!(line(&mut read).starts_with("on: tool say by ana since "));
    assert_eq!(value(&mut read_json)["on"]["reason"], "too loud");
    place.run("kill on principal zoe --reason 'she left' --for 1h").exits(0);
    let seen = line(&mut read);
    assert!(seen.starts_with("on: principal zoe by ana") && seen.contains(" until "), "{seen}");
    assert_eq!(value(&mut read_json)["on"]["target"], "principal zoe");
    place.run("kill off tool say --reason 'it learned'").exits(0);
    assert_eq!(line(&mut read), "off: tool say\n");
    assert_eq!(value(&mut read_json), json!({ "off": { "target": "tool say", "expired": false } }));
    // Only what another program would write ends so soon.
    place.sql("UPDATE switches SET expires_at = 1");
    assert!(line(&mut read).starts_with("off: principal zoe"));
    assert_eq!(value(&mut read_json)["off"]["target"], "principal zoe");
    for mut child in [text, lines] {
        Place::interrupt(&child);
        assert!(child.wait().unwrap().success());
    }
}

fn line(read: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    read.read_line(&mut line).unwrap();
    line
}

fn value(read: &mut BufReader<ChildStdout>) -> Value {
    serde_json::from_str(&line(read)).unwrap()
}

/// H-07 for credentials: the end that its owner wrote down.
#[test]
fn a_credential_that_has_ended_starts_no_call_that_may_use_it() {
    let place = Place::with(&["github-issues"]);
    let ends = |end: &str| format!("secret = \"github-token\"\nexpires = {end}");
    place.change("toolward.toml", "secret = \"github-token\"", &ends("2020-01-31T00:00:00Z"));
    let refused = place.run(&format!("{CALL} --json")).exits(4);
    assert!(refused.err.contains("\"credential-ended\""), "{}", refused.told());
    assert!(refused.err.contains("put in a new one"), "{}", refused.told());
    assert!(place.upstream.seen().is_empty());
    let listed = place.run("credential list").exits(0);
    assert!(listed.out.contains("until 2020-01-31T00:00:00Z"), "{}", listed.told());
    place.change("toolward.toml", "2020-01-31", "2999-01-31");
    place.run(CALL).exits(0);
    place.change("toolward.toml", "2999-01-31T00:00:00Z", "2999-01-31");
    assert!(place.run(CALL).exits(3).err.contains("a moment with its offset"));
}

/// H-05, H-20: one that ends before it begins would be a switch that is off.
#[test]
fn a_switch_for_a_time_that_is_over_is_refused_and_nothing_is_thrown() {
    let place = Place::with(&["github-issues"]);
    for time in ["--for=-1h", "--for -1h", "--for 0s", "--for soon"] {
        let refused = place.run(&format!("kill on everything --reason x {time}")).exits(2);
        assert!(refused.out.is_empty(), "{}", refused.told());
    }
    assert_eq!(place.run("kill list --json").exits(0).json()["switches"], json!([]));
    place.run(CALL).exits(0);
    place.run("kill on everything --reason x --for=1h").exits(0);
    place.run(CALL).exits(4);
}

/// H-20: a script that stops everything is not held up, one that starts everything again has to say so.
#[test]
fn without_a_terminal_everything_stops_at_once_and_runs_again_only_where_it_is_meant() {
    let place = Place::with(&["github-issues"]);
    place.run("kill on everything --reason 'a leak'").exits(0);
    let unsaid = place.run("kill off everything --reason closed").exits(2);
    assert!(unsaid.err.contains("add `--yes`"), "{}", unsaid.told());
    place.run(CALL).exits(4);
    place.run("kill off everything --reason closed --yes").exits(0);
    place.run(CALL).exits(0);
    // Another switch asks nothing.
    place.run("kill on provider github --reason x").exits(0);
    place.run("kill off provider github --reason x").exits(0);
}

/// Runs a command with a terminal of its own, where `answer` is written once something is asked.
const TERMINAL: &str = r#"
import os, pty, sys
answer, command = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
told = b""
try:
    while part := os.read(terminal, 4096):
        told += part
        if b"to go on: " in told and answer:
            os.write(terminal, answer.encode() + b"\n")
            answer = ""
except OSError:
    pass
sys.stdout.buffer.write(told)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[test]
fn on_a_terminal_both_ask_again_unless_it_is_said() {
    let place = Place::with(&["github-issues"]);
    let config = place.path("toolward.toml");
    let at_terminal = |answer: &str, line: &str| {
        let words = line.split(' ');
        let mut command = command("python3");
        command.args(["-c", TERMINAL, answer]).arg(program()).arg("--config").arg(&config);
        command.args(words).env("HOME", place.path("")).current_dir(place.path(""));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (exit, told) = at_terminal("no", "kill on everything --reason x");
    assert!(exit == 4 && told.contains("This stops every call of every tool"), "{exit} {told}");
    place.run(CALL).exits(0);
    assert_eq!(at_terminal("everything", "kill on everything --reason x").0, 0);
    place.run(CALL).exits(4);
    let (exit, told) = at_terminal("yes", "kill off everything --reason x");
    assert!(exit == 4 && told.contains("lets every tool run again"), "{exit} {told}");
    place.run(CALL).exits(4);
    assert_eq!(at_terminal("", "kill off everything --reason x --yes").0, 0);
    assert_eq!(at_terminal("", "kill on everything --reason x --yes").0, 0);
    place.run(CALL).exits(4);
}
