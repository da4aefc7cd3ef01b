//! Calls that are refused before anything runs.
use serde_json::json;
use toolward::tools::ReadError;
use toolward_gate::{Principal, ProgressSink, Refusal, Stop};

use crate::world::{Guest, Setting, World, agent, person};

#[tokio::test]
async fn one_without_the_role_is_refused_and_one_with_it_is_not() {
    let world = World::new().await;
    let item = json!({ "id": "1" });
    let zoe = person("zoe", &["guest"]);
    let refused = world.call_as(&zoe, "read_item", item.clone()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::Forbidden))), "{refused:?}");
    assert!(world.upstream.seen().is_empty());
    world.call_as(&person("zoe", &["assistant"]), "read_item", item).await.unwrap();
}

#[tokio::test]
async fn a_policy_may_look_at_the_arguments() {
    let setting = Setting::default().policy(
        r#"@id("not-the-crown") forbid(principal, action == Action::"shop:items:read", resource == Tool::"read_item")
           when { context.arguments has id && context.arguments.id == "crown" };"#,
    );
    let world = setting.world().await;
    let refused = world.call("read_item", json!({ "id": "crown" })).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    world.call("read_item", json!({ "id": "cup" })).await.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_required_capability_that_nobody_permits_refuses_by_its_name_and_interface() {
    let world = World::new().await;
    let refused = world.call("need_forbidden", json!({})).await;
    let Err(Stop::Refused(Refusal::NotGranted { capability, interface, .. })) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!((capability.as_str(), interface.as_deref()), ("shop:vault:open", Some("http")));
    let unknown = world.call("need_unknown", json!({})).await;
    let Err(Stop::Refused(Refusal::NotGranted { capability, interface, .. })) = &unknown else {
        panic!("{unknown:?}")
    };
    assert_eq!((capability.as_str(), interface.as_deref()), ("moon:cheese:eat", None));
}

#[tokio::test]
async fn an_optional_capability_is_absent_until_somebody_permits_it() {
    let without = World::new().await.call("look_for_extras", json!({})).await.unwrap();
    assert_eq!(without.value, json!({ "extras": false }));
    let permitted = Setting::default().policy(
        r#"@id("extras") permit(principal, action == Action::"shop:extras:read", resource == Tool::"look_for_extras");"#,
    );
    let with = permitted.world().await.call("look_for_extras", json!({})).await.unwrap();
    assert_eq!(with.value, json!({ "extras": true }));
}

#[tokio::test]
async fn a_token_without_the_scope_narrows_what_the_policies_permit() {
    let world = World::new().await;
    let scoped = |names: &[&str]| {
        let scope = names.iter().map(|name| name.parse().unwrap()).collect();
        Principal::authenticated(toolward_gate::Identity { scope: Some(scope), ..agent() })
    };
    let item = json!({ "id": "1" });
    let refused = world.call_as(&scoped(&["host:log:write"]), "read_item", item.clone()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    world.call_as(&scoped(&["shop:items:read"]), "read_item", item).await.unwrap();
}

#[tokio::test]
async fn an_import_that_no_wanted_capability_opens_is_not_linked() {
    let world = Setting::default().guest(Guest::Stray).world().await;
    let refused = world.call("tell_time", json!({})).await;
    let Err(Stop::Refused(Refusal::NotLinked { interface, wanted })) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(interface, "toolward:tool/clock@0.1.0");
    assert_eq!(wanted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["host:log:write"]);
    // The same interface is linked where a capability opens it.
    world.call("ransack", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_no_call_and_leave_no_record() {
    let world = World::new().await;
    let read = |tool: &str, arguments: &str| {
        world.host.tools.read(&world.agent, "test", tool, arguments, ProgressSink::default())
    };
    assert!(matches!(read("read_item", r#"{"id":1}"#), Err(ReadError::Mismatch { .. })));
    assert!(matches!(read("read_item", r#"{"id":"1","id":"2"}"#), Err(ReadError::Arguments(_))));
    assert!(
        matches!(read("raed_item", r#"{"id":"1"}"#), Err(ReadError::NoSuchTool { near: Some(near), .. }) if near == "read_item")
    );
    assert!(world.trail().await.is_empty());
    read("read_item", r#"{"id":"1"}"#).unwrap();
}

#[tokio::test]
async fn a_result_whose_end_cannot_be_recorded_is_not_handed_out() {
    let world = World::new().await;
    let shut = async {
        world.upstream.slow_began().await;
        world.state.clone().shut().await;
        world.upstream.release();
    };
    let (outcome, ()) = tokio::join!(world.fetch("/items/slow"), shut);
    assert!(matches!(outcome, Err(Stop::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn nothing_runs_that_cannot_be_recorded() {
    let world = World::new().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    world.state.clone().shut().await;
    let refused = world.call("read_item", json!({ "id": "1" })).await;
    assert!(matches!(refused, Err(Stop::Unavailable(_))), "{refused:?}");
    assert_eq!(world.upstream.seen().len(), 1);
}
