//! What does a request's body say? Read once, to its end or its limit, and strictly.
use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
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
    let bytes = bytes(headers, body, most).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
    parse_json(text)
        .map_err(|error| Problem::malformed(format!("the body is not acceptable JSON: {error}")))
}

/// All of a body of at most `most` bytes, that comes within [`BODY`].
pub(super) async fn bytes(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_long = || {
        let detail = format!("the body is longer than {most} bytes");
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
    read.map_err(|_| too_long())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// From the end of the header to the end of the body.
const BODY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream::{self, StreamExt as _};

    use super::*;

    fn begun() -> impl futures::Stream<Item = Result<&'static str, Infallible>> {
        stream::iter([Ok("{\"a\":")])
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_waited_for_no_longer_than_that() {
        let (headers, began) = (HeaderMap::new(), tokio::time::Instant::now());
        let ends = Body::from_stream(begun().chain(stream::iter([Ok("1}")])));
        assert_eq!(bytes(&headers, ends, 100).await.unwrap(), "{\"a\":1}");
        let hangs = Body::from_stream(begun().chain(stream::pending()));
        let refused = bytes(&headers, hangs, 100).await.unwrap_err();
        assert_eq!((refused.status, began.elapsed()), (408, BODY));
    }

    #[tokio::test]
    async fn a_body_is_read_no_further_than_its_limit_whatever_it_says_of_its_length() {
        let (mut headers, body) = (HeaderMap::new(), || Body::from("x".repeat(11)));
        assert_eq!(bytes(&headers, body(), 11).await.unwrap().len(), 11);
        assert_eq!(bytes(&headers, body(), 10).await.unwrap_err().status, 413);
        headers.insert(header::CONTENT_LENGTH, 5.into());
        assert_eq!(bytes(&headers, body(), 10).await.unwrap_err().status, 413);
    }
}
