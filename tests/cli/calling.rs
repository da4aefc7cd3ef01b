//! `call`: one call, and every way in which it can end.
use std::time::Instant;

use serde_json::json;

use super::{
    place::{Place, TOKEN},
    upstream::PATIENCE,
};

#[test]
fn a_call_reaches_the_upstream_with_the_credential_and_prints_the_result_only() {
    let place = Place::with(&["github-issues"]);
    let ran = place.run("call open_issue owner=acme repo=site title='Broken link'").exits(0);
    assert_eq!(ran.err, "");
    assert_eq!(ran.json()["title"], "Broken link");
    let seen = place.upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/repos/acme/site/issues");
    assert_eq!(seen[0].authorization, format!("Bearer {TOKEN}"));
    let data = place.run("call open_issue owner=acme repo=site title=x --json").exits(0);
    assert_eq!(data.json()["result"]["number"], 2);
    assert_eq!(data.out.lines().count(), 1);
}

/// D-24.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let place = Place::with(&["github-issues"]);
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let variables = names.map(|name| (name, url.as_str()));
    let line = "call open_issue owner=acme repo=site title=x";
    place.run_in(&variables, line, "").exits(0);
    assert_eq!(place.upstream.seen().len(), 1);
    assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn words_are_read_as_the_schema_types_them() {
    let place = Place::without_secrets(&["teller"]);
    let said = place.run("call say text=17 number=17 flag=true list='[\"a\",\"b=c\"]'").exits(0);
    let expected = json!({ "text": "17", "number": 17, "flag": true, "list": ["a", "b=c"] });
    assert_eq!(said.json(), expected);
    let text = place.run("call say text='{\"a\":1}=x'").exits(0);
    assert_eq!(text.json()["text"], "{\"a\":1}=x");
}

#[test]
fn arguments_come_as_json_or_from_standard_input() {
    let place = Place::without_secrets(&["teller"]);
    let given = place.run(r#"call say --args-json '{"text":"a","number":-3}'"#).exits(0);
    assert_eq!(given.json()["number"], -3);
    let read = place.run_with("call say --args-json -", r#"{"text": "from a pipe"}"#).exits(0);
    assert_eq!(read.json()["text"], "from a pipe");
    let error = place.run_with("call say --args-json - --json", "").exits(2).error();
    assert_eq!(error["code"], "usage");
}

#[test]
fn a_call_that_no_policy_permits_ends_with_4() {
    let place = Place::with(&["github-issues"]);
    let refused = place.run("call open_issue owner=evil repo=site title=x --json").exits(4);
    assert_eq!(refused.error()["code"], "not-granted");
    assert!(place.upstream.seen().is_empty());
    place.change("toolward.toml", "\"assistant\", \"triage\"", "\"intern\"");
    let forbidden = place.run("call list_issues owner=acme repo=site --json").exits(4);
    assert_eq!(forbidden.error()["code"], "forbidden");
    assert_eq!(forbidden.error()["message"], "no policy permits this call");
}

#[test]
fn a_tool_that_fails_ends_with_8_and_says_why_in_its_own_words() {
    let place = Place::without_secrets(&["teller"]);
    let failed = place.run("call refuse").exits(8);
    assert_eq!(failed.err, "error: the tool failed: not today\n");
    let error = place.run("call refuse --json").exits(8).error();
    assert_eq!(error["code"], "no-luck");
}

#[test]
fn an_upstream_that_answers_with_an_error_is_a_tool_that_fails() {
    let place = Place::with(&["github-issues"]);
    place.run("call read_issue owner=acme repo=site number=1").exits(0);
    let missing = place.run("call read_issue owner=acme repo=site number=2").exits(8);
    assert!(missing.err.contains("404"), "{}", missing.told());
}

#[test]
fn an_answer_that_holds_the_credential_is_withheld() {
    let place = Place::with(&["hostile"]);
    let withheld = place.run("call fetch_debug_page page=echo --json").exits(8);
    let error: serde_json::Value =
        serde_json::from_str(withheld.err.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "withheld");
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {TOKEN}"));
}

#[test]
fn a_tool_that_crashes_ends_with_9_and_its_panic_stays_inside() {
    let place = Place::without_secrets(&["teller"]);
    let crashed = place.run("call crash --json").exits(9);
    assert_eq!(crashed.error()["code"], "tool-crashed");
    let told = place.run("-vv call crash").exits(9);
    assert!(told.err.ends_with("error: the tool crashed\n"), "{}", told.told());
}

#[test]
fn a_tool_that_loops_ends_with_124() {
    let place = Place::with(&["hostile"]);
    let began = Instant::now();
    let over = place.run("call spin --json").exits(124);
    assert_eq!(over.error()["code"], "time-over");
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn an_interrupt_ends_a_call_and_its_request_with_130() {
    let place = Place::with(&["hostile"]);
    let line = "call fetch_debug_page page=slow";
    let child = place.start(line);
    place.upstream.slow_began();
    Place::interrupt(&child);
    let interrupted = place.ran(line, child.wait_with_output().unwrap()).exits(130);
    place.upstream.slow_ended();
    assert_eq!(interrupted.err, "error: the caller cancelled the call\n");
    assert!(place.run("audit tail -n 1").out.contains("cancelled"));
}

#[test]
fn a_caller_who_is_nobody_ends_with_4_and_one_in_production_with_3() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=a").exits(0);
    place.change("toolward.toml", "\"development\"", "\"production\"");
    let production = place.fails_and_writes_nothing("call say text=a").exits(3);
    assert!(production.err.contains("TOOLWARD_TOKEN_FILE"), "{}", production.told());
    place.change(
        "toolward.toml",
        "[caller]\nid = \"agent-7\"\nroles = [\"assistant\", \"triage\"]",
        "",
    );
    let nobody = place.fails_and_writes_nothing("call say text=a --json").exits(4);
    assert_eq!(nobody.error()["code"], "unauthenticated");
    place.write("token", "not.a.token");
    let token = place.path("token");
    let variables = [("TOOLWARD_TOKEN_FILE", token.to_str().unwrap())];
    let forged = place.run_in(&variables, "call say text=a --json", "").exits(4);
    assert_eq!(forged.error()["code"], "unauthenticated");
    assert!(!forged.err.contains("not.a.token"), "{}", forged.told());
}
