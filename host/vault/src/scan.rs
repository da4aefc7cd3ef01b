//! What must not come back: the values that went out, in the forms that servers echo.
//!
//! ```text
//! values --forms--> Patterns --registry--> Table
//! text ---lanes--> what it says as it is, and under its escapes, spaces and punctuation --search--> Hit
//! ```
mod forms;
mod lanes;
mod registry;
mod search;
mod table;

use http::{HeaderMap, HeaderName, header};
use toolward_gate::{Destination, HttpScope};

pub(crate) use self::{
    forms::{WINDOW, can_be_found},
    registry::{Hit, Registered, Registry, Scanner},
    search::Search,
    table::Place,
};
use crate::{target::Target, transport::Raw};

/// A response that a tool may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Scanned {
    pub fn status(&self) -> u16 {
        self.status
    }
    /// Only fields of the host's list, in the order they came.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Why a response is kept back.
pub(crate) enum ScanError {
    /// It holds a credential. Where, and how often, is nobody's business.
    Hit(Hit),
    Shape(String),
}

impl Scanner {
    /// Lets a response through, with only the fields that a tool may see; or keeps all of it back.
    pub(crate) fn scan(
        &self,
        raw: Raw,
        scope: &HttpScope,
        from: &Destination,
    ) -> Result<Scanned, ScanError> {
        let Raw { status, headers, body, hit } = raw;
        if let Some(hit) = hit.or_else(|| self.find(&written(&headers))) {
            return Err(ScanError::Hit(hit));
        }
        check_shape(status, &headers, &body, scope)?;
        Ok(Scanned { status: status.as_u16(), headers: visible(&headers, from), body })
    }
}

/// All fields as one text.
fn written(headers: &HeaderMap) -> Vec<u8> {
    let fields = headers
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    fields.collect::<Vec<_>>().concat()
}

/// Whether the capability allows such a response.
fn check_shape(
    status: http::StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    scope: &HttpScope,
) -> Result<(), ScanError> {
    if status == http::StatusCode::PARTIAL_CONTENT {
        return Err(ScanError::Shape("it is a part of a response".to_owned()));
    }
    let allowed = &scope.response.content_types;
    if body.is_empty() || allowed.is_empty() {
        return Ok(());
    }
    let written =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = allowed.contains(&media_type);
    // What the server wrote is not repeated; what is allowed, the operator wrote.
    let all = || allowed.iter().cloned().collect::<Vec<_>>().join("`, `");
    if fits {
        Ok(())
    } else {
        Err(ScanError::Shape(format!("its content type is not one of `{}`", all())))
    }
}

fn visible(headers: &HeaderMap, from: &Destination) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &http::HeaderValue)| {
        let text = value.to_str().ok()?;
        let text = if *name == header::LOCATION { location(text, from)? } else { text.to_owned() };
        Some((name.to_string(), text))
    };
    headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_str())).filter_map(text).collect()
}

/// The path that a `location` names at the destination that wrote it. Elsewhere, or with a query, it may be
/// a URL that opens something by itself.
fn location(text: &str, from: &Destination) -> Option<String> {
    let Target { origin, path, query } = Target::parse(text).ok()?;
    let here = origin.is_none_or(|origin| origin == from.to_string());
    (here && query.is_none()).then_some(path)
}

/// What a tool may see of a response's fields: never a cookie or a challenge.
const HEADERS: [&str; 17] = [
    "cache-control",
    "content-language",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "request-id",
    "retry-after",
    "x-ratelimit-remaining",
    "x-request-id",
];

#[cfg(test)]
mod tests;
