//! `token revoke`, `token denied`, `token allow` and `api-key`: what is taken back, from the command line.
use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::place::{Place, Ran};

const CALL: &str = "call list_issues owner=acme repo=site";
const ISSUER: &str = "urn:toolward:development";

fn with(place: &Place, file: &str, line: &str) -> Ran {
    place.run_in(&[("TOOLWARD_TOKEN_FILE", place.path(file).to_str().unwrap())], line, "")
}

fn minted(place: &Place, id: &str, file: &str) {
    place
        .run(&format!("token mint --id {id} --role assistant --acts-for ana --out {file}"))
        .exits(0);
}

fn refused(place: &Place, file: &str) {
    let error = with(place, file, &format!("{CALL} --json")).exits(4).error();
    assert_eq!(error["code"], "unauthenticated", "{error}");
    assert!(error["message"].as_str().unwrap().contains("revoked"), "{error}");
}

/// E-17.
#[test]
fn a_revoked_token_opens_nothing_until_it_is_allowed_again() {
    let place = Place::with(&["github-issues"]);
    minted(&place, "agent-7", "one.token");
    minted(&place, "agent-7", "two.token");
    with(&place, "one.token", CALL).exits(0);
    let told = place.run("token revoke one.token --reason 'it was lost'").exits(0);
    assert!(told.out.starts_with("revoked: token "), "{}", told.told());
    refused(&place, "one.token");
    with(&place, "two.token", CALL).exits(0);
    let seen = place.upstream.seen().len();
    let denied = place.run("token denied --json").exits(0).json();
    let denial = &denied["denied"][0];
    assert_eq!(
        (&denial["denied"], &denial["by"], &denial["reason"]),
        (&json!("token"), &json!("ana"), &json!("it was lost"))
    );
    assert!(denial["expires_at"].is_string(), "it is forgotten once the token has ended: {denial}");
    let inspected = place.run("token inspect one.token --json").exits(0).json();
    assert_eq!(inspected["denied"]["reason"], "it was lost");
    assert_eq!(inspected["proven_by"][0]["issuer"], ISSUER);
    place.run("token allow one.token --reason 'it was found'").exits(0);
    with(&place, "one.token", CALL).exits(0);
    assert_eq!(place.upstream.seen().len(), seen + 1);
    place.run("token allow one.token --reason again").exits(10);
    let trail = place.run("audit tail --json").exits(0).out;
    assert!(trail.contains("token-deny") && trail.contains("token-allow"), "{trail}");
    let token = place.read("one.token");
    assert!(!trail.contains(token.trim().rsplit('.').next().unwrap()));
}

#[test]
fn a_subject_and_an_issuer_are_revoked_by_name() {
    let place = Place::with(&["github-issues"]);
    minted(&place, "agent-7", "one.token");
    minted(&place, "agent-8", "other.token");
    for name in ["agent-7", "ana"] {
        // Nothing was issued before that.
        place
            .run(&format!(
                "token revoke --subject {name} --before 2020-01-01T00:00:00Z --reason old"
            ))
            .exits(0);
        with(&place, "one.token", CALL).exits(0);
        let line = format!(
            "token revoke --subject {name} --issuer {ISSUER} --before 2999-01-01T00:00:00Z --reason lost"
        );
        place.run(&line).exits(0);
        refused(&place, "one.token");
        if name == "agent-7" {
            with(&place, "other.token", CALL).exits(0);
        }
        place
            .run(&format!("token allow --subject {name} --issuer {ISSUER} --reason found"))
            .exits(0);
    }
    with(&place, "one.token", CALL).exits(0);
    place.run(&format!("token revoke --issuer {ISSUER} --reason 'broken into'")).exits(0);
    refused(&place, "one.token");
    refused(&place, "other.token");
    // Who the configuration names was issued by nobody.
    place.run(CALL).exits(0);
}

#[test]
fn what_names_nothing_is_told_and_writes_nothing() {
    let place = Place::without_secrets(&[]);
    for line in [
        "token revoke --reason x",
        "token revoke --id 1 --reason x",
        "token revoke --subject robo --tree --reason x",
        "token revoke --issuer a --before 2026-01-01T00:00:00Z --reason x",
        "token revoke one.token --subject robo --reason x",
    ] {
        assert_eq!(place.fails_and_writes_nothing(line).exit, 2, "{line}");
    }
    place.write("made-up.token", "a.b.c");
    place.run("token revoke made-up.token --reason x").exits(4);
    assert_eq!(place.run("token denied").exits(0).err, "nothing is revoked\n");
}

/// E-17, while it runs.
#[test]
fn a_running_call_ends_when_its_token_is_revoked() {
    let place = Place::with(&["hostile"]);
    place.run("token mint --id agent-7 --role assistant --role triage --out one.token").exits(0);
    let line = "call fetch_debug_page page=slow";
    let file = place.path("one.token");
    let child = place.start_in(&[("TOOLWARD_TOKEN_FILE", file.to_str().unwrap())], line);
    place.upstream.slow_began();
    place.run("token revoke one.token --reason 'it was lost'").exits(0);
    let ended = place.ran(line, child.wait_with_output().unwrap()).exits(4);
    place.upstream.slow_ended();
    assert!(ended.err.contains("the caller's token was revoked"), "{}", ended.told());
}

#[test]
fn a_key_is_shown_once_and_opens_what_it_was_made_for_until_it_is_revoked() {
    let place = Place::with(&["github-issues"]);
    let create = "api-key create --id build --role assistant --for 24h";
    let told = place.run(&format!("{create} --out build.key")).exits(0);
    assert!(told.err.contains("not taken yet"), "{}", told.told());
    let listed = place.run("api-key list --json").exits(0).json();
    let id = listed["api_keys"][0]["id"].as_str().unwrap().to_owned();
    assert!(told.out.contains(&id), "{}", told.told());
    let mode = fs::metadata(place.path("build.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let unwanted = with(&place, "build.key", CALL).exits(4);
    assert!(unwanted.err.contains("api_keys = true"), "{}", unwanted.told());
    place.change("toolward.toml", "[caller]", "[authentication]\napi_keys = true\n\n[caller]");
    with(&place, "build.key", CALL).exits(0);
    let listed = place.run("api-key list").exits(0);
    assert!(
        listed.out.starts_with(&format!("{id} for build (assistant), by ana, until ")),
        "{}",
        listed.told()
    );
    let key = place.read("build.key");
    let secret = key.trim().rsplit('_').next().unwrap();
    let trail = place.run("audit tail --json").exits(0).out;
    assert!(trail.contains("api-key-create") && !trail.contains(secret));
    let holds = |bytes: &[u8]| bytes.windows(64).any(|part| part == &secret.as_bytes()[..64]);
    assert_eq!(place.tree().into_iter().filter(|(_, bytes)| holds(bytes)).count(), 1);
    place.run(&format!("api-key revoke {id} --reason 'it leaked'")).exits(0);
    refused(&place, "build.key");
    place.run(&format!("api-key revoke {id} --reason again")).exits(10);
    assert!(place.run("api-key list").exits(0).out.contains("revoked "));
    place.run("api-key create --id build --for 9000h").exits(2);
}
