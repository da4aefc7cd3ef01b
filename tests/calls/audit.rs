//! What is on record about a call, and what is noticed when the record is changed.
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use toolward_gate::{Stop, SwitchTarget, Verdict};

use crate::world::{Setting, World, redacted};

#[tokio::test]
async fn every_call_is_opened_and_closed_under_one_id_and_the_chain_holds() {
    let world = World::new().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    world.call("fail", json!({})).await.unwrap_err();
    world.call("need_forbidden", json!({})).await.unwrap_err();
    let trail = world.trail().await;
    let kinds: Vec<&str> = trail.iter().map(|one| one["record"].as_str().unwrap()).collect();
    let admitted = ["opened", "admitted", "closed"];
    assert_eq!(kinds, [&admitted[..], &admitted, &["opened", "closed"]].concat());
    for entry in [&trail[0..3], &trail[3..6], &trail[6..8]] {
        assert!(entry.iter().all(|one| one["call"] == entry[0]["call"]));
    }
    let verified = world.verified().await;
    assert_eq!((verified.links, verified.fault.is_none()), (8, true));
}

#[tokio::test]
async fn a_row_that_was_changed_on_disk_is_found() {
    let world = World::new().await;
    world.call("fail", json!({})).await.unwrap_err();
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    let untouched = world.tampered("\"tool-failed\"", "\"tool-failed\"").await;
    assert!(untouched.fault.is_none());
    let world = World::new().await;
    world.call("fail", json!({})).await.unwrap_err();
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    let fault = world.tampered("\"tool-failed\"", "\"tool-worked\"").await.fault.unwrap();
    assert_eq!(fault.sequence, 3);
}

#[tokio::test]
async fn a_call_that_a_crash_cut_off_is_closed_at_the_next_start() {
    let world = World::new().await;
    let call = world.read("read_item", &json!({ "id": "1" }));
    drop(world.host.audit.open(&call).await.unwrap());
    assert_eq!(world.trail().await.len(), 1);
    let world = world.restarted().await;
    let (opened, closed) = world.last_entry().await;
    assert_eq!(opened["call"], json!(call.id));
    assert_eq!(closed["outcome"], "interrupted");
    assert!(world.verified().await.fault.is_none());
    // Closed once: a further start finds nothing to do.
    assert_eq!(world.restarted().await.trail().await.len(), 2);
}

#[tokio::test]
async fn arguments_paths_and_bodies_stay_out_of_the_trail() {
    let world = World::new().await;
    let wire =
        json!({ "method": "POST", "target": "/items/p4thmark?page=qu3rymark", "body": "b0dymark" });
    world.call("fetch", wire).await.unwrap();
    let seen = world.upstream.seen();
    assert_eq!(
        (seen[0].target.as_str(), seen[0].body.as_str()),
        ("/items/p4thmark?page=qu3rymark", "b0dymark")
    );
    let trail = serde_json::to_string(&world.trail().await).unwrap();
    assert!(trail.contains("/items/{id}"));
    for mark in ["p4thmark", "qu3rymark", "b0dymark"] {
        assert!(!trail.contains(mark), "{mark}");
    }
}

/// One entry for each way in which a call ends, in one file: reviewers see what changes.
#[tokio::test]
async fn the_entries_stay_what_readers_know() {
    let hurried = r#"@id("hurried") @ttl("50ms") permit(principal, action == Action::"call", resource == Tool::"spin");
        @id("few") @rate("1/minute") permit(principal, action == Action::"call", resource == Tool::"look_for_extras");"#;
    let world = Setting::default().policy(hurried).world().await;
    let mut entries: Vec<(&str, Value)> = Vec::new();
    let calls = [
        ("ok", "read_item", json!({ "id": "1" })),
        ("not granted", "need_forbidden", json!({})),
        ("tool failed", "fail", json!({})),
        ("tool crashed", "panic", json!({})),
        ("bad output", "answer_otherwise", json!({})),
        ("over a limit", "talk", json!({ "bytes": 2 << 20 })),
        ("time over", "spin", json!({})),
        ("withheld", "read_item", json!({ "id": "echo-plain" })),
        ("not sent", "fetch", json!({ "method": "DELETE", "target": "/items/1" })),
        ("first of its rate", "look_for_extras", json!({})),
        ("over its rate", "look_for_extras", json!({})),
    ];
    for (what, tool, arguments) in calls {
        drop(world.call(tool, arguments).await);
        entries.push((what, entry(&world).await));
    }
    entries.extend(paid(&world).await);
    world.throw(SwitchTarget::Everything).await;
    let world = world.restarted().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap_err();
    entries.push(("halted", entry(&world).await));
    let entries: serde_json::Map<String, Value> =
        entries.into_iter().map(|(what, entry)| (what.to_owned(), entry)).collect();
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        assert_json_snapshot!("audit_entries", entries);
    });
}

async fn paid(world: &World) -> Vec<(&'static str, Value)> {
    let payment = json!({ "amount": 100, "to": "acme" });
    let Err(Stop::Held { approval, .. }) = world.call("pay", payment.clone()).await else {
        panic!()
    };
    let held = entry(world).await;
    world.decide(approval, ("ana", "payer"), Verdict::Approve).await.unwrap();
    world.call("pay", payment).await.unwrap();
    vec![("held", held), ("approved", entry(world).await)]
}

async fn entry(world: &World) -> Value {
    let (opened, closed) = world.last_entry().await;
    json!({ "opened": redacted(&opened), "closed": redacted(&closed) })
}
