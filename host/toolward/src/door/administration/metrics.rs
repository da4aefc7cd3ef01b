//! How is the host doing? As Prometheus reads it.
use axum::{
    Extension,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use toolward_gate::Principal;

use super::{super::problem::Problem, Administration};
use crate::telemetry::METRICS_TYPE;

/// Tell the metrics, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "host", security(("token" = [])), responses(
    (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
    (status = 403, description = "Not with these roles.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Nothing is measured.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
) -> Result<Response, Problem> {
    administration.watches(&principal)?;
    let telemetry = administration.telemetry.as_ref().ok_or_else(|| {
        Problem::not_found(
            "nothing is measured: the operator adds `[telemetry]` to the configuration",
        )
    })?;
    let text = telemetry.text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::unavailable()
    })?;
    Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}
