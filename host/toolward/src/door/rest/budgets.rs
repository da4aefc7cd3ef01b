//! How far are the caller's own limits used up?
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use toolward_gate::{By, Principal, Standing};
use utoipa::IntoParams;

use super::super::{
    agents::Agents,
    budgets::{Asked, Budgets, page},
    problem::Problem,
};

/// Which of them; everything that is given must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::door) struct OwnAsked {
    /// Calls of which tool.
    #[param(max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    tool: Option<String>,
    /// What was `next` on the page before.
    #[param(max_length = 321)]
    after: Option<String>,
    /// Tools, at most.
    #[param(minimum = 1, maximum = 100)]
    most: Option<u32>,
}

/// List the limits that the caller's own calls were last held to, and what is left of each.
///
/// A limit that counts the calls of everybody is left out: its numbers say what others do.
#[utoipa::path(get, path = "/v1/budgets", tag = "budgets", params(OwnAsked), security(("token" = [])), responses(
    (status = 200, description = "The caller's limits, by tool.", body = Budgets),
    (status = 400, description = "A parameter that is none.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::door) async fn list_budgets(
    State(agents): State<Agents>,
    Extension(principal): Extension<Principal>,
    asked: Result<Query<OwnAsked>, QueryRejection>,
) -> Result<Json<Budgets>, Problem> {
    let Query(OwnAsked { tool, after, most }) = asked?;
    let asked = Asked { principal: Some(principal.id().to_owned()), tool, after, most };
    page(&agents.state, asked, is_of_one).await.map(Json)
}

fn is_of_one(standing: &Standing) -> bool {
    standing.limit.by() != By::Tool
}
