//! Which answer of a token endpoint gives a token (RFC 6749 sections 5.1 and 5.2).
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::{AskError, Credential, cache::Fresh};
use crate::{Secret, host_request::Answer};

#[derive(Deserialize)]
struct Given {
    access_token: Zeroizing<String>,
    token_type: String,
    expires_in: Option<u64>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

pub(super) fn read(answer: &Answer, asked: &[&str]) -> Result<Fresh, AskError> {
    match answer.status {
        StatusCode::OK => given(answer, asked),
        status if status.is_server_error() => Err(AskError::Fault),
        _ => Err(refusal(answer)),
    }
}

/// Whether the token is good no longer (RFC 7009 section 2.2): also where the server does not know it.
pub(super) fn revoked(answer: &Answer) -> Result<(), AskError> {
    match answer.status {
        StatusCode::OK => Ok(()),
        status if status.is_server_error() => Err(AskError::Fault),
        _ => Err(refusal(answer)),
    }
}

fn given(answer: &Answer, asked: &[&str]) -> Result<Fresh, AskError> {
    if answer.media_type != "application/json" {
        return Err(AskError::Answer("it is not JSON"));
    }
    let given: Given = serde_json::from_slice(&answer.body).map_err(|_| {
        AskError::Answer("it is no JSON object with `access_token` and `token_type`")
    })?;
    if !given.token_type.eq_ignore_ascii_case("bearer") {
        return Err(AskError::Answer("its `token_type` is not `Bearer`"));
    }
    if !is_bearer(&given.access_token) {
        return Err(AskError::Answer("its `access_token` is none that a header can hold"));
    }
    // Without a scope in the request, the server's default is what was asked for.
    let granted = given.scope.as_deref().unwrap_or_default();
    if !asked.is_empty() && !granted.split_ascii_whitespace().all(|one| asked.contains(&one)) {
        return Err(AskError::Answer("it grants more than the `scope` that was asked for"));
    }
    let lasts = given.expires_in.map_or(UNSAID, Duration::from_secs);
    if lasts.is_zero() {
        return Err(AskError::Answer("its `expires_in` is over"));
    }
    let secret = Secret::new(given.access_token.as_str());
    secret
        .check()
        .map_err(|_| AskError::Answer("its `access_token` is too short or too regular"))?;
    Ok(Fresh { credential: Credential::Token(secret), lasts })
}

/// `b64token` (RFC 6750 section 2.1).
fn is_bearer(token: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let body = token.trim_end_matches('=');
    !body.is_empty() && token.len() <= MAX_TOKEN && body.bytes().all(named)
}

fn refusal(answer: &Answer) -> AskError {
    let code = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error);
    AskError::refused(code.as_deref().unwrap_or_default(), &KNOWN)
}

/// RFC 6749 section 5.2, RFC 8707 section 2, RFC 7009 section 2.2.1.
const KNOWN: [(&str, &str); 8] = [
    ("invalid_request", "`invalid_request`; it wants other parameters than it was sent"),
    (
        "invalid_client",
        "`invalid_client`; check `client_id`, the client's secret or key, and `authentication`",
    ),
    ("invalid_grant", "`invalid_grant`"),
    ("unauthorized_client", "`unauthorized_client`; the client may not use this grant"),
    (
        "unsupported_grant_type",
        "`unsupported_grant_type`; the server does not offer client credentials",
    ),
    ("invalid_scope", "`invalid_scope`; check `scope`"),
    (
        "unsupported_token_type",
        "`unsupported_token_type`; the server does not revoke access tokens",
    ),
    ("invalid_target", "`invalid_target`; check `resource` and `audience`"),
];
/// How long a token is used of which the server does not say how long it is good.
const UNSAID: Duration = Duration::from_secs(60);
/// Bytes.
const MAX_TOKEN: usize = 16 << 10;
