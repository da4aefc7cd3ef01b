//! A component that expects its key finds a value that means nothing.
use serde_json::{Value, json};

use super::{requests::sends, wanting};
use crate::world::{Guest, World};

const DEFINED: &str = r#"
[capability."shop:keyed:read"]
description = "Read items, for a client that brings its key."
interface = "wasi-http"
destination = "{shop}"
allow_private = true
methods = ["GET", "POST"]
paths = ["/items/{id}"]
headers = ["x-note"]
credential = "shop"
inject = { header = "authorization", as = "bearer" }
stand_in = { variable = "SHOP_TOKEN" }
risk = "low"
"#;

async fn keyed() -> World {
    wanting(Guest::Client, &["shop:keyed:read"], DEFINED).world().await
}

fn request(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let header = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
    let headers: Vec<Value> = headers.iter().map(header).collect();
    let method = if body.is_empty() { "GET" } else { "POST" };
    let url = format!("{}{path}", world.upstream.origin());
    json!({ "method": method, "url": url, "headers": headers, "body": body })
}

const GOOD: (&str, &str) = ("authorization", "Bearer {key}");

#[tokio::test]
async fn a_stand_in_in_its_slot_is_replaced_by_the_credential() {
    let world = keyed().await;
    let answer = sends(&world, request(&world, "/items/1", &[GOOD], "")).await.unwrap();
    assert_eq!(answer["status"], 200);
    sends(&world, request(&world, "/items/1", &[GOOD, ("x-note", "mine")], "a=1")).await.unwrap();
    let expected = format!("Bearer {}", world.token());
    for seen in world.upstream.seen() {
        assert_eq!(seen.header("authorization"), Some(&*expected));
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    }
    assert_eq!(world.upstream.seen().len(), 2);
}

#[tokio::test]
async fn the_component_finds_another_one_in_every_call_and_never_the_credential() {
    let world = keyed().await;
    let key = async || {
        let found = world.call("shop_key", json!({})).await.unwrap();
        found.value["result"].as_str().unwrap().to_owned()
    };
    let (one, other) = (key().await, key().await);
    assert!(one.len() >= 32 && one != other, "{one} {other}");
    assert!(one != world.token() && other != world.token());
    // One that is kept from an earlier call is worth nothing.
    let kept = format!("Bearer {one}");
    let error = sends(&world, request(&world, "/items/1", &[("authorization", &kept)], "")).await;
    assert!(error.unwrap_err().contains("HttpRequestDenied"));
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_request_without_it_or_with_it_in_another_form_is_denied() {
    let world = keyed().await;
    for headers in [
        vec![],
        vec![("authorization", "{key}")],
        vec![("authorization", "token {key}")],
        vec![("authorization", "Bearer {key} ")],
        vec![("authorization", "Bearer {key}{key}")],
        vec![("authorization", "Basic {base64}")],
        vec![("authorization", "Bearer {hex}")],
        vec![GOOD, GOOD],
        vec![("x-note", "{key}")],
    ] {
        let denied = sends(&world, request(&world, "/items/1", &headers, "")).await;
        // Blanks at the end of a value are taken off by `wasi:http` itself.
        let trimmed = headers == [("authorization", "Bearer {key} ")];
        assert!(
            trimmed || denied.clone().unwrap_err().contains("HttpRequestDenied"),
            "{headers:?}: {denied:?}"
        );
    }
    let seen = world.upstream.seen();
    assert!(
        seen.iter()
            .all(|one| one.header("authorization") == Some(&*format!("Bearer {}", world.token())))
    );
    assert!(seen.len() <= 1);
}

#[tokio::test]
async fn a_stand_in_that_is_also_elsewhere_refuses_the_request() {
    let world = keyed().await;
    for form in ["{key}", "{hex}", "{base64}", "a{key}b"] {
        for (path, note, body) in [
            (format!("/items/{}", form.replace("{base64}", "{key}")), "", String::new()),
            (format!("/items/1?page={}", form.replace("{base64}", "{key}")), "", String::new()),
            ("/items/1".to_owned(), form, String::new()),
            ("/items/1".to_owned(), "", format!("{{\"key\":\"{form}\"}}")),
        ] {
            let mut headers = vec![GOOD];
            if !note.is_empty() {
                headers.push(("x-note", note));
            }
            let denied = sends(&world, request(&world, &path, &headers, &body)).await;
            assert!(
                denied.clone().unwrap_err().contains("HttpRequestDenied"),
                "{path} {note} {body}: {denied:?}"
            );
        }
    }
    assert!(world.upstream.seen().is_empty());
    sends(&world, request(&world, "/items/1", &[GOOD, ("x-note", "nothing")], "a")).await.unwrap();
}

#[tokio::test]
async fn another_host_gets_neither_the_credential_nor_the_stand_in() {
    let world = keyed().await;
    let mut elsewhere = request(&world, "/items/1", &[GOOD], "");
    elsewhere["url"] = json!("http://elsewhere.example/items/1");
    assert!(sends(&world, elsewhere).await.unwrap_err().contains("HttpRequestDenied"));
    let error = sends(&world, request(&world, "/items/echo-plain", &[GOOD], "")).await;
    assert!(error.unwrap_err().contains("held a credential"));
}

#[tokio::test]
async fn a_key_that_is_looked_for_in_the_settings_is_a_stand_in_too() {
    let defined = DEFINED.replace("{ variable = \"SHOP_TOKEN\" }", "{ config = \"shop-token\" }");
    let world = wanting(Guest::Settings, &["shop:keyed:read"], &defined).world().await;
    let find = async |key: &str| {
        world.call("keys_find", json!({ "key": key })).await.unwrap().value["result"].clone()
    };
    let found = find("shop-token").await;
    assert_eq!(found.as_str().unwrap().len(), 40);
    assert_ne!(found, world.token());
    assert_eq!(find("anything-else").await, Value::Null);
    let names = world.call("keys_names", json!({})).await.unwrap();
    assert_eq!(names.value["result"], json!(["shop-token"]));
    // Without a stand-in there are no settings.
    let world = wanting(Guest::Settings, &["shop:keyed:read"], DEFINED).world().await;
    let outcome = world.call("keys_names", json!({})).await;
    assert_eq!(super::refused_import(&outcome), "wasi:config/store@0.2.0-rc.1");
}
