//! The tools that are kept back until somebody has looked at what is different.
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toolward_gate::{AcceptanceBook as _, Digest, Principal, ToolName};
use utoipa::ToSchema;

use super::{super::problem::Problem, Administration, REASON, is_a_person, unavailable};

/// The tools that are kept back.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptBackTools {
    pub tools: Vec<KeptBackTool>,
}

/// A tool that is not what was accepted under its name, and what is different.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptBackTool {
    pub tool: String,
    pub component: String,
    pub digest: String,
    /// Names what is shown here: it is what is accepted, and nothing that came later.
    pub definition: String,
    pub since: String,
    /// What clients would be told.
    #[schema(value_type = Object)]
    pub shown: Value,
    /// Absent where nothing was ever accepted under this name.
    pub accepted_by: Option<String>,
    pub accepted_at: Option<String>,
    /// Where it is different, as `toolward tool show --json` prints it.
    #[schema(value_type = Vec<Object>)]
    pub differences: Vec<Value>,
}

/// Which tool, as what.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepting {
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub tool: String,
    /// As the list names it.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    pub definition: String,
    #[schema(max_length = 4096)]
    #[serde(default)]
    pub reason: String,
}

/// List the tools that are kept back.
#[utoipa::path(get, path = "/v1/tools/kept-back", tag = "tools", security(("token" = [])), responses(
    (status = 200, description = "The tools.", body = KeptBackTools),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<KeptBackTools>, Problem> {
    administration.operates(&principal)?;
    let known = administration.state.acceptances().await.map_err(|error| unavailable(&error))?;
    let mut tools = Vec::new();
    for (tool, kept) in &known.kept_back {
        let (definition, accepted) = (&kept.definition, known.accepted.get(tool));
        let differences = accepted.map(|one| definition.differences(&one.definition));
        let differences = differences.unwrap_or_default();
        tools.push(KeptBackTool {
            tool: tool.to_string(),
            component: definition.component.to_string(),
            digest: definition.digest.to_string(),
            definition: definition.name().map_err(|error| unavailable(&error))?.to_string(),
            since: kept.since.to_string(),
            shown: Value::Object(definition.shown.clone()),
            accepted_by: accepted.map(|one| one.by.clone()),
            accepted_at: accepted.map(|one| one.at.to_string()),
            differences: differences
                .iter()
                .filter_map(|one| serde_json::to_value(one).ok())
                .collect(),
        });
    }
    Ok(Json(KeptBackTools { tools }))
}

/// Accept a tool as it was shown.
#[utoipa::path(post, path = "/v1/tools/accept", tag = "tools", security(("token" = [])), request_body = Accepting, responses(
    (status = 200, description = "It serves, within a second.", body = Object),
    (status = 400, description = "Not a tool.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not with these roles, or not a person.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not kept back.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It is another one than the one that was shown.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn accept(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    administration.operates(&principal)?;
    is_a_person(&principal)?;
    let (tool, seen, reason) = read(&administration, request).await?;
    let known = administration.state.acceptances().await.map_err(|error| unavailable(&error))?;
    let none =
        || Problem::not_found("it is not kept back; `/v1/tools/kept-back` lists those that are");
    let kept = known.kept_back.get(&tool).ok_or_else(none)?;
    if kept.definition.name().map_err(|error| unavailable(&error))? != seen {
        let detail = "it is another one than the one that was shown; look at it again";
        return Err(Problem::new(StatusCode::CONFLICT, "changed", detail));
    }
    let accepted = administration.state.accept(&kept.definition, principal.id(), &reason).await;
    accepted.map_err(|error| unavailable(&error))?;
    Ok(Json(json!({ "accepted": tool, "definition": seen })))
}

async fn read(
    administration: &Administration,
    request: Request,
) -> Result<(ToolName, Digest, String), Problem> {
    let Accepting { tool, definition, reason } =
        administration.read(request, "the body names no tool").await?;
    if reason.chars().count() > REASON {
        return Err(Problem::malformed(format!("`reason` has at most {REASON} characters")));
    }
    let malformed = |error: toolward_gate::NameError| Problem::malformed(error.to_string());
    Ok((tool.parse().map_err(malformed)?, definition.parse().map_err(malformed)?, reason))
}
