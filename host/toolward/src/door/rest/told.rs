//! What is said of a call: how it ended, or what the trail holds of it.
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toolward_gate::{CallId, Principal, Refusal, Stop};
use toolward_sandbox::Output;
use toolward_state::LinkFilter;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{agents::Agents, problem::Problem};

/// What the tool answered.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::door) struct Done {
    pub call: Uuid,
    /// As the tool's output schema says.
    pub result: Value,
}

/// What is on record about a call.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::door) struct CallState {
    pub call: Uuid,
    pub tool: String,
    /// `running`, `ok`, `held`, or the code of why it stopped.
    pub state: String,
    pub detail: Option<String>,
    /// The question that a held call waits for.
    pub approval: Option<Uuid>,
    /// What became of the question: `open`, `approved`, `denied`, `spent` or `expired`.
    pub approval_state: Option<String>,
}

/// The answer to a call that ended.
pub(super) fn answer(call: CallId, tool: &str, outcome: Result<Output, Stop>) -> Response {
    match outcome {
        Ok(Output { value }) => Json(Done { call: call.as_uuid(), result: value }).into_response(),
        Err(stop @ Stop::Held { approval, .. }) => {
            let state = CallState {
                call: call.as_uuid(),
                tool: tool.to_owned(),
                state: stop.code().to_owned(),
                detail: Some(stop.to_string()),
                approval: approval.to_string().parse().ok(),
                approval_state: Some("open".to_owned()),
            };
            let mut response = (StatusCode::ACCEPTED, Json(state)).into_response();
            if let Ok(place) = HeaderValue::from_str(&format!("/v1/calls/{call}")) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            response
        }
        Err(stop) => {
            let mut response = Problem::of(&stop).with("call", call.to_string()).into_response();
            if matches!(stop, Stop::Refused(Refusal::NotGranted { .. })) {
                response.extensions_mut().insert(NotGranted);
            }
            response
        }
    }
}

/// Marks an answer that another token may change.
#[derive(Clone, Copy)]
pub(super) struct NotGranted;

/// What the trail says of a call of this principal's own.
pub(super) async fn find(
    agents: &Agents,
    principal: &Principal,
    call: CallId,
) -> Result<Option<CallState>, Problem> {
    let filter = LinkFilter { after: None, last: Some(MOST), call: Some(call) };
    let links = agents.state.links(filter).await.map_err(|error| {
        tracing::error!(%error, "the trail cannot be read");
        Problem::unavailable()
    })?;
    let records = links.iter().filter_map(|link| serde_json::from_str(&link.record).ok());
    let records: Vec<Map<String, Value>> = records.collect();
    let Some(opened) = records.iter().find(|record| text(record, "record") == "opened") else {
        return Ok(None);
    };
    if text(opened, "principal") != principal.id()
        || texts(opened, "acts-for") != principal.acts_for()
    {
        return Ok(None);
    }
    let mut state = CallState {
        call: call.as_uuid(),
        tool: text(opened, "tool").to_owned(),
        state: "running".to_owned(),
        detail: None,
        approval: None,
        approval_state: None,
    };
    if let Some(closed) = records.iter().find(|record| text(record, "record") == "closed") {
        state.state = text(closed, "outcome").to_owned();
        state.detail = closed.get("detail").and_then(Value::as_str).map(str::to_owned);
        state.approval = asked(closed);
    }
    state.approval_state = question(agents, state.approval).await?;
    Ok(Some(state))
}

/// The last question that was asked on the way.
fn asked(closed: &Map<String, Value>) -> Option<Uuid> {
    let notes = closed.get("notes")?.as_array()?;
    let asked =
        notes.iter().rev().find(|note| note.get("note").is_some_and(|note| note == "asked"));
    asked?.get("approval")?.as_str()?.parse().ok()
}

async fn question(agents: &Agents, id: Option<Uuid>) -> Result<Option<String>, Problem> {
    let Some(id) = id.and_then(|id| id.to_string().parse().ok()) else { return Ok(None) };
    let found = agents.host.gate.approvals.show(id).await.map_err(|error| {
        tracing::error!(cause = %error.cause, "a question cannot be read");
        Problem::unavailable()
    })?;
    let word = found.and_then(|request| serde_json::to_value(request.state).ok());
    Ok(word.and_then(|word| word.as_str().map(str::to_owned)))
}

fn text<'a>(record: &'a Map<String, Value>, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts(record: &Map<String, Value>, name: &str) -> Vec<String> {
    let all = record.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// Records of one call: one is opened, one admitted, one closed.
const MOST: u32 = 8;
