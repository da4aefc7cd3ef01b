//! MCP over Streamable HTTP: every revision at one path, without sessions.
//!
//! A request is read strictly before the SDK sees it, and what is allowed is decided where the call is made. There is
//! no session that somebody else could take over: each request is answered for the one who sends it.
use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::{Value, json};
use toolward_gate::Principal;
use toolward_state::State as Remembered;

use super::{
    agents::Agents,
    body,
    mcp::{Door, NotGranted, Speaker},
    problem::Problem,
};
use crate::{config::ApprovalPage, host::Host};

/// Answers MCP requests.
pub(super) type Service = StreamableHttpService<Door, NeverSessionManager>;

/// The SDK's part. `Host` and `Origin` were checked by the guard, and the body's length is by [`body`].
pub(super) fn service(
    host: Arc<Host>,
    state: Remembered,
    body_bytes: usize,
    page: Option<ApprovalPage>,
) -> Service {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        // One write for one result; a stream only where there is something to tell before it.
        .with_json_response(true)
        .with_max_request_body_bytes(body_bytes)
        .disable_allowed_hosts();
    config.sse_retry = None;
    let door = Door::new(host, Speaker::Requesting, state, page);
    StreamableHttpService::new(move || Ok(door.clone()), Arc::default(), config)
}

/// Answer one message of the Model Context Protocol.
#[utoipa::path(post, path = "/mcp", tag = "mcp", request_body(content = Object, description = "A JSON-RPC message."),
    security(("token" = [])), responses(
    (status = 200, description = "The answer, or a stream that ends with it.",
        content((Object = "application/json"), (String = "text/event-stream"))),
    (status = 202, description = "A notification was taken."),
    (status = 403, description = "The token's scope leaves out what the tool needs.", body = Problem, content_type = "application/problem+json"),
    (status = "4XX", description = "Not a message that is taken.", content((Object = "application/json"), (String = "text/plain"), (Problem = "application/problem+json"))),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn answer(State(agents): State<Agents>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let message = match body::json(&parts.headers, body, agents.body_bytes).await {
        Ok(message) => message,
        Err(problem) => return unread(&problem),
    };
    if let Err((code, why)) = fits(&message) {
        return answered(StatusCode::BAD_REQUEST, code, why);
    }
    let principal = parts.extensions.get::<Principal>();
    let missing = principal.and_then(|principal| beyond(&agents, principal, &message));
    // What was read is what is answered: a second reader could read the first bytes otherwise.
    let mut request = Request::from_parts(parts, Body::from(message.to_string()));
    let refused = NotGranted::default();
    request.extensions_mut().insert(refused.clone());
    let mut response = agents.mcp.handle(request).await.map(Body::new);
    // It went as far as the gate, which refused it and put that on record.
    if let Some(missing) = missing.filter(|_| refused.is_set()) {
        return agents.guard.insufficient(&missing);
    }
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// What the SDK would answer in a way that no client understands.
fn fits(message: &Value) -> Result<(), (i32, &'static str)> {
    let Some(fields) = message.as_object() else {
        return Err((-32600, "send one JSON-RPC message; several in a list are not taken"));
    };
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err((-32600, "`jsonrpc` is not `2.0`"));
    }
    let whole = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
    if fields.get("id").is_some_and(|id| !whole(id)) {
        return Err((-32600, "`id` is a text or a whole number"));
    }
    if fields.get("params").is_some_and(|params| !params.is_object()) {
        return Err((-32602, "`params` is an object"));
    }
    if message.pointer("/params/arguments").is_some_and(|arguments| !arguments.is_object()) {
        return Err((-32602, "`arguments` is an object"));
    }
    Ok(())
}

/// What a tool needs and the token's scope leaves out: then another token would help, and nothing else.
fn beyond(agents: &Agents, principal: &Principal, message: &Value) -> Option<String> {
    if message.get("method")?.as_str()? != "tools/call" {
        return None;
    }
    agents.missing_scope(principal, message.pointer("/params/name")?.as_str()?)
}

fn unread(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
    answered(status, -32700, &problem.detail)
}

fn answered(status: StatusCode, code: i32, message: &str) -> Response {
    let error =
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], error.to_string()).into_response()
}
