//! A credential on its way back: through imports, through memory, through a server that echoes.
mod doors;
mod matrix;
mod placements;
mod sockets;
pub(crate) mod wire;
mod writings;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::json;

use super::{get, told};
use crate::world::{self, ECHOES, MARKER, World};

/// The forms of a secret that stand in the bytes. It shares no code with the scanner of the vault.
pub(crate) fn traces(secret: &str, bytes: &[u8]) -> Vec<String> {
    let reversed: String = secret.chars().rev().collect();
    let mut forms = vec![secret.to_owned(), reversed, hex::encode(secret)];
    forms.push(hex::encode(secret).to_uppercase());
    for lead in ["", "a", "ab"] {
        // The first and the last characters depend on the neighbours.
        let text = STANDARD_NO_PAD.encode(format!("{lead}{secret}"));
        forms.push(text.get(4..text.len().saturating_sub(4)).unwrap().to_owned());
    }
    forms.push(secret.split_at(secret.len() / 2).0.to_owned());
    forms.retain(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes()));
    forms
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let secret = "tok_0123456789abcdefghij";
    let encoded = STANDARD_NO_PAD.encode(format!("xyz12{secret}!!"));
    for text in [format!("a {secret} b"), hex::encode(secret), encoded] {
        assert!(!traces(secret, text.as_bytes()).is_empty(), "{text}");
    }
    assert!(traces(secret, b"nothing of the kind").is_empty());
}

#[tokio::test]
async fn no_import_and_no_byte_of_memory_holds_the_credential() {
    let world = World::new().await;
    let output = world.call("ransack", json!({ "id": "1" })).await.unwrap();
    let bearer = format!("Bearer {}", world.token());
    assert_eq!(world.upstream.seen()[0].header("authorization"), Some(&*bearer));

    let memory = hex::decode(output.value["memory"].as_str().unwrap()).unwrap();
    let said = output.value["said"].to_string();
    for what in [&memory[..], said.as_bytes()] {
        assert!(!traces(MARKER, what).is_empty(), "what the tool received is found");
        assert_eq!(traces(world.token(), what), [""; 0]);
    }
    assert_eq!(traces(world.token(), world::log().as_bytes()), [""; 0]);
    assert_eq!(traces(world.token(), &world.disk_bytes()), [""; 0]);

    let (log, disk) = (world::log(), world.disk_bytes());
    let trail = serde_json::to_string(&world.trail().await).unwrap();
    let sinks = [
        ("memory", &memory[..]),
        ("result", said.as_bytes()),
        ("log", log.as_bytes()),
        ("audit", trail.as_bytes()),
        ("disk", &disk[..]),
    ];
    let Some(found) = matrix::swept(&[world.token()], &sinks) else { return };
    assert!(found.is_empty(), "{found:?}");
    let marked = matrix::swept(&[WITNESS], &[("result", format!("{said}{WITNESS}").as_bytes())]);
    assert_eq!(marked.unwrap().len(), 1);
}

/// Stands in for a credential where the search is searched for itself.
const WITNESS: &str = "tok_0123456789abcdefghij";

#[tokio::test]
async fn a_server_that_echoes_is_withheld_in_whatever_form_it_does() {
    let world = World::new().await;
    for id in ECHOES {
        let outcome = world.call("fetch", get(&format!("/items/{id}"))).await;
        assert_eq!(told(&outcome), "withheld", "{id}");
        let (_, closed) = world.last_entry().await;
        assert_eq!(closed["notes"].as_array().unwrap().last().unwrap()["note"], "withheld");
        world.forgive("shop:items:read").await;
    }
    assert_eq!(world.upstream.seen().len(), ECHOES.len());
    let trail = serde_json::to_string(&world.trail().await).unwrap();
    assert_eq!(traces(world.token(), trail.as_bytes()), [""; 0]);
    world.call("fetch", get("/items/1")).await.unwrap();
}

#[tokio::test]
async fn a_key_in_a_field_of_its_own_is_withheld_like_a_bearer() {
    let world = World::new().await;
    let answer = world.call("fetch_with_key", get("/orders/1")).await.unwrap();
    assert_eq!(answer.value["status"], 200);
    let seen = world.upstream.seen();
    assert_eq!(seen[0].header("x-shop-key"), Some(world.token()));
    assert_eq!(seen[0].header("authorization"), None);
    let outcome = world.call("fetch_with_key", get("/orders/echo-plain")).await;
    assert_eq!(told(&outcome), "withheld");
}

#[tokio::test]
async fn cookies_and_challenges_do_not_reach_the_tool() {
    let world = World::new().await;
    let output = world.call("fetch", get("/items/cookie")).await.unwrap();
    let names: Vec<&str> = output.value["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    assert!(names.contains(&"x-request-id"), "{names:?}");
    for hidden in ["set-cookie", "www-authenticate", "x-internal"] {
        assert!(!names.contains(&hidden), "{names:?}");
    }
}
