//! A server that shows its caller what it was sent, in one form or another, as debug pages do.
use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::Seen;

/// Every way in which the shop gives its caller's credential back, by the item's id.
pub(crate) const ECHOES: [&str; 10] = [
    "echo-plain",
    "echo-half",
    "echo-base64",
    "echo-hex",
    "echo-percent",
    "echo-reversed",
    "echo-escaped",
    "echo-spaced",
    "echo-header",
    "echo-location",
];

pub(super) fn echoed(id: &str, seen: &Seen) -> Option<Response> {
    let sent = seen.header("authorization").or_else(|| seen.header("x-shop-key"));
    let token = sent.unwrap_or_default().trim_start_matches("Bearer ").to_owned();
    let bytes = token.as_bytes();
    let text = match id {
        "echo-plain" => token,
        // Without the word in front: 18 hexadecimal digits, which hold more than 64 bits.
        "echo-half" => token.split_at(token.len() / 2).1.to_owned(),
        "echo-base64" => STANDARD.encode(format!("user:{token}")),
        "echo-hex" => hex::encode(bytes),
        "echo-percent" => bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        "echo-reversed" => token.chars().rev().collect(),
        "echo-escaped" => return Some(raw(bytes.iter().map(|byte| format!("\\u{byte:04x}")))),
        "echo-spaced" => {
            return Some(raw(bytes.iter().map(|&byte| format!("{}\n", char::from(byte)))));
        }
        "echo-header" => return Some(([("x-request-id", token)], Json(json!({}))).into_response()),
        "echo-location" => {
            let to = format!("http://elsewhere.example/?key={token}");
            return Some((StatusCode::FOUND, [(header::LOCATION, to)]).into_response());
        }
        _ => return None,
    };
    Some(Json(json!({ "you sent": text })).into_response())
}

/// What is called JSON, and holds these letters as they are.
fn raw(letters: impl Iterator<Item = String>) -> Response {
    let body = format!("{{\"you sent\":\"{}\"}}", letters.collect::<String>());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
