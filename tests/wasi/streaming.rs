//! Responses that a component reads through `wasi:http` while they come in.
use serde_json::{Value, json};

use super::wanting;
use crate::{
    escape::reflection::{traces, wire::Wire},
    world::{Guest, Setting, World},
};

const TOKEN: &str = "Zx81+kQ/7mW=0pLr5vTn9eQa4yUj8sEc";

/// A client of a server that goes on only when it is asked to.
async fn world(wire: &Wire, response: &str) -> World {
    let usual = "response = { content_types = [\"application/json\"], max_bytes = 65_536 }";
    let setting = wanting(Guest::Client, &["shop:items:read"], "").replacing(usual, response);
    let here = wire.setting(TOKEN);
    let replaced = setting.replaced.into_iter().chain(here.replaced).collect();
    Setting { replaced, token: here.token, ..setting }.world().await
}

/// In chunks, with the head before the first.
fn events(texts: &[String]) -> Vec<Vec<u8>> {
    // The server takes one request on a connection, and says so: a second one could meet its end.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let mut pieces: Vec<Vec<u8>> =
        texts.iter().map(|text| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()).collect();
    pieces[0] = [head.as_bytes(), &pieces[0]].concat();
    pieces.push(b"0\r\n\r\n".to_vec());
    pieces
}

fn lines(number: usize) -> String {
    (0..20).map(|line| format!("data: event {number}, line {line}\n\n")).collect()
}

async fn follows(world: &World, wire: &Wire) -> (Vec<String>, String) {
    let url = |id: &str| format!("{}/items/{id}", wire.origin());
    let arguments = json!({ "url": url("1"), "next": url("next") });
    let Value::Object(told) = world.call("shop_follow", arguments).await.unwrap().value else {
        panic!("no record");
    };
    let pieces = told["pieces"].as_array().unwrap();
    let pieces = pieces.iter().map(|piece| piece.as_str().unwrap().to_owned()).collect();
    (pieces, told["ended"].as_str().unwrap().to_owned())
}

const STREAMED: &str =
    "response = { content_types = [\"text/event-stream\"], max_bytes = 65_536, streaming = true }";
const WHOLE: &str = "response = { content_types = [\"text/event-stream\"], max_bytes = 65_536 }";

/// The server does not write the second event before the component has something of the first.
#[tokio::test]
async fn a_component_reads_events_while_more_of_them_come() {
    let wire = Wire::plain().await;
    let world = world(&wire, STREAMED).await;
    let events_sent: Vec<String> = (0..5).map(lines).collect();
    wire.answers_when_asked(events(&events_sent));
    let (pieces, ended) = follows(&world, &wire).await;
    assert!(pieces.len() >= events_sent.len(), "{} pieces", pieces.len());
    assert_eq!(
        (pieces.concat(), ended.contains("Closed")),
        (events_sent.concat(), true),
        "{ended}"
    );
}

#[tokio::test]
async fn a_response_that_is_not_streamed_comes_whole() {
    let wire = Wire::plain().await;
    let world = world(&wire, WHOLE).await;
    let events_sent: Vec<String> = (0..5).map(lines).collect();
    wire.answers(events(&events_sent));
    let (pieces, _) = follows(&world, &wire).await;
    assert_eq!(pieces, [events_sent.concat()]);
}

/// [C-26] What it has until then holds nothing of the credential, however that was cut.
#[tokio::test]
async fn a_stream_ends_before_the_credential_in_it() {
    let wire = Wire::plain().await;
    let world = world(&wire, STREAMED).await;
    let (first, second) = TOKEN.split_at(TOKEN.len() / 2);
    let texts = [
        lines(0),
        lines(1),
        format!("{}data: {first}", lines(2)),
        format!("{second}\n\n{}", lines(3)),
    ];
    wire.answers_when_asked(events(&texts));
    let (pieces, ended) = follows(&world, &wire).await;
    assert!(!ended.contains("Closed"), "{ended}");
    let had = pieces.concat();
    assert!(texts.concat().starts_with(&had) && had.starts_with(&lines(0)), "{had}");
    assert_eq!(traces(TOKEN, had.as_bytes()), [""; 0]);
    assert!(
        !had.contains(first.split_at(4).0)
            || had.len() <= texts[..2].concat().len() + lines(2).len()
    );
    let (_, closed) = world.last_entry().await;
    let notes = closed["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["note"] == "withheld"), "{notes:?}");
}
