//! The stand-in keeps a repository's issues, too.
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{MARKER, Seen};

/// What it answers to `/repos/{owner}/{repo}/issues/{number}`.
pub(super) fn issue(path: &str, seen: &Seen) -> Option<Response> {
    let (_, number) = path.strip_prefix("/repos/")?.split_once("/issues/")?;
    let body = match number.parse().ok()? {
        MISSING => return Some(StatusCode::NOT_FOUND.into_response()),
        ECHO => json!(seen.header("authorization")),
        SILENT => json!(null),
        _ => json!("It drips."),
    };
    let number: u32 = number.parse().ok()?;
    let issue = json!({ "number": number, "title": MARKER, "state": "open", "body": body });
    Some(Json(issue).into_response())
}

/// There is no such issue.
const MISSING: u32 = 404;
/// Somebody wrote the credential into it.
const ECHO: u32 = 13;
/// Nobody wrote anything.
const SILENT: u32 = 2;
