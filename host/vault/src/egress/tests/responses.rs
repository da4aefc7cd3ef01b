//! What comes back to the tool, and what is kept from it.
use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use toolward_gate::{HeaderScheme, Slot};

use super::{
    is,
    server::{Script, Server, json, response},
    support::{ANSWER, PATH, Setup, TOKEN, header, outbound, set},
};
use crate::Outbound;

/// A bearer with `TOKEN`, and something else, as Google's encoder writes them.
const ECHO_IN_BROTLI: &str = "0b19807b22617574686f72697a6174696f6e223a22426561726572206768705f5a7838312b6b512f376d573d30704c723576546e227d03";
const HARMLESS_IN_BROTLI: &str =
    "1b2b0000046a72a4bf037dcb2c90a02068b52494e8b28c0cb0d4e3165082ac5977e0051e";
const JSON: (&str, &str) = ("content-type", "application/json");
const SENT: (&str, &str) = ("ok", "sent /items/{id} 200");
const WITHHELD: (&str, &str) = ("withheld", "withheld /items/{id}");
const REFUSED: (&str, &str) = ("response-refused", "unanswered /items/{id} response-refused");
const TOO_LARGE: (&str, &str) = ("response-too-large", "unanswered /items/{id} response-too-large");

/// What becomes of a request that is answered like this.
async fn answered(pieces: Vec<Vec<u8>>) -> (&'static str, String) {
    let server = Server::start(Script::Write(pieces), None).await;
    let outcome = Setup::to(&server).open().await.outcome(outbound()).await;
    assert_eq!(server.requests().len(), 1);
    outcome
}

/// A response in chunks (RFC 9112 section 7.1), each in a piece of its own.
fn chunked(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk =
        |one: &&[u8]| [format!("{:x}\r\n", one.len()).as_bytes(), one, b"\r\n".as_slice()].concat();
    let mut pieces = vec![head.into()];
    pieces.extend(chunks.iter().map(chunk));
    pieces.push(b"0\r\n\r\n".to_vec());
    pieces
}

#[tokio::test]
async fn a_response_comes_back_as_it_is() {
    let server = Server::answering(json(format!("\"{ANSWER}\""))).await;
    let scanned = Setup::to(&server).open().await.send(outbound()).await.unwrap();
    assert_eq!((scanned.status(), scanned.body()), (200, b"\"answ3rmark\"".as_slice()));
    assert_eq!(scanned.headers(), [("content-type".to_owned(), "application/json".to_owned())]);
}

#[tokio::test]
async fn a_response_with_the_credential_is_kept_back_whole() {
    let bearer = format!("Bearer {TOKEN}");
    let (first, second) = TOKEN.split_at(9);
    let echoes = [
        vec![json(format!("{{\"authorization\":\"{bearer}\"}}"))],
        vec![json(format!("\"{}\"", TOKEN.to_lowercase()))],
        vec![json(format!("\"{}\"", STANDARD.encode(&bearer)))],
        vec![json(format!("\"{}\"", hex::encode(TOKEN)))],
        vec![json(format!("\"{}\"", TOKEN.trim_start_matches("ghp_")))],
        vec![response("200 OK", &[JSON, ("etag", &bearer)], "{}")],
        vec![response("200 OK", &[JSON, ("x-unseen", TOKEN)], "{}")],
        vec![response("200 OK", &[JSON, ("set-cookie", &format!("a={TOKEN}"))], "{}")],
        vec![response("500 Internal Server Error", &[("content-type", "text/html")], TOKEN)],
        chunked(&[b"{\"a\":\"", first.as_bytes(), second.as_bytes(), b"\"}"]),
        chunked(&TOKEN.as_bytes().chunks(1).collect::<Vec<_>>()),
    ];
    for echo in echoes {
        let what = String::from_utf8_lossy(&echo.concat()).into_owned();
        is(&answered(echo).await, WITHHELD, &what);
    }
    let other = TOKEN.replace("7mW", "8nX");
    is(&answered(vec![json(format!("\"Bearer {other}\""))]).await, SENT, "another value");
    is(&answered(chunked(&[b"\"", other.as_bytes(), b"\""])).await, SENT, "another, in chunks");
}

#[tokio::test]
async fn the_credential_is_found_whatever_slot_it_went_out_in() {
    const PAIR: &str = "ana:ghp_Zx81+kQ/7mW=0pLr5vTn";
    let query = Slot::Query { name: "key".to_owned() };
    let cases = [
        (query.clone(), TOKEN, "/items?key=ghp%5FZx81%2BkQ%2F7mW%3D0pLr5vTn".to_owned()),
        (query, TOKEN, "/items?key=ghp_Zx81%2bkQ%2f7mW%3d0pLr5vTn".to_owned()),
        (header("x-key", HeaderScheme::Raw), TOKEN, TOKEN.to_owned()),
        (header("authorization", HeaderScheme::Basic), PAIR, STANDARD.encode(PAIR)),
        (header("authorization", HeaderScheme::Basic), PAIR, TOKEN.to_owned()),
    ];
    for (slot, secret, echo) in cases {
        let server = Server::answering(json(format!("\"{echo}\""))).await;
        let desk = Setup::to(&server).slot(slot).secret(Some(secret)).open().await;
        is(&desk.outcome(outbound()).await, WITHHELD, &echo);
    }
}

#[tokio::test]
async fn a_response_over_the_limit_is_refused_announced_or_not() {
    let long = vec![b'1'; 4097];
    is(&answered(vec![json(&long)]).await, TOO_LARGE, "announced");
    is(&answered(chunked(&[&long[..4096], b"1"])).await, TOO_LARGE, "in chunks");
    is(&answered(vec![json(&long[1..])]).await, SENT, "announced, at the limit");
    is(&answered(chunked(&[&long[..4095], b"1"])).await, SENT, "in chunks, at the limit");
}

#[tokio::test]
async fn a_response_that_the_scan_or_the_capability_does_not_take_is_refused() {
    let wrong = [
        // Not what it is said to be; twice; unknown.
        response("200 OK", &[JSON, ("content-encoding", "gzip")], "{}"),
        response("200 OK", &[JSON, ("content-encoding", "gzip, br")], "{}"),
        response("200 OK", &[JSON, ("content-encoding", "compress")], "{}"),
        response("206 Partial Content", &[JSON, ("content-range", "bytes 0-1/9")], "{}"),
        response("200 OK", &[("content-type", "text/html")], ANSWER),
        response("200 OK", &[("content-type", "application/json-seq")], "{}"),
        response("200 OK", &[], "{}"),
    ];
    for answer in wrong {
        let what = String::from_utf8_lossy(&answer).into_owned();
        is(&answered(vec![answer]).await, REFUSED, &what);
    }
    let right = [
        response("200 OK", &[JSON, ("content-encoding", "identity")], "{}"),
        response("200 OK", &[("content-type", "Application/JSON; charset=utf-8")], "{}"),
        response("200 OK", &[], ""),
    ];
    for answer in right {
        let what = String::from_utf8_lossy(&answer).into_owned();
        is(&answered(vec![answer]).await, SENT, &what);
    }
}

/// [C-24]
#[tokio::test]
async fn an_encoded_response_is_decoded_and_searched() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    let brotli = |text: &str| hex::decode(text).unwrap();
    let (echo, harmless) = (format!("\"{TOKEN}\""), format!("\"{ANSWER}\""));
    let answers = [
        ("gzip", gzip(&echo), gzip(&harmless)),
        ("zstd", zstd(&echo), zstd(&harmless)),
        ("br", brotli(ECHO_IN_BROTLI), brotli(HARMLESS_IN_BROTLI)),
    ];
    for (coding, echo, harmless) in answers {
        let fields = [JSON, ("content-encoding", coding)];
        is(&answered(vec![response("200 OK", &fields, echo)]).await, WITHHELD, coding);
        is(&answered(vec![response("200 OK", &fields, harmless)]).await, SENT, coding);
    }
}

/// [C-26] A length that is too small leaves bytes on the connection: they are part of no response.
#[tokio::test]
async fn what_comes_behind_the_announced_length_is_nobodys() {
    let lie = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}{TOKEN}"
    );
    let server = Server::start(Script::Write(vec![lie.into_bytes()]), None).await;
    let desk = Setup::to(&server).open().await;
    assert_eq!(desk.send(outbound()).await.unwrap().body(), b"{}");
    assert_eq!(desk.send(outbound()).await.unwrap().body(), b"{}");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_tool_sees_no_cookie_and_no_challenge() {
    let fields = [
        JSON,
        ("set-cookie", "session=answ3rmark"),
        ("www-authenticate", "Bearer realm=answ3rmark"),
        ("server", "answ3rmark"),
        ("x-debug", "answ3rmark"),
        ("etag", "\"1\""),
    ];
    let server = Server::answering(response("401 Unauthorized", &fields, "{}")).await;
    let scanned = Setup::to(&server).open().await.send(outbound()).await.unwrap();
    let names: Vec<&str> = scanned.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((scanned.status(), names), (401, vec!["content-type", "etag"]));
}

/// C-05, C-49 and C-50.
#[tokio::test]
async fn a_redirect_is_handed_over_and_not_followed() {
    let other = Server::answering(json("{}")).await;
    let elsewhere = format!("http://{}{PATH}", other.address);
    let listed = Some(set(&["location"]));
    let cases = [
        (elsewhere.as_str(), true, listed.clone(), None),
        ("/items/2", true, None, None),
        ("/items/2", true, listed.clone(), Some("/items/2")),
        ("/sessions/2", true, listed, None),
        (elsewhere.as_str(), false, None, None),
        ("/items/2", false, None, Some("/items/2")),
    ];
    for (place, injected, headers, shown) in cases {
        for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect"] {
            let server = Server::answering(response(status, &[("location", place)], "")).await;
            let mut setup = Setup::to(&server);
            setup.scope.response.headers.clone_from(&headers);
            if !injected {
                (setup.scope.credential, setup.scope.slot) = (None, None);
            }
            let desk = setup.open().await;
            let shaped = desk.send(outbound()).await.unwrap();
            assert!(status.starts_with(&shaped.status().to_string()), "{status}");
            let location = shaped.headers().iter().find(|(name, _)| name == "location");
            let location = location.map(|(_, place)| place.as_str());
            assert_eq!(location, shown, "{place}, injected: {injected}");
            assert_eq!(server.connections(), 1, "{place}");
        }
    }
    assert_eq!(other.connections(), 0);
    is(&Setup::to(&other).open().await.outcome(outbound()).await, SENT, "the other server");
}

#[tokio::test]
async fn the_pieces_of_a_value_are_not_found_in_the_answer_to_a_request_without_it() {
    let server = Server::answering(json(format!("\"{TOKEN}\""))).await;
    let mut setup = Setup::to(&server);
    (setup.scope.credential, setup.scope.slot) = (None, None);
    let plain = Outbound { method: "GET".to_owned(), body: None, ..outbound() };
    is(&setup.open().await.outcome(plain).await, SENT, "a value that this request did not carry");
}
