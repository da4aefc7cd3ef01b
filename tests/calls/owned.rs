//! Credentials that are somebody's, and what they are granted for.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{CredentialGrant, GrantBook as _, Refusal, Stop};

use crate::world::{Setting, World, person};

async fn grant(world: &World, to: &str, time: Duration) {
    let since = toolward_gate::Clock::now(&*world.clock);
    let grant = CredentialGrant {
        credential: "shop".parse().unwrap(),
        to: to.parse().unwrap(),
        tool: None,
        by: "ana".to_owned(),
        reason: "the stocktaking".to_owned(),
        since,
        ends_at: since.checked_add(time).unwrap(),
    };
    world.state.grant(grant).await.unwrap();
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_call_of_somebody_without_a_grant_is_refused_and_says_why() {
    let world = Setting::default().owned_by(&["principal:ana"]).world().await;
    let refused = world.call("read_item", json!({ "id": "1" })).await;
    let Err(Stop::Refused(Refusal::NotYours { credential, .. })) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(credential.as_str(), "shop");
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["outcome"], "not-yours");
    assert!(world.upstream.seen().is_empty());
    let ana = person("ana", &["assistant"]);
    world.call_as(&ana, "read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_credential_without_owners_is_open_to_whom_the_policies_allow() {
    let world = Setting::default().world().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_grant_opens_until_its_end() {
    let world = Setting::default().owned_by(&["principal:ana"]).world().await;
    grant(&world, "role:assistant", HOUR).await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    let world = world.restarted().await;
    world.clock.forward(3599);
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    world.clock.forward(1);
    let refused = world.call("read_item", json!({ "id": "1" })).await;
    assert_eq!(refused.unwrap_err().code(), "not-yours");
    assert_eq!(world.upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_grant_that_is_taken_back_ends_the_use_of_a_call_that_runs() {
    let world = Setting::default().owned_by(&["principal:ana"]).world().await;
    grant(&world, "principal:agent-7", HOUR).await;
    let permit = {
        let call = world.read("fetch", &json!({ "method": "GET", "target": "/items/1" }));
        let settled = world.host.gate.settle(call).await.unwrap();
        world.host.gate.admit(settled).await.unwrap()
    };
    let shop = "shop".parse().unwrap();
    permit.custody().check(&shop).await.unwrap();
    let whom = "principal:agent-7".parse().unwrap();
    assert!(world.state.revoke(&shop, &whom, None, "ana", "over").await.unwrap());
    assert!(permit.custody().check(&shop).await.is_err());
    // Admission asks again: it may have taken long to decide.
    grant(&world, "principal:agent-7", HOUR).await;
    let call = world.read("fetch", &json!({ "method": "GET", "target": "/items/1" }));
    let settled = world.host.gate.settle(call).await.unwrap();
    world.state.revoke(&shop, &whom, None, "ana", "over").await.unwrap();
    assert_eq!(world.host.gate.admit(settled).await.unwrap_err().code(), "not-yours");
}

#[tokio::test]
async fn policies_see_the_owners() {
    let forbid = r#"@id("not-of-ana") forbid(principal, action, resource)
when { context has credential && context.credential.owners.contains("principal:ana") };"#;
    let by_ana = ["principal:ana", "role:assistant"];
    let world = Setting::default().policy(forbid).owned_by(&by_ana).world().await;
    let refused = world.call("read_item", json!({ "id": "1" })).await;
    assert_eq!(refused.unwrap_err().code(), "not-granted");
    let world = Setting::default().policy(forbid).owned_by(&["role:assistant"]).world().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}
