//! Checkpoints that go to a webhook or into a bucket, and what is found with their help.
use std::fs;

use axum::http::StatusCode;
use serde_json::Value;

use super::{elsewhere::Elsewhere, place::Place};

const HOOK: &str = "hk_5Pq83xVz2mW0cLr7vTnB4yGh";

/// A host that sends checkpoints there, and one call that was carried.
fn place(settings: &str) -> Place {
    let place = Place::without_secrets(&["teller"]);
    let text = place.read("toolward.toml");
    place.write("toolward.toml", &format!("{text}\n[audit.checkpoints]\n{settings}\n"));
    for name in ["hook-key", "bucket-id", "bucket-key"] {
        place.run_with(&format!("secret set {name}"), HOOK).exits(0);
    }
    place
}

fn webhook(elsewhere: &Elsewhere) -> String {
    format!(
        "[audit.checkpoints.webhook]\nurl = \"{}\"\nallow_private = true\nstore = \"local\"\nsecret = \"hook-key\"",
        elsewhere.url("/hook")
    )
}

fn bucket(elsewhere: &Elsewhere) -> String {
    format!(
        "[audit.checkpoints.bucket]\nurl = \"{}\"\nprefix = \"host-1/\"\nregion = \"eu-central-1\"\n\
         allow_private = true\nstore = \"local\"\naccess_key_id = \"bucket-id\"\nsecret_access_key = \"bucket-key\"",
        elsewhere.url("/audit")
    )
}

/// Cuts off everything after this record, as somebody with the file would.
fn cut(place: &Place) {
    place.sql("DROP TRIGGER audit_is_not_cut; DELETE FROM audit WHERE sequence > 5");
}

#[test]
fn a_webhook_is_told_and_what_it_was_told_is_evidence() {
    let elsewhere = Elsewhere::start();
    let place = place(&webhook(&elsewhere));
    place.run("call say text=hello").exits(0);
    place.run("kill on tool refuse --reason x").exits(0);
    let told = elsewhere.seen("POST /hook");
    assert!(told.len() >= 3, "at the start, at the end, and after the switch: {told:?}");
    assert!(
        told.iter().all(|one| one.signature.as_deref().is_some_and(|one| one.starts_with("v1,")))
    );
    let last: Value = serde_json::from_str(&told.last().unwrap().body).unwrap();
    assert_eq!(last["type"], "toolward.audit.checkpoint");
    // The host cannot ask it; who keeps what it was told can.
    let alone = place.run("audit verify").exits(0);
    assert!(alone.err.contains("no checkpoint was kept elsewhere"), "{}", alone.told());
    let bodies: Vec<&str> = told.iter().map(|one| one.body.as_str()).collect();
    fs::write(place.path("told.jsonl"), bodies.join("\n")).unwrap();
    let verified = place.run("audit verify --checkpoints told.jsonl").exits(0);
    assert!(verified.err.contains("the last:"), "{}", verified.told());
    cut(&place);
    place.run("audit verify").exits(0);
    let found = place.run("audit verify --checkpoints told.jsonl").exits(1);
    assert!(found.out.contains("records are missing"), "{}", found.told());
}

/// I-02 and I-03, with an anchor on another machine.
#[test]
fn what_stands_in_a_bucket_is_fetched_and_held_against_the_trail() {
    let elsewhere = Elsewhere::start();
    let place = place(&bucket(&elsewhere));
    place.run("call say text=hello").exits(0);
    let objects = elsewhere.objects();
    assert!(objects.keys().all(|name| name.starts_with("host-1/") && name.ends_with(".json")));
    let verified = place.run("audit verify").exits(0);
    assert!(verified.err.contains("the last:"), "{}", verified.told());
    place.run("call say text=again").exits(0);
    cut(&place);
    let found = place.run("audit verify").exits(1);
    assert!(found.out.contains("records are missing"), "{}", found.told());
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("audit resume"), "{}", refused.told());
    // A forged object is told from a genuine one.
    let forged =
        objects.iter().map(|(name, text)| (name.clone(), text.replace("running", "removed")));
    elsewhere.replace(forged.collect());
    let found = place.run("audit verify").exits(1);
    assert!(found.out.contains("is not genuine"), "{}", found.told());
    // What was given up is said in the bucket, too.
    elsewhere.replace(objects);
    place.run("audit resume --reason 'the disk was lost'").exits(0);
    place.run("call say text=hello").exits(0);
    place.run("audit verify").exits(0);
}

/// I-22: the place is down.
#[test]
fn a_place_that_takes_nothing_stops_calls_and_not_switches() {
    let elsewhere = Elsewhere::start();
    let place = place(&format!("{}\n{}", webhook(&elsewhere), bucket(&elsewhere)));
    place.run("call say text=hello").exits(0);
    elsewhere.refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("503") && !refused.err.contains("m4rk"), "{}", refused.told());
    let on = place.run("kill on tool say --reason 'a leak'").exits(0);
    assert!(on.err.contains("no checkpoint was written of it"), "{}", on.told());
    elsewhere.refuse(None);
    place.run("call say text=hello").exits(4);
    let verified = place.run("audit verify").exits(0);
    assert!(verified.err.contains("the last:"), "{}", verified.told());
}

#[test]
fn a_place_whose_keys_are_missing_is_told_with_what_to_do() {
    let elsewhere = Elsewhere::start();
    let place = place(&webhook(&elsewhere));
    place.run("secret rm hook-key").exits(0);
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("secret set hook-key"), "{}", refused.told());
    place.change(
        "toolward.toml",
        "store = \"local\"\nsecret = \"hook-key\"",
        "store = \"vault\"\nsecret = \"hook-key\"",
    );
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("add `[secret_store.vault]`"), "{}", refused.told());
    assert!(elsewhere.seen("").len() <= 1);
}
