//! What waits for a person, and the person's answer.
#![expect(unused_qualifications, reason = "the macro of a route writes them")]

use axum::{
    Extension,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderName, header::CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, Clock as _, DecideError,
    Principal, RolesFrom, SystemClock, Verdict, visible_json,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    super::problem::{Problem, of_undecided},
    Administration, is_a_person, unavailable,
};

/// Questions, newest first. Each as `toolward approval show --json` prints it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvals {
    #[schema(value_type = Vec<Object>)]
    pub approvals: Vec<Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those of one state only.
    #[param(inline, value_type = Option<StateName>)]
    state: Option<ApprovalState>,
}

/// What may become of a question.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "the document names what the gate reads")]
enum StateName {
    Open,
    Approved,
    Denied,
    Spent,
    Expired,
}

/// What the person says besides yes or no.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Saying {
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub comment: String,
    /// What a yes is narrowed to, as an answer in the question says it: `time_ms`, `cost` in micro-dollars,
    /// `http_requests`, `max_bytes`, and `methods` and `paths` of `capabilities` by their names.
    #[serde(default, skip_serializing_if = "AnswerLimits::is_none")]
    #[schema(value_type = Object)]
    pub limits: AnswerLimits,
}

/// List the questions.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(Which), security(("token" = [])), responses(
    (status = 200, description = "The questions.", body = Approvals),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Shown, Problem> {
    is_a_person(&principal)?;
    let Query(which) = which?;
    let requests =
        administration.state.list(which.state).await.map_err(|error| unavailable(&error))?;
    let approvals = requests.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    shown(&Approvals { approvals: approvals.map_err(|_| Problem::unavailable())? })
}

/// Show one question: everything that an answer is about.
#[utoipa::path(get, path = "/v1/approvals/{id}", tag = "approvals", security(("token" = [])),
    params(("id" = uuid::Uuid, Path)), responses(
    (status = 200, description = "The question.", body = Object),
    (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Shown, Problem> {
    is_a_person(&principal)?;
    let found = administration.state.show(read(&id)?).await.map_err(|error| unavailable(&error))?;
    let found = found.ok_or_else(|| {
        Problem::not_found("there is no such question; `/v1/approvals` lists them")
    })?;
    found.to_json().map_err(|_| Problem::unavailable()).and_then(|all| shown(&all))
}

/// Say yes. It counts for one run of exactly this call.
#[utoipa::path(post, path = "/v1/approvals/{id}/approve", tag = "approvals", security(("token" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Saying, responses(
    (status = 200, description = "The question, with the answer.", body = Object),
    (status = 403, description = "Somebody else has to decide.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is decided.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn approve(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Shown, Problem> {
    decide(&administration, &principal, &id, request, Verdict::Approve).await
}

/// Say no.
#[utoipa::path(post, path = "/v1/approvals/{id}/deny", tag = "approvals", security(("token" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Saying, responses(
    (status = 200, description = "The question, with the answer.", body = Object),
    (status = 403, description = "Somebody else has to decide.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is decided.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn deny(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Shown, Problem> {
    decide(&administration, &principal, &id, request, Verdict::Deny).await
}

async fn decide(
    administration: &Administration,
    principal: &Principal,
    id: &str,
    request: Request,
    verdict: Verdict,
) -> Result<Shown, Problem> {
    is_a_person(principal)?;
    let id = read(id)?;
    let Saying { comment, limits } = administration.read(request, "the body is no answer").await?;
    if comment.chars().count() > COMMENT {
        return Err(Problem::malformed(format!("`comment` is longer than {COMMENT} characters")));
    }
    let answer = Answer {
        by: principal.id().to_owned(),
        acts_for: principal.acts_for().to_vec(),
        roles: principal.roles().clone(),
        verdict,
        roles_from: RolesFrom::Token,
        limits,
        comment,
        at: SystemClock.now(),
    };
    let decided = administration.state.decide(id, answer).await.map_err(|error| refused(&error))?;
    decided.to_json().map_err(|_| Problem::unavailable()).and_then(|all| shown(&all))
}

/// JSON in which nothing is hidden from whoever reads it as text.
type Shown = ([(HeaderName, &'static str); 1], String);

fn shown(data: &impl Serialize) -> Result<Shown, Problem> {
    let text = visible_json(data).map_err(|_| Problem::unavailable())?;
    Ok(([(CONTENT_TYPE, "application/json")], text))
}

fn refused(error: &DecideError) -> Problem {
    if let DecideError::Unavailable(error) = error {
        return unavailable(error);
    }
    let (status, code) = of_undecided(error);
    Problem::new(status, code, error.to_string())
}

fn read(id: &str) -> Result<ApprovalId, Problem> {
    id.parse().map_err(|_| Problem::malformed("it is not the id of a question"))
}

/// Characters.
const COMMENT: usize = 4096;
