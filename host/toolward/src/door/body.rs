//! What does a request's body say? Read once, to its end or its limit, and strictly.
use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use toolward_gate::parse_json;

use super::{place::only, problem::Problem};

/// What a body of at most `most` bytes says; `wrong` is what is said of one that says something else.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    most: usize,
    wrong: &str,
) -> Result<T, Problem> {
    let written = json(headers, body, most).await?;
    serde_json::from_value(written).map_err(|error| Problem::malformed(format!("{wrong}: {error}")))
}

/// The JSON of a body of at most `most` bytes: no key twice, no number that readers disagree on, no deep nesting.
pub(super) async fn json(headers: &HeaderMap, body: Body, most: usize) -> Result<Value, Problem> {
    // A page in a browser sends other types without asking first.
    if !is_json(headers) {
        let detail = "send the body as `application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
    }
    let too_long = || {
        let detail =
            format!("the body is longer than {most} bytes; the operator sets `body_bytes`");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", detail)
    };
    let said =
        only(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if said.is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let read = timeout(BODY, to_bytes(body, most)).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in time")
    })?;
    let bytes = read.map_err(|_| too_long())?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
    parse_json(text)
        .map_err(|error| Problem::malformed(format!("the body is not acceptable JSON: {error}")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// From the end of the header to the end of the body.
const BODY: Duration = Duration::from_secs(30);
