//! `token`: tokens of the host's own, and who a call is made for with one.
use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::place::Place;

const CALL: &str = "call list_issues owner=acme repo=site";

#[test]
fn a_minted_token_is_a_callers_and_its_scope_narrows() {
    let place = Place::with(&["github-issues"]);
    let wide = "token mint --id agent-7 --role assistant --acts-for ana --out wide.token";
    let told = place.run(wide).exits(0);
    assert!(told.out.contains("TOOLWARD_TOKEN_FILE=wide.token"), "{}", told.told());
    let mode = fs::metadata(place.path("wide.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = place.read("wide.token");
    let with = |file: &str, line: &str| {
        place.run_in(&[("TOOLWARD_TOKEN_FILE", place.path(file).to_str().unwrap())], line, "")
    };
    with("wide.token", CALL).exits(0);
    let narrow =
        "token mint --id agent-7 --role assistant --scope github:issues:write --out narrow.token";
    place.run(narrow).exits(0);
    let refused = with("narrow.token", &format!("{CALL} --json")).exits(4).error();
    assert_eq!(refused["code"], "not-granted", "{refused}");
    let inspected = place.run("token inspect narrow.token --json").exits(0).json();
    assert_eq!(inspected["scope"], json!(["github:issues:write"]));
    assert_eq!(
        place.run("token inspect wide.token --json").exits(0).json()["acts_for"],
        json!(["ana"])
    );
    // It is nowhere but in its file.
    let signature = token.trim().rsplit('.').next().unwrap();
    let holds =
        |bytes: &[u8]| bytes.windows(signature.len()).any(|part| part == signature.as_bytes());
    let holders = place.tree().into_iter().filter(|(_, bytes)| holds(bytes)).count();
    assert_eq!(holders, 1);
    // Never over another file.
    place.run(wide).exits(1);
    assert_eq!(place.read("wide.token"), token);
}

#[test]
fn in_production_no_token_is_minted_and_none_of_an_earlier_day_is_taken() {
    let place = Place::without_secrets(&["github-issues"]);
    place.run("token mint --id agent-7 --for 25h").exits(2);
    place.run("token mint --id agent-7 --out agent.token").exits(0);
    place.run("token inspect agent.token").exits(0);
    place.change("toolward.toml", "environment = \"development\"", "environment = \"production\"");
    place.change(
        "toolward.toml",
        "[caller]\nid = \"agent-7\"\nroles = [\"assistant\", \"triage\"]\n",
        "",
    );
    let refused = place.run("token mint --id agent-7").exits(1);
    assert!(refused.err.contains("production"), "{}", refused.told());
    let refused = place.run("token inspect agent.token").exits(3);
    assert!(refused.err.contains("production"), "{}", refused.told());
}
