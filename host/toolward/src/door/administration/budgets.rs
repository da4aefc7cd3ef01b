//! How far are the limits of everybody used up?
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
};
use toolward_gate::Principal;

use super::{
    super::{
        budgets::{Asked, Budgets, page},
        problem::Problem,
    },
    Administration,
};

/// List the limits that calls were last held to, and what is left of each.
#[utoipa::path(get, path = "/v1/budgets", tag = "budgets", params(Asked), security(("token" = [])), responses(
    (status = 200, description = "The limits, by principal and tool.", body = Budgets),
    (status = 400, description = "A parameter that is none.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not with these roles.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Budgets>, Problem> {
    administration.watches(&principal)?;
    let Query(asked) = asked?;
    page(&administration.state, asked, |_| true).await.map(Json)
}
