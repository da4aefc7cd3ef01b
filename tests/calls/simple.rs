//! A call that goes through, and calls that end by the tool's own doing.
use serde_json::json;
use toolward_gate::Stop;

use crate::world::{self, MARKER, Setting, World};

#[tokio::test]
async fn an_allowed_call_shows_the_credential_to_the_shop_and_to_nobody_else() {
    let world = World::new().await;
    let output = world.call("read_item", json!({ "id": "1" })).await.unwrap();
    assert_eq!(output.value, json!({ "id": "1", "title": MARKER }));

    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("GET", "/items/1"));
    assert_eq!(seen[0].header("authorization"), Some(&*format!("Bearer {}", world.token())));

    let log = world::log();
    assert!(log.contains("tool.name=read_item"), "the log is listened to");
    assert!(!log.contains(world.token()));
    let trail = serde_json::to_string(&world.trail().await).unwrap();
    assert!(trail.contains("/items/{id}") && !trail.contains(world.token()));
    let kept = String::from_utf8_lossy(&world.disk_bytes()).into_owned();
    assert!(kept.contains("/items/{id}") && !kept.contains(world.token()));
    assert!(!output.text().contains(world.token()));
}

#[tokio::test]
async fn a_shop_behind_tls_is_reached_and_gets_the_credential() {
    let world = Setting { tls: true, ..Setting::default() }.world().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    let seen = world.upstream.seen();
    assert_eq!(seen[0].header("authorization"), Some(&*format!("Bearer {}", world.token())));
}

#[tokio::test]
async fn a_tool_reports_its_failure_in_its_own_words() {
    let world = World::new().await;
    match world.call("fail", json!({})).await {
        Err(Stop::Failed(failure)) => {
            assert_eq!(failure.code, "out-of-stock");
            assert_eq!(failure.message, "there is nothing left");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_at_once_get_each_their_own_answer() {
    let world = Setting { places: Some(2), ..Setting::default() }.world().await;
    let read = async |id: String| {
        let output = world.call("read_item", json!({ "id": id })).await.unwrap();
        assert_eq!(output.value["id"], json!(id));
    };
    let calls = (0..16).map(|number| read(format!("item-{number}")));
    futures::future::join_all(calls).await;
    assert_eq!(world.upstream.seen().len(), 16);
    assert!(world.verified().await.fault.is_none());
}

#[tokio::test]
async fn a_status_that_is_no_success_is_the_tools_to_judge() {
    let world = World::new().await;
    let failed = world.call("read_item", json!({ "id": "missing" })).await;
    assert!(matches!(failed, Err(Stop::Failed(failure)) if failure.code == "status-404"));
    let taken = world.fetch("/items/missing").await.unwrap();
    assert_eq!(taken.value["status"], 404);
}

#[tokio::test]
async fn a_tool_that_breaks_off_tells_the_caller_nothing_and_the_operator_why() {
    let world = World::new().await;
    match world.call("panic", json!({})).await {
        Err(stop @ Stop::Trapped { .. }) => {
            assert!(!stop.to_string().contains("missing"), "{stop}");
        }
        other => panic!("{other:?}"),
    }
    let (_, closed) = world.last_entry().await;
    let lines: Vec<&str> = closed["notes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|note| note["message"].as_str())
        .collect();
    assert_eq!(lines[0], "about to break off");
    assert!(lines[1].contains("a part is missing"), "{lines:?}");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_tools_schema_is_not_handed_out() {
    let world = World::new().await;
    match world.call("answer_otherwise", json!({})).await {
        Err(Stop::BadOutput { cause }) => assert!(cause.contains("number"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_credential_that_is_not_in_the_store_is_the_operators_matter() {
    let world = Setting { secret: false, ..Setting::default() }.world().await;
    let failed = world.call("read_item", json!({ "id": "1" })).await;
    let Err(Stop::Failed(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!(failure.code, "credential-unavailable");
    assert!(world.upstream.seen().is_empty());
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["notes"][2]["code"], "credential-unavailable");
}
