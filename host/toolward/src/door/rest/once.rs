//! Is this request one that was made before? (`Idempotency-Key`)
use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::SignedDuration;
use toolward_gate::{
    CallId, Clock as _, Digest, Principal, Refusal, Stop, SystemClock, Unavailable,
};
use toolward_state::{Claim, Kept, State};

use super::super::{agents::Agents, place::only, problem::Problem};
use super::told;

/// The name that a client gave to one request, and what the request says.
#[derive(Clone, Debug)]
pub(super) struct Name {
    key: String,
    request: Digest,
}

/// A request that this host has to do, and to say what came of it.
pub(super) struct Mine {
    state: State,
    principal: String,
    key: String,
    call: CallId,
}

impl Name {
    /// Fails where there are several, or one that is not a name.
    pub(super) fn read(headers: &HeaderMap, request: Digest) -> Result<Option<Self>, Problem> {
        if !headers.contains_key(KEY) {
            return Ok(None);
        }
        let key = only(headers, &KEY).filter(|key| {
            (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let wrong = || {
            Problem::malformed(
                "`Idempotency-Key` stands there once, with 1 to 255 visible characters",
            )
        };
        Ok(Some(Self { key: key.ok_or_else(wrong)?.to_owned(), request }))
    }

    /// Claims it, or says what is known of it.
    pub(super) async fn claim(
        &self,
        agents: &Agents,
        principal: &Principal,
        call: CallId,
    ) -> Result<Mine, Response> {
        let who = known_as(principal);
        let claim = self.ask(agents, &who, call).await?;
        let claim = match claim {
            Claim::Begun { call: before, at } => {
                let old = SystemClock.now().duration_since(at) > UNBEGUN;
                let found = told::find(agents, principal, before).await;
                match found.map_err(axum::response::IntoResponse::into_response)? {
                    // The host that claimed it ended before it began: nothing was done.
                    None if old => {
                        let let_go = agents.state.let_go(&who, &self.key, before).await;
                        let_go.map_err(|error| unavailable(&error))?;
                        self.ask(agents, &who, call).await?
                    }
                    Some(state) if state.state == "interrupted" => {
                        let detail = "the host ended while it was done, and what came of it is not known; with another \
                                      key it is done again";
                        return Err(conflict("interrupted", detail, before));
                    }
                    None | Some(_) => Claim::Begun { call: before, at },
                }
            }
            settled @ (Claim::Yours | Claim::OfAnother | Claim::Answered(_) | Claim::TooMany) => {
                settled
            }
        };
        match claim {
            Claim::Yours => {
                let (state, key) = (agents.state.clone(), self.key.clone());
                Ok(Mine { state, principal: who, key, call })
            }
            Claim::Begun { call, .. } => Err(conflict(
                "in-progress",
                "the request is still being done; try again in a moment",
                call,
            )),
            Claim::Answered(kept) => Err(again(kept)),
            Claim::OfAnother => {
                let detail =
                    "the key was used for another request; each request has one of its own";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::new(status, "key-reused", detail).into_response())
            }
            Claim::TooMany => {
                let detail = "too many keys were used within a day; leave the key out, or wait";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let problem = Problem::new(status, "too-many-keys", detail);
                Err(problem.after(Duration::from_secs(60)).into_response())
            }
        }
    }

    async fn ask(&self, agents: &Agents, who: &str, call: CallId) -> Result<Claim, Response> {
        let claim = agents.state.claim(who, &self.key, self.request, call).await;
        claim.map_err(|error| unavailable(&error))
    }
}

impl Mine {
    /// Keeps the answer, or lets go where nothing was done: then the same request may be made again.
    pub(super) async fn settle(self, stop: Option<&Stop>, response: Response) -> Response {
        if stop.is_some_and(undone) {
            return match self.state.let_go(&self.principal, &self.key, self.call).await {
                Ok(()) => response,
                Err(error) => unavailable(&error),
            };
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        let kept = Kept { call: self.call, status: parts.status.as_u16(), body: text };
        match self.state.keep(&self.principal, &self.key, &kept).await {
            Ok(()) => Response::from_parts(parts, Body::from(body)),
            // What cannot be kept would be done twice.
            Err(error) => unavailable(&error),
        }
    }
}

/// Whether a call ended before anything of it ran.
fn undone(stop: &Stop) -> bool {
    match stop {
        Stop::Held { .. } => true,
        Stop::Refused(refusal) => !matches!(refusal, Refusal::QueueTime { .. }),
        Stop::Halted(_)
        | Stop::Failed(_)
        | Stop::Limit(_)
        | Stop::Trapped { .. }
        | Stop::BadOutput { .. }
        | Stop::Cancelled
        | Stop::Unavailable(_) => false,
    }
}

/// Names of one who acts for others are not those of one who does not.
fn known_as(principal: &Principal) -> String {
    let mut names = vec![principal.id().to_owned()];
    names.extend(principal.acts_for().iter().cloned());
    names.join("\n")
}

fn again(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let problem = status.is_client_error() || status.is_server_error();
    let kind = if problem { "application/problem+json" } else { "application/json" };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], kept.body).into_response();
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

fn conflict(code: &str, detail: &str, call: CallId) -> Response {
    let problem = Problem::new(StatusCode::CONFLICT, code, detail);
    problem.with("call", call.to_string()).after(Duration::from_secs(1)).into_response()
}

fn unavailable(error: &Unavailable) -> Response {
    tracing::error!(cause = %error.cause, "an answer cannot be kept or found");
    Problem::unavailable().into_response()
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A call is on record within this time of its claim, or never.
const UNBEGUN: SignedDuration = SignedDuration::from_mins(1);
