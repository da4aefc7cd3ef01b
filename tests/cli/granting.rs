//! `secret grant`, `revoke` and `grants`: a credential of somebody, lent for a time.
use serde_json::json;

use super::place::Place;

const CALL: &str = "call list_issues owner=acme repo=site";

/// With the token for the repositories in the hands of `owners`; who sits at the command line is `ana`.
fn place(owners: &str) -> Place {
    let place = Place::with(&["github-issues"]);
    let configuration = place.read("toolward.toml");
    let head = "[credential.github]\n";
    assert!(configuration.contains(head), "{configuration}");
    place.write(
        "toolward.toml",
        &configuration.replacen(head, &format!("{head}owners = {owners}\n"), 1),
    );
    place
}

#[test]
fn a_call_needs_a_grant_of_an_owner_until_it_is_taken_back() {
    let place = place("[\"principal:ana\"]");
    let refused = place.run(&format!("{CALL} --json")).exits(4).error();
    assert_eq!(refused["code"], "not-yours", "{refused}");
    let text = refused["message"].as_str().unwrap_or_default().to_owned();
    assert!(refused.to_string().contains("credential `github`"), "{text}");
    let why = place.run("policy explain list_issues owner=acme repo=site").exits(0).out;
    assert!(why.contains("not-yours") && why.contains("toolward secret grant github"), "{why}");
    let granted = place
        .run("secret grant github --to principal:agent-7 --for 1h --reason 'the spring cleaning'")
        .exits(0);
    assert!(
        granted.out.starts_with("granted github to principal:agent-7 until "),
        "{}",
        granted.out
    );
    place.run(CALL).exits(0);
    let why = place.run("policy explain list_issues owner=acme repo=site").exits(0).out;
    assert!(why.starts_with("allow"), "{why}");
    let grants = place.run("secret grants --json").exits(0).json();
    let grant = &grants["grants"][0];
    assert_eq!((&grant["to"], &grant["by"]), (&json!("principal:agent-7"), &json!("ana")));
    let listed = place.run("credential list").exits(0).out;
    assert!(listed.contains("only for principal:ana"), "{listed}");
    assert!(listed.contains("granted github to principal:agent-7 until "), "{listed}");
    let checked = place.run("check tools/github-issues.wasm").exits(0).out;
    assert!(checked.contains("which only principal:ana may use"), "{checked}");
    place.run("secret revoke github --to principal:agent-7").exits(0);
    place.run(CALL).exits(4);
    place.run("secret revoke github --to principal:agent-7").exits(10);
    assert_eq!(place.upstream.seen().len(), 1);
    let trail = place.run("audit tail").exits(0).out;
    assert!(
        trail.contains("credential-grant by ana: github to principal:agent-7 until "),
        "{trail}"
    );
    assert!(trail.contains("credential-revoke by ana: github to principal:agent-7"), "{trail}");
}

#[test]
fn only_an_owner_grants_and_only_what_is_owned() {
    let others = place("[\"principal:ben\", \"role:vault\"]");
    // The one who put it in is an owner whatever else is written.
    others.change("toolward.toml", "owner = \"ana\"", "owner = \"ben\"");
    let line = "secret grant github --to principal:agent-7 --for 1h";
    let refused = others.run(line).exits(4);
    assert!(refused.err.contains("principal:ben, role:vault"), "{}", refused.told());
    assert!(others.run("secret grants").exits(0).out.trim().is_empty());
    let open = Place::with(&["github-issues"]);
    let none = open.run(line).exits(2);
    assert!(none.err.contains("has no `owners`"), "{}", none.told());
    open.run(CALL).exits(0);
    open.run("secret grant gitlab --to role:x --for 1h").exits(10);
    for wrong in ["--to agent-7 --for 1h", "--to role:x --for -1h", "--to role:x", "--for 1h"] {
        open.run(&format!("secret grant github {wrong}")).exits(2);
    }
}

#[test]
fn owners_that_are_nobody_stop_the_start() {
    for owners in ["[\"ana\"]", "[\"tool:list_issues\"]", "\"principal:ana\"", "[\"role:\"]"] {
        let said = place(owners).fails_and_writes_nothing(CALL).err;
        assert!(said.contains("`owners`") && said.contains("toolward.toml:"), "{owners}: {said}");
    }
}
