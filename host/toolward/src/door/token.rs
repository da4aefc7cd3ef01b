//! `POST /v1/token`: an agent's token for a narrower one (RFC 8693).
use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use toolward_gate::Principal;
use utoipa::ToSchema;

use super::{agents::Agents, body, problem::Problem};
use crate::authn::{ExchangeError, Exchanged, Exchanging};

/// What is asked for (RFC 8693 section 2.1).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is read by hand, each parameter once; this is for the document")]
struct TokenRequest {
    #[schema(example = "urn:ietf:params:oauth:grant-type:token-exchange")]
    grant_type: String,
    /// The token that the request is made with.
    subject_token: String,
    #[schema(example = "urn:ietf:params:oauth:token-type:access_token")]
    subject_token_type: String,
    /// Of the one who is to act for the caller.
    actor_token: Option<String>,
    actor_token_type: Option<String>,
    requested_token_type: Option<String>,
    /// Capabilities, with spaces between them.
    scope: Option<String>,
    /// The only door that it is to be good at.
    #[schema(example = "urn:toolward:door:rest")]
    audience: Option<String>,
    /// Seconds.
    expires_in: Option<i64>,
}

/// Why there is none.
#[derive(Serialize, ToSchema)]
struct TokenRefusal {
    #[schema(example = "invalid_request")]
    error: &'static str,
    error_description: String,
}

/// A narrower token (RFC 8693 section 2.2.1).
#[derive(Debug, Serialize, ToSchema)]
struct TokenAnswer {
    access_token: String,
    issued_token_type: &'static str,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// The capabilities that it leaves; all that policies allow, where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Exchange the token that the request is made with for a narrower one (RFC 8693).
#[utoipa::path(post, path = "/v1/token", tag = "tokens", security(("token" = [])),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The narrower token.", body = TokenAnswer),
    (status = 400, description = "Why there is none (RFC 6749 section 5.2).",
        content((TokenRefusal = "application/json"), (Problem = "application/problem+json"))),
    (status = 503, description = "The host cannot say now.",
        content((TokenRefusal = "application/json"), (Problem = "application/problem+json"))),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn exchange(
    State(agents): State<Agents>,
    Extension(caller): Extension<Principal>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match body::bytes(&parts.headers, body, MAX_BODY).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    match exchanged(&agents, &caller, &parts.headers, &body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refused(&error),
    }
}

async fn exchanged(
    agents: &Agents,
    caller: &Principal,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<TokenAnswer, ExchangeError> {
    let form = form(headers, body)?;
    let made = agents.guard.authn().exchange(caller, asked(&form)?).await?;
    let Exchanged { token, is_bound, seconds, scope, change } = made;
    // What cannot be recorded is not handed out.
    agents.host.audit.change(change).await.map_err(ExchangeError::Unavailable)?;
    let names = |scope: std::collections::BTreeSet<toolward_gate::CapabilityName>| {
        scope.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    Ok(TokenAnswer {
        access_token: token,
        issued_token_type: ACCESS_TOKEN,
        token_type: if is_bound { "DPoP" } else { "Bearer" },
        expires_in: seconds,
        scope: scope.map(names),
    })
}

/// Each parameter once. One that is not known may ask for something that would not be kept.
fn form(headers: &HeaderMap, body: &[u8]) -> Result<BTreeMap<String, String>, ExchangeError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(ExchangeError::Invalid("send `application/x-www-form-urlencoded`"));
    }
    let mut form = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if !PARAMETERS.contains(&name.as_ref()) {
            return Err(ExchangeError::Invalid(
                "there is a parameter that this host does not know",
            ));
        }
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(ExchangeError::Invalid("a parameter stands twice"));
        }
    }
    Ok(form)
}

fn asked(form: &BTreeMap<String, String>) -> Result<Exchanging<'_>, ExchangeError> {
    let read = |name: &str| form.get(name).map(String::as_str);
    if read("grant_type") != Some(GRANT) {
        return Err(ExchangeError::Invalid(
            "`grant_type` is `urn:ietf:params:oauth:grant-type:token-exchange`",
        ));
    }
    for (name, is_needed) in [
        ("subject_token_type", true),
        ("actor_token_type", form.contains_key("actor_token")),
        ("requested_token_type", false),
    ] {
        let fits = read(name).map_or(!is_needed, |kind| [ACCESS_TOKEN, JWT].contains(&kind));
        if !fits {
            return Err(ExchangeError::Invalid(
                "every type of a token is `urn:ietf:params:oauth:token-type:access_token`",
            ));
        }
    }
    let subject = read("subject_token").ok_or(ExchangeError::Invalid("send `subject_token`"))?;
    let seconds = read("expires_in").map(str::parse::<i64>).transpose();
    let wrong_door =
        ExchangeError::Invalid("`audience` is a door of this host, as in `urn:toolward:door:rest`");
    let door =
        read("audience").map(|name| name.strip_prefix(DOOR).ok_or(wrong_door)).transpose()?;
    Ok(Exchanging {
        subject,
        actor: read("actor_token"),
        scope: read("scope"),
        door,
        seconds: seconds.map_err(|_| ExchangeError::Invalid("`expires_in` is in seconds"))?,
    })
}

/// RFC 6749 section 5.2.
fn refused(error: &ExchangeError) -> Response {
    let status = match error {
        ExchangeError::Unavailable(error) => {
            tracing::error!(cause = %error.cause, "a token was not exchanged");
            StatusCode::SERVICE_UNAVAILABLE
        }
        ExchangeError::Off
        | ExchangeError::NotTheCallers
        | ExchangeError::Actor
        | ExchangeError::Invalid(_)
        | ExchangeError::Wider(_) => StatusCode::BAD_REQUEST,
    };
    let told = TokenRefusal { error: error.code(), error_description: error.to_string() };
    (status, Json(told)).into_response()
}

/// Two tokens, and a scope.
const MAX_BODY: usize = 64 << 10;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const DOOR: &str = "urn:toolward:door:";
const PARAMETERS: [&str; 9] = [
    "grant_type",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "scope",
    "audience",
    "expires_in",
];
