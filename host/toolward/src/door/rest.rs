//! Tools and calls as plain HTTP and JSON, under `/v1`.
//!
//! A call is answered when it ends. Where it is held for a person, the answer is 202 and says where to look; the same
//! request picks it up once somebody said yes. Where a client asks for `text/event-stream`, it hears of progress.
#![expect(unused_qualifications, reason = "the macro of a route writes them")]

mod accepted;
pub(super) mod budgets;
mod calling;
mod once;
mod told;

use axum::{
    Extension, Json,
    extract::{Path, Query, Request, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toolward_gate::{CallId, Principal, ToolName};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::calling::Asked;
use super::{agents::Agents, body, problem::Problem};
use crate::{host::Page, tools::Tool};

/// A tool as it is shown to those who may call it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolDescription {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    /// SHA-256 over the bytes that are compiled.
    pub digest: String,
    /// JSON Schema 2020-12.
    #[schema(value_type = Object)]
    pub input_schema: Value,
    /// JSON Schema 2020-12.
    #[schema(value_type = Object)]
    pub output_schema: Value,
    pub annotations: Annotations,
    pub capabilities: Vec<Wanted>,
}

/// What the tool's author says of it. Nothing is permitted by it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// A capability that the tool wants.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub capability: String,
    pub required: bool,
}

/// Some of the tools, in the order of their names.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolList {
    pub tools: Vec<ToolDescription>,
    /// To be sent as `after` for those that follow; absent on the last page.
    pub next: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// Tools whose names come after this one.
    #[param(max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100)]
    most: Option<usize>,
}

/// Which tool, with what.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallRequest {
    #[schema(max_length = 64)]
    pub tool: String,
    /// As the tool's input schema says.
    #[schema(value_type = Object)]
    #[serde(default)]
    pub arguments: Value,
}

/// List the tools that the caller may call.
#[utoipa::path(get, path = "/v1/tools", tag = "tools", params(Paging), security(("token" = [])), responses(
    (status = 200, description = "The tools.", body = ToolList),
    (status = 400, description = "A parameter that is none.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list_tools(
    State(agents): State<Agents>,
    Extension(principal): Extension<Principal>,
    paging: Result<Query<Paging>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ToolList>, Problem> {
    let Query(paging) = paging?;
    let after: Option<ToolName> = paging
        .after
        .map(|name| name.parse().map_err(|_| Problem::malformed("`after` is no name of a tool")))
        .transpose()?;
    let most = paging.most.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(Problem::malformed(format!("`most` is at least 1 and at most {MOST}")));
    }
    let Page { tools, next } = agents
        .host
        .page(&principal, after.as_ref(), most)
        .await
        .map_err(|_| Problem::unavailable())?;
    let tools = tools.into_iter().map(ToolDescription::from).collect();
    Ok(Json(ToolList { tools, next: next.map(|name| name.to_string()) }))
}

/// Show one tool.
#[utoipa::path(get, path = "/v1/tools/{name}", tag = "tools", security(("token" = [])),
    params(("name" = String, Path, description = "Its name.", max_length = 64)), responses(
    (status = 200, description = "The tool.", body = ToolDescription),
    (status = 404, description = "There is none that the caller may call.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show_tool(
    State(agents): State<Agents>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<Json<ToolDescription>, Problem> {
    let tool = agents.host.tools.find_serving(&name);
    let offer = agents.host.offer(&principal).await.map_err(|_| Problem::unavailable())?;
    let tool = tool.filter(|tool| offer.has(&tool.installed()));
    // One that is there for others is not there.
    let none = || {
        Problem::not_found("there is no such tool for you; `/v1/tools` lists those that there are")
    };
    tool.map(|tool| Json(tool.into())).ok_or_else(none)
}

/// Call a tool.
#[utoipa::path(post, path = "/v1/calls", tag = "calls", request_body = CallRequest, security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, max_length = 255, pattern = "^[!-~]{1,255}$",
        description = "A name for this request: sent again within a day, it is not done again, and gets the same answer.")),
    responses(
    (status = 200, description = "What the tool answered. With `Accept: text/event-stream`, the events `progress`, \
        `part`, and at last `done` or `problem`.",
        content((told::Done = "application/json"), (String = "text/event-stream"))),
    (status = 202, description = "A person has to agree. `Location` says where to look; send the same request again once \
        the approval is given.", body = told::CallState),
    (status = 400, description = "Not a request, or arguments that do not fit the tool.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not permitted.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such tool.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The same key is in use, or the tool is kept back.", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "Too long.", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "Not JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The tool says that it failed, or the key was used for another request.", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too much.", body = Problem, content_type = "application/problem+json"),
    (status = 502, description = "The tool crashed, met a limit, or answered nonsense.", body = Problem, content_type = "application/problem+json"),
    (status = 504, description = "Its time was over.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn call(
    State(agents): State<Agents>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match asked(&agents, principal, &parts.headers, body).await {
        Ok(asked) => asked.answer(&agents).await,
        Err(problem) => problem.into_response(),
    }
}

async fn asked(
    agents: &Agents,
    principal: Principal,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Asked, Problem> {
    let request: CallRequest =
        body::read(headers, body, agents.body_bytes, "the body is no call").await?;
    Asked::read(principal, headers, request)
}

/// Say what became of a call.
#[utoipa::path(get, path = "/v1/calls/{id}", tag = "calls", security(("token" = [])),
    params(("id" = Uuid, Path, description = "Its id.")), responses(
    (status = 200, description = "What is on record about it. What the tool answered is not.", body = told::CallState),
    (status = 400, description = "Not an id.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The caller made no such call.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show_call(
    State(agents): State<Agents>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<told::CallState>, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::malformed("it is not the id of a call"))?;
    let state = told::find(&agents, &principal, CallId::from_uuid(id)).await?;
    let none = || Problem::not_found("you made no such call, or its records were removed");
    state.map(Json).ok_or_else(none)
}

impl From<&Tool> for ToolDescription {
    fn from(tool: &Tool) -> Self {
        let manifest = &tool.manifest;
        let hints = &manifest.annotations;
        let wanted = |want: &toolward_gate::Want| Wanted {
            capability: want.capability.to_string(),
            required: want.required,
        };
        Self {
            name: manifest.name.to_string(),
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            digest: tool.digest.to_string(),
            input_schema: manifest.input_schema.clone(),
            output_schema: manifest.output_schema.clone(),
            annotations: Annotations {
                read_only: hints.read_only,
                destructive: hints.destructive,
                idempotent: hints.idempotent,
                open_world: hints.open_world,
            },
            capabilities: manifest.wants.iter().map(wanted).collect(),
        }
    }
}

/// Tools on one page.
const MOST: usize = 100;
