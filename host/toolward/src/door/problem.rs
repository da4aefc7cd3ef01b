//! How does a door say no? As a problem document (RFC 9457) with a stable type.
use std::time::Duration;

use axum::{
    extract::rejection::QueryRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use toolward_gate::{Cause, DecideError, Refusal, Stop};
use utoipa::ToSchema;

/// Why a request was not done. `type` is stable: programs match on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:toolward:problem:` and the code of the reason.
    #[serde(rename = "type")]
    #[schema(example = "urn:toolward:problem:forbidden")]
    pub kind: String,
    /// The same for every problem of a type.
    pub title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened here, and what to change.
    pub detail: String,
    /// What else a program may want to know, by the type.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub more: Box<Map<String, Value>>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPES}{code}"),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: detail.into(),
            more: Box::default(),
            retry_after: None,
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// A request that is not one.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A store that does not answer; the log says why.
    pub fn unavailable() -> Self {
        let detail = "the host cannot read or write what it needs; the operator's log says why";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// A call that stopped short.
    pub fn of(stop: &Stop) -> Self {
        let problem = Self::new(status(stop), stop.code(), stop.to_string());
        match stop {
            Stop::Held { approval, .. } => problem.with("approval", approval.to_string()),
            Stop::Failed(failure) => problem.with("code", failure.code.clone()),
            Stop::Refused(Refusal::OverRate { retry_after: Some(time), .. }) => {
                problem.after(*time)
            }
            Stop::Refused(Refusal::QueueFull | Refusal::QueueTime { .. }) => {
                problem.after(Duration::from_secs(1))
            }
            Stop::Refused(Refusal::NotGranted { capability, .. }) => {
                problem.with("capability", capability.as_str())
            }
            Stop::Refused(_)
            | Stop::Halted(_)
            | Stop::Limit(_)
            | Stop::Trapped { .. }
            | Stop::BadOutput { .. }
            | Stop::Cancelled
            | Stop::Unavailable(_) => problem,
        }
    }
}

/// A switch and a policy are the host's no; what a tool does wrong is an answer from behind it.
fn status(stop: &Stop) -> StatusCode {
    match stop {
        Stop::Held { .. } => StatusCode::ACCEPTED,
        Stop::Refused(refusal) => of_refusal(refusal),
        Stop::Halted(Cause::TimeOver) => StatusCode::GATEWAY_TIMEOUT,
        Stop::Halted(_) => StatusCode::FORBIDDEN,
        Stop::Failed(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Stop::Limit(_) | Stop::Trapped { .. } | Stop::BadOutput { .. } => StatusCode::BAD_GATEWAY,
        Stop::Cancelled => StatusCode::CONFLICT,
        Stop::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn of_refusal(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::OverRate { .. } | Refusal::OverBudget => StatusCode::TOO_MANY_REQUESTS,
        Refusal::QueueFull | Refusal::QueueTime { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::AlreadySpent => StatusCode::CONFLICT,
        Refusal::Forbidden
        | Refusal::OtherDoor { .. }
        | Refusal::NotGranted { .. }
        | Refusal::NotYours { .. }
        | Refusal::NotLinked { .. }
        | Refusal::Denied { .. }
        | Refusal::Unanswered
        | Refusal::TooManyQuestions { .. }
        | Refusal::OverApproved { .. }
        | Refusal::Halted(_) => StatusCode::FORBIDDEN,
    }
}

/// Why a person's answer was not taken: what one may not do, and what cannot be done now.
pub(super) fn of_undecided(error: &DecideError) -> (StatusCode, &'static str) {
    match error {
        DecideError::Unknown(_) => (StatusCode::NOT_FOUND, "not-found"),
        DecideError::OwnCall(_) => (StatusCode::FORBIDDEN, "own-call"),
        DecideError::NotAnApprover { .. } => (StatusCode::FORBIDDEN, "not-an-approver"),
        DecideError::NotAskedYet(_) => (StatusCode::CONFLICT, "not-asked-yet"),
        DecideError::AnsweredBefore(_) => (StatusCode::CONFLICT, "answered-before"),
        DecideError::NotOpen { .. } => (StatusCode::CONFLICT, "not-open"),
        DecideError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        DecideError::Unfit(_) => (StatusCode::BAD_REQUEST, "unfit-limits"),
    }
}

/// Parameters of an address that are none.
impl From<QueryRejection> for Problem {
    fn from(error: QueryRejection) -> Self {
        Self::malformed(error.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (status, [kind], body).into_response();
        if let Some(time) = self.retry_after {
            let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What every type begins with.
const TYPES: &str = "urn:toolward:problem:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_asked_yet_may_come_back_and_who_may_not_answer_may_not() {
        let status = |error: DecideError| of_undecided(&error).0;
        assert_eq!(status(DecideError::NotAskedYet("mia".to_owned())), StatusCode::CONFLICT);
        assert_eq!(status(DecideError::OwnCall("mia".to_owned())), StatusCode::FORBIDDEN);
    }
}
