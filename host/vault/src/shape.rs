//! How much of a response does a tool see?
//!
//! What comes here holds no credential that this host knows. What the server wrote besides is the server's:
//! shaping bounds how much of it can reach a tool.
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;
use toolward_gate::{
    BodyShape, Charge, Destination, HttpScope, MAX_VALUES, Misfit, parse_json_within,
};

use crate::{scan::Scanned, target::Target};

/// What a tool sees of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Shaped {
    pub fn status(&self) -> u16 {
        self.status
    }
    /// Only fields of the capability's list or the host's, in the order they came.
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

/// A scanned response, and what it is as JSON where the capability asks for that.
pub(crate) struct Answer {
    scanned: Scanned,
    document: Option<Value>,
}

impl Answer {
    pub(crate) fn read(scanned: Scanned, scope: &HttpScope) -> Self {
        let asks = scope.meter.is_some() || matches!(scope.response.body, BodyShape::Fields(_));
        let text = asks.then(|| std::str::from_utf8(&scanned.body).ok()).flatten();
        // What a response may take as values is ten times what it may take as text.
        let values = MAX_VALUES.max(scope.response.max_bytes / 8);
        let document = text.and_then(|text| parse_json_within(text, values).ok());
        Self { scanned, document }
    }

    /// What the request used, where it is metered and the response says so.
    pub(crate) fn charge(&self, scope: &HttpScope) -> Option<Charge> {
        scope.meter.as_ref()?.read(self.document.as_ref()?)
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.scanned.body.len() as u64
    }

    /// Lets through what the capability declares, or nothing. The reason repeats nothing of the response.
    pub(crate) fn shape(self, scope: &HttpScope, from: &Destination) -> Result<Shaped, String> {
        let Self { scanned: Scanned { status, headers, body }, document } = self;
        check(status, &headers, body.is_empty(), scope)?;
        let body = match &scope.response.body {
            BodyShape::Whole | BodyShape::Streamed => body,
            BodyShape::StatusOnly => Vec::new(),
            BodyShape::Fields(_) if body.is_empty() => body,
            BodyShape::Fields(fields) => {
                let shown = document.ok_or(Misfit::NotJson);
                let shown = shown.and_then(|document| fields.project(document));
                shown.map_err(|misfit| misfit.to_string())?.to_string().into_bytes()
            }
        };
        Ok(Shaped { status: status.as_u16(), headers: visible(&headers, scope, from), body })
    }
}

/// The head of a response whose body is still to come.
pub(crate) fn head(
    scanned: Scanned,
    is_empty: bool,
    scope: &HttpScope,
    from: &Destination,
) -> Result<Shaped, String> {
    let Scanned { status, headers, body } = scanned;
    check(status, &headers, is_empty, scope)?;
    Ok(Shaped { status: status.as_u16(), headers: visible(&headers, scope, from), body })
}

/// Whether the capability allows such a response.
fn check(
    status: StatusCode,
    headers: &HeaderMap,
    is_empty: bool,
    scope: &HttpScope,
) -> Result<(), String> {
    if status == StatusCode::PARTIAL_CONTENT {
        return Err("it is a part of a response; ask for the whole of it".to_owned());
    }
    let allowed = &scope.response.content_types;
    if is_empty || allowed.is_empty() {
        return Ok(());
    }
    let written =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // What the server wrote is not repeated; what is allowed, the operator wrote.
    let all = || allowed.iter().cloned().collect::<Vec<_>>().join("`, `");
    if allowed.contains(&media_type) {
        Ok(())
    } else {
        Err(format!(
            "its content type is not one of `{}`; ask for one with `accept`, or the operator adds it to `content_types` of the capability",
            all()
        ))
    }
}

/// The fields that a tool sees of a header.
fn visible(headers: &HeaderMap, scope: &HttpScope, from: &Destination) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let text = value.to_str().ok()?;
        let text = match *name {
            header::LOCATION => location(text, scope, from)?,
            // The document that is shown is the host's own writing.
            header::CONTENT_TYPE if is_projected(scope) => "application/json".to_owned(),
            _ => text.to_owned(),
        };
        Some((name.to_string(), text))
    };
    let shown = |name: &HeaderName| match &scope.response.headers {
        Some(names) => names.contains(name.as_str()) && !NEVER.contains(name),
        None => is_usual(name, scope),
    };
    headers.iter().filter(|(name, _)| shown(name)).filter_map(text).collect()
}

/// Where only a part of a body is shown, its header is no way around that. Where a credential went out, a
/// location may be a place that opens by itself.
fn is_usual(name: &HeaderName, scope: &HttpScope) -> bool {
    match scope.response.body {
        BodyShape::StatusOnly => false,
        BodyShape::Fields(_) => *name == header::CONTENT_TYPE,
        BodyShape::Whole | BodyShape::Streamed => {
            let bare = *name != header::LOCATION || scope.credential.is_none();
            bare && USUAL.contains(&name.as_str())
        }
    }
}

fn is_projected(scope: &HttpScope) -> bool {
    matches!(scope.response.body, BodyShape::Fields(_))
}

/// The path that a `location` names at the destination that wrote it, and that the tool could ask for under the
/// same capability. Elsewhere, or with a query, it may be a URL that opens something by itself.
fn location(text: &str, scope: &HttpScope, from: &Destination) -> Option<String> {
    let Target { origin, path, query } = Target::parse(text).ok()?;
    let here = origin.is_none_or(|origin| origin == from.to_string());
    let known = scope.credential.is_none() || scope.paths.iter().any(|one| one.matches(&path));
    (here && query.is_none() && known).then_some(path)
}

/// What a tool may see of a response's fields: never a cookie or a challenge.
const USUAL: [&str; 17] = [
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
/// Whatever the capability says.
const NEVER: [HeaderName; 5] = [
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::AUTHORIZATION,
    header::COOKIE,
];

#[cfg(test)]
mod tests;
