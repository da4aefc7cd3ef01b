//! What a switch does about credentials that were minted: they are dropped, and revoked where the provider can.
use axum::http::StatusCode;

use super::{
    elsewhere::{Elsewhere, MINTED},
    place::{Place, Ran, TOKEN},
};

/// A host whose token for the issues is minted elsewhere.
fn place(elsewhere: &Elsewhere, more: &str) -> Place {
    let place = Place::with(&["hostile"]);
    let minted = format!(
        "kind = \"oauth2-client-credentials\"\nstore = \"local\"\ntoken_endpoint = \"{}\"\n\
         allow_private = true\nclient_id = \"toolward\"\nclient_secret = \"github-token\"\n{more}",
        elsewhere.url("/token")
    );
    let stored = "kind = \"static-token\"\nstore = \"local\"\nsecret = \"github-token\"";
    place.change("toolward.toml", stored, &minted);
    place
}

fn revocation(elsewhere: &Elsewhere) -> String {
    format!("revocation_endpoint = \"{}\"", elsewhere.url("/revoke"))
}

/// A call that is killed while it waits for its answer, and the trail after it.
fn killed(place: &Place, target: &str) -> (Ran, String) {
    let line = "call fetch_debug_page page=slow";
    let child = place.start(line);
    place.upstream.slow_began();
    place.run(&format!("kill on {target} --reason 'a leak'")).exits(0);
    let halted = place.ran(line, child.wait_with_output().unwrap()).exits(4);
    place.upstream.slow_ended();
    let trail = place.run("audit tail").exits(0).told();
    place.run("audit verify").exits(0);
    assert!(!format!("{}{trail}", halted.told()).contains(MINTED));
    (halted, trail)
}

#[test]
fn the_token_of_a_killed_call_is_revoked_and_the_trail_says_so() {
    for target in ["everything", "provider github", "credential github"] {
        let elsewhere = Elsewhere::start();
        let place = place(&elsewhere, &revocation(&elsewhere));
        let (_, trail) = killed(&place, target);
        let [revoked] = elsewhere.seen("POST /revoke").try_into().unwrap();
        assert!(revoked.body.contains(&format!("token={MINTED}")), "{}", revoked.body);
        assert!(!revoked.body.contains(TOKEN) && revoked.signature.is_some());
        let said = format!(
            "credential-revoked by toolward: credential github the kill switch `{target}` is on"
        );
        assert!(trail.contains(&said), "{trail}");
    }
}

#[test]
fn a_switch_for_one_of_those_who_use_a_token_leaves_it_to_the_others() {
    let elsewhere = Elsewhere::start();
    let place = place(&elsewhere, &revocation(&elsewhere));
    let (_, trail) = killed(&place, "tool fetch_debug_page");
    assert!(elsewhere.seen("POST /revoke").is_empty() && !trail.contains("credential-"), "{trail}");
}

#[test]
fn a_token_that_is_not_revoked_is_on_record_and_the_call_has_ended_all_the_same() {
    let elsewhere = Elsewhere::start();
    let place = place(&elsewhere, &revocation(&elsewhere));
    elsewhere.refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    let (halted, trail) = killed(&place, "credential github");
    assert!(
        trail.contains("credential-not-revoked") && trail.contains("a fault of its own"),
        "{trail}"
    );
    assert!(
        halted.err.contains("was not revoked") && !halted.err.contains("m4rk"),
        "{}",
        halted.told()
    );
    assert_eq!(elsewhere.seen("POST /revoke").len(), 1, "it is asked once");
}

#[test]
fn nobody_is_asked_where_there_is_no_place_to_ask() {
    let elsewhere = Elsewhere::start();
    let place = place(&elsewhere, "");
    let (_, trail) = killed(&place, "credential github");
    assert_eq!(elsewhere.seen("").len(), 1, "the token was minted");
    assert!(!trail.contains("credential-"), "{trail}");
}
