//! Responses that held a credential: whose it was, and what happens after the third.
use serde_json::Value;

use super::place::{KEY, Place, TOKEN};

const ECHO: &str = "call fetch_debug_page page=echo --json";

/// What the last closed entry says of the response that was kept back.
fn withheld(place: &Place) -> Value {
    let trail = place.run("audit tail --json").exits(0).out;
    let records = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let closed = records.rev().find(|one| one["record"]["record"] == "closed").unwrap();
    closed["record"]["notes"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn the_third_response_with_a_credential_suspends_and_an_operator_lifts_it() {
    let place = Place::with(&["hostile"]);
    let digest = place.run("tool show fetch_debug_page --json").json()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("use {digest} github:debug:read");
    for _ in 0..2 {
        assert_eq!(place.run(ECHO).exits(8).error()["code"], "withheld");
    }
    assert!(place.run("kill list").exits(0).out.trim().is_empty(), "two do not");
    assert_eq!(place.run(ECHO).exits(4).error()["code"], "halted");
    assert_eq!(place.upstream.seen().len(), 3);

    let listed = place.run("kill list").exits(0).out;
    assert!(listed.starts_with(&format!("{target} by toolward since ")), "{listed}");
    assert!(listed.ends_with(": three responses held a credential\n"), "{listed}");
    let refused = place.run("call fetch_debug_page page=echo").exits(4);
    assert!(
        refused.err.contains(&format!("the kill switch `{target}` is on")),
        "{}",
        refused.told()
    );
    assert_eq!(place.upstream.seen().len(), 3, "nothing leaves");

    let off = place.run(&format!("kill off {target} --reason 'the page is gone'")).exits(0);
    assert_eq!(off.out, format!("off: {target}\n"));
    assert_eq!(place.run(ECHO).exits(8).error()["code"], "withheld");
    let trail = place.run("audit tail").exits(0).out;
    assert!(trail.contains(&format!("kill-on by toolward: {target}")), "{trail}");
    assert!(trail.contains(&format!("kill-off by ana: {target}")), "{trail}");
}

#[test]
fn an_operator_can_suspend_a_use_by_hand_and_is_told_how_it_is_written() {
    let place = Place::with(&["github-issues"]);
    let call = "call list_issues owner=acme repo=site";
    let digest =
        place.run("tool show list_issues --json").json()["digest"].as_str().unwrap().to_owned();
    place.run(&format!("kill on use {digest} github:issues:write --reason x")).exits(0);
    place.run(call).exits(0);
    place.run(&format!("kill on use {digest} github:issues:read --reason x")).exits(0);
    place.run(call).exits(4);
    let wrong = place.run("kill on use github:issues:read --reason x").exits(2);
    assert!(wrong.err.contains("`use` with a digest and a capability"), "{}", wrong.told());
}

#[test]
fn the_fingerprint_in_the_trail_is_the_one_of_the_secret() {
    let place = Place::with(&["hostile"]);
    place.run(ECHO).exits(8);
    let note = withheld(&place);
    assert_eq!((&note["note"], &note["credential"]), (&"withheld".into(), &"github".into()));
    let told = place.run("secret fingerprint github-token").exits(0).out;
    assert_eq!(told.trim(), note["fingerprint"].as_str().unwrap());
    let other = place.run("secret fingerprint payments-key --json").exits(0).json();
    assert_ne!(other["fingerprints"][0], note["fingerprint"]);
    place.run("secret fingerprint nobody").exits(10);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.path("data/fingerprint.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    for value in [TOKEN, KEY] {
        assert!(!told.contains(value.get(4..12).unwrap()));
    }
}
