//! What is there for agents? The routes of the address under `[listen]`.
use std::sync::Arc;

use axum::{
    Json, Router, extract::State, http::StatusCode, middleware::from_fn_with_state, routing::get,
};
use serde::{Deserialize, Serialize};
use toolward_gate::ApprovalId;
use utoipa::ToSchema;

use super::{
    guard::{self, Guard, METADATA},
    problem::Problem,
};
use crate::host::Host;

/// What the routes for agents share.
#[derive(Clone, Debug)]
pub struct Agents {
    pub host: Arc<Host>,
    pub guard: Arc<Guard>,
    /// Whom to ask for a token.
    pub issuers: Arc<[String]>,
}

/// Paths that need no token.
pub const OPEN: &[&str] = &["/healthz", "/readyz", METADATA, METADATA_OF_MCP];

/// Everything behind one guard.
pub fn router(agents: &Agents) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route(METADATA, get(metadata))
        .route(METADATA_OF_MCP, get(metadata_of_mcp))
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .with_state(agents.clone())
        .layer(from_fn_with_state(agents.guard.clone(), guard::admit))
}

/// That the process answers.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: String,
}

pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether calls would be taken: the database answers.
pub(super) async fn ready(State(agents): State<Agents>) -> Result<Json<Health>, Problem> {
    // A question that nobody asked: what counts is that there is an answer.
    let asked = agents.host.gate.approvals.show(ApprovalId::generate()).await;
    asked.map(|_| Json(Health { status: "ready".to_owned() })).map_err(|error| {
        tracing::error!(cause = %error.cause, "the host is not ready");
        Problem::unavailable()
    })
}

/// Which tokens are taken here (RFC 9728 section 2).
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    pub resource: String,
    pub resource_name: String,
    pub authorization_servers: Vec<String>,
    pub bearer_methods_supported: Vec<String>,
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// The capabilities that tools may want.
    pub scopes_supported: Vec<String>,
}

async fn metadata(State(agents): State<Agents>) -> Json<Metadata> {
    Json(agents.metadata(""))
}

async fn metadata_of_mcp(State(agents): State<Agents>) -> Json<Metadata> {
    Json(agents.metadata("/mcp"))
}

impl Agents {
    fn metadata(&self, path: &str) -> Metadata {
        Metadata {
            resource: format!("{}{path}", self.guard.place.url),
            resource_name: "Toolward".to_owned(),
            authorization_servers: self.issuers.to_vec(),
            bearer_methods_supported: vec!["header".to_owned()],
            dpop_signing_alg_values_supported: ALGORITHMS.map(str::to_owned).to_vec(),
            scopes_supported: Vec::new(),
        }
    }
}

pub(super) async fn nothing() -> Problem {
    Problem::not_found("there is nothing at this path; `/openapi.json` lists what there is")
}

pub(super) async fn other_method() -> Problem {
    let detail = "the path takes other methods; `/openapi.json` lists them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// RFC 9728 section 3.1: the resource's path comes after the well-known one.
const METADATA_OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";
const ALGORITHMS: [&str; 5] = ["EdDSA", "ES256", "ES384", "PS256", "RS256"];
