//! Requests that would go elsewhere, carry something else, or be read in two ways.
use serde_json::json;

use super::{get, told};
use crate::world::{Setting, Upstream, World};

#[tokio::test]
async fn a_tool_reaches_no_other_host() {
    let (world, elsewhere) = (World::new().await, Upstream::start(false).await);
    let here = world.upstream.origin();
    let authority = |origin: String| origin.trim_start_matches("http://").to_owned();
    let (there, this) = (authority(elsewhere.origin()), authority(here.clone()));
    let targets = [
        format!("http://{there}/items/1"),
        format!("//{there}/items/1"),
        format!("{here}/items/1"),
        format!("http://{this}@{there}/items/1"),
        format!("@{there}/items/1"),
        format!(":80@{there}/items/1"),
        format!("\\\\{there}/items/1"),
        format!("/\\{there}/items/1"),
        format!("http:/{there}/items/1"),
        "file:///etc/passwd".to_owned(),
        "*".to_owned(),
        String::new(),
        "items/1".to_owned(),
        "?page=1".to_owned(),
    ];
    for target in &targets {
        assert_eq!(told(&world.fetch(target).await), "not-allowed", "{target}");
    }
    assert!(elsewhere.seen().is_empty() && world.upstream.seen().is_empty());
    world.fetch("/items/1").await.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_path_that_is_not_canonical_or_not_on_the_list_does_not_leave() {
    let world = World::new().await;
    let targets = [
        "/payments",
        "/items",
        "/items/",
        "/items/1/",
        "/items/../payments",
        "/items/1/parts/../../../payments",
        "/items/.",
        "/items/..",
        "/items/%2e%2e",
        "/items/%2E%2E",
        "/items/%252e",
        "/items/..%2Fpayments",
        "/items/..%5Cpayments",
        "/items/a%2fb",
        "/items//1",
        "//items/1",
        "/items/..;/payments",
        "/items/1;v=1",
        "/items/1\\..\\payments",
        "/items/1#fragment",
        "/items/%c0%ae",
        "/items/1%00",
        "/items/1%0d%0aauthorization:x",
        "/items/1\r\nx-shop-key: 1",
        "/items/1 HTTP/1.1",
        "/items/\u{10d}",
        "/ITEMS/1",
        "/items/1?token=1",
        "/items/1?page=1&token=1",
        "/items/1?page=1;token=1",
        "/items/1?page=1#x",
    ];
    for target in targets {
        assert_eq!(told(&world.fetch(target).await), "not-allowed", "{target:?}");
    }
    assert!(world.upstream.seen().is_empty());
    for target in ["/items/1", "/items/a%20b", "/items/1/parts/2?page=2"] {
        world.fetch(target).await.unwrap();
    }
    let seen = world.upstream.seen();
    let targets: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
    assert_eq!(targets, ["/items/1", "/items/a%20b", "/items/1/parts/2?page=2"]);
}

/// Sends one header field under the bearer capability, or under the one with a field of its own.
async fn with_field(world: &World, tool: &str, name: &str, value: &str) -> String {
    let target = if tool == "fetch" { "/items/1" } else { "/orders/1" };
    let headers = json!([{ "name": name, "value": value }]);
    let wire = json!({ "method": "GET", "target": target, "headers": headers });
    match world.call(tool, wire).await {
        Ok(_) => "sent".to_owned(),
        outcome @ Err(_) => told(&outcome).to_owned(),
    }
}

#[tokio::test]
async fn a_tool_cannot_write_the_fields_that_authenticate_route_or_frame() {
    let world = World::new().await;
    let names = [
        "authorization",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "host",
        "x-forwarded-host",
        "forwarded",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "range",
        "accept-encoding",
        "x-http-method-override",
        "x-shop-key",
        "accept\r\nauthorization",
        "accept ",
        "",
    ];
    for name in names {
        assert_eq!(with_field(&world, "fetch", name, "mine").await, "not-allowed", "{name:?}");
    }
    for name in ["x-shop-key", "X-Shop-Key", "x_shop_key"] {
        assert_eq!(with_field(&world, "fetch_with_key", name, "mine").await, "not-allowed");
    }
    for value in ["a\r\nauthorization: mine", "a\nb", "a\0b", "\u{e9}", "\u{560a}x: y"] {
        assert_eq!(with_field(&world, "fetch", "accept", value).await, "not-allowed", "{value:?}");
    }
    assert!(world.upstream.seen().is_empty());
    assert_eq!(with_field(&world, "fetch", "Accept", "application/json").await, "sent");
    let seen = world.upstream.seen();
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    assert_eq!(seen[0].headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test]
async fn a_method_is_one_of_the_capabilitys() {
    let world = World::new().await;
    for method in ["DELETE", "get", "TRACE", "CONNECT", "", "GET /payments HTTP/1.1\r\nx: y"] {
        let wire = json!({ "method": method, "target": "/items/1" });
        assert_eq!(told(&world.call("fetch", wire).await), "not-allowed", "{method:?}");
    }
    assert!(world.upstream.seen().is_empty());
    for method in ["GET", "POST"] {
        world.call("fetch", json!({ "method": method, "target": "/items/1" })).await.unwrap();
    }
}

/// C-05, C-49.
#[tokio::test]
async fn a_redirect_is_shown_and_never_followed() {
    let elsewhere = Upstream::start(false).await;
    let listed = Setting::default()
        .replacing("max_bytes = 65_536 }", "max_bytes = 65_536, headers = [\"location\"] }");
    for (setting, shown) in [(Setting::default(), false), (listed, true)] {
        let world = setting.world().await;
        let target = format!("/items/moved?page={}/items/1", elsewhere.origin());
        let away = world.fetch(&target).await.unwrap();
        assert_eq!(away.value["status"], 302);
        assert!(!away.text().contains(&elsewhere.origin()));
        let near = world.call("fetch", get("/items/moved-here")).await.unwrap();
        let location = json!({ "name": "location", "value": "/items/2" });
        assert_eq!(near.value["headers"].as_array().unwrap().contains(&location), shown);
        assert!(elsewhere.seen().is_empty());
        assert_eq!(world.upstream.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_response_of_another_kind_or_size_is_kept_back() {
    let world = World::new().await;
    assert_eq!(told(&world.fetch("/items/large").await), "response-too-large");
    assert_eq!(told(&world.fetch("/items/page").await), "response-refused");
    world.fetch("/items/1").await.unwrap();
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_dialled_unless_the_operator_says_so() {
    for (private, expected) in [("", "address-denied"), ("allow_private = true", "sent")] {
        let capability = format!(
            "[capability.\"shop:branches:read\"]\ndescription = \"Near.\"\ninterface = \"http\"\nrisk = \"low\"\n\
             destination = \"{{shop}}\"\nmethods = [\"GET\"]\npaths = [\"/items/{{id}}\"]\n{private}\n"
        );
        let setting = Setting { tls: true, ..Setting::default() };
        let world = setting.capability(&capability).policy(BRANCHES).world().await;
        let outcome = world.call("fetch_branch", get("/items/1")).await;
        let said = if outcome.is_ok() { "sent" } else { told(&outcome) };
        assert_eq!(said, expected);
        assert_eq!(world.upstream.seen().len(), usize::from(outcome.is_ok()));
    }
}

#[tokio::test]
async fn a_full_address_is_for_capabilities_with_several_destinations_and_only_those() {
    let elsewhere = Upstream::start(false).await;
    let capability = format!(
        "[capability.\"shop:branches:read\"]\ndescription = \"Both.\"\ninterface = \"http\"\nrisk = \"low\"\n\
         destinations = [\"{{shop}}\", \"{}\"]\nallow_private = true\nmethods = [\"GET\"]\npaths = [\"/items/{{id}}\"]\n",
        elsewhere.origin()
    );
    let world = Setting::default().capability(&capability).policy(BRANCHES).world().await;
    let third = Upstream::start(false).await;
    let visit = |origin: String| world.call("fetch_branch", get(&format!("{origin}/items/1")));
    visit(world.upstream.origin()).await.unwrap();
    visit(elsewhere.origin()).await.unwrap();
    assert_eq!(told(&visit(third.origin()).await), "not-allowed");
    assert_eq!(told(&world.call("fetch_branch", get("/items/1")).await), "not-allowed");
    assert_eq!((world.upstream.seen().len(), elsewhere.seen().len()), (1, 1));
    assert!(third.seen().is_empty());
    assert_eq!(elsewhere.seen()[0].header("authorization"), None);
}

/// Whoever may call the tool may use its branches.
const BRANCHES: &str =
    r#"@id("branches") permit(principal, action == Action::"shop:branches:read", resource);"#;
