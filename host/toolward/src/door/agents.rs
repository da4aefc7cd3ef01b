//! What is there for agents? The routes of the address under `[listen]`.
use std::sync::Arc;

use axum::{Json, Router, extract::State};
use serde::{Deserialize, Serialize};
use toolward_gate::{ApprovalId, CapabilityName, Principal};
use toolward_state::State as Remembered;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    guard::{Guard, METADATA},
    mcp_http,
    problem::Problem,
    rest,
    routes::{Token, guarded},
    scopes::Scopes,
    token,
};
use crate::{
    authn::PROOF_ALGORITHMS,
    config::{Config, LimitsConfig},
    host::Host,
};

/// What the routes for agents share.
#[derive(Clone)]
pub struct Agents {
    pub host: Arc<Host>,
    /// The same that the host remembers things in.
    pub(super) state: Remembered,
    pub guard: Arc<Guard>,
    /// Whom to ask for a token.
    pub issuers: Arc<[String]>,
    /// For which scope to ask.
    scopes: Arc<Scopes>,
    pub(super) mcp: mcp_http::Service,
    /// Of a request's body.
    pub(super) body_bytes: usize,
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agents").finish_non_exhaustive()
    }
}

impl Agents {
    pub fn new(
        host: Arc<Host>,
        state: Remembered,
        guard: Arc<Guard>,
        config: &Config,
        limits: LimitsConfig,
    ) -> Self {
        let (body_bytes, page) = (limits.body_bytes, config.approval.page.clone());
        Self {
            mcp: mcp_http::service(host.clone(), state.clone(), body_bytes, page),
            host,
            state,
            guard,
            issuers: config.issuers.keys().cloned().collect(),
            scopes: Arc::new(Scopes::of(config)),
            body_bytes,
        }
    }

    /// The scope of a token with which this caller could call the tool; `None` where no other one would help.
    pub(super) fn missing_scope(&self, principal: &Principal, tool: &str) -> Option<String> {
        let tool = self.host.tools.find_serving(tool)?;
        let needed = tool.manifest.wants.iter().filter(|want| want.required);
        let needed: Vec<&CapabilityName> = needed.map(|want| &want.capability).collect();
        self.scopes.missing(principal, &needed)
    }
}

/// Paths that need no token.
pub const OPEN: &[&str] = &["/healthz", "/readyz", "/openapi.json", METADATA, METADATA_OF_MCP];

/// What the document begins with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Toolward",
        description = "Agent tools that run in a sandbox, under policies, with credentials they never see.",
    ),
    modifiers(&Token),
    tags((name = "tools"), (name = "calls"), (name = "budgets"), (name = "tokens"), (name = "mcp"), (name = "host")),
)]
struct Document;

/// Everything behind one guard.
pub fn router(agents: &Agents) -> Router {
    guarded(routes(), agents.clone(), agents.guard.clone())
}

/// A route is in the document, or is not there.
fn routes() -> OpenApiRouter<Agents> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(rest::list_tools))
        .routes(routes!(rest::show_tool))
        .routes(routes!(rest::call))
        .routes(routes!(rest::show_call))
        .routes(routes!(rest::budgets::list_budgets))
        .routes(routes!(token::exchange))
        .routes(routes!(mcp_http::answer))
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(metadata))
        .routes(routes!(metadata_of_mcp))
}

/// The OpenAPI document of these routes.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_routes, document) = routes().split_for_parts();
    document
}

/// That the process answers.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: String,
}

/// Say that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "host", responses(
    (status = 200, description = "It does.", body = Health),
))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Say whether calls are taken: the database answers.
#[utoipa::path(get, path = "/readyz", tag = "host", responses(
    (status = 200, description = "They are.", body = Health),
    (status = 503, description = "They are not.", body = Problem, content_type = "application/problem+json"),
))]
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
    /// Words that a token's scope may have, where the configuration maps them.
    pub scopes_supported: Vec<String>,
}

/// Say which tokens are taken (RFC 9728).
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource", tag = "host", responses(
    (status = 200, description = "Whom to ask for one.", body = Metadata),
))]
async fn metadata(State(agents): State<Agents>) -> Json<Metadata> {
    Json(agents.metadata(""))
}

/// The same, for `/mcp`.
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource/mcp", tag = "host", responses(
    (status = 200, description = "Whom to ask for one.", body = Metadata),
))]
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
            dpop_signing_alg_values_supported: PROOF_ALGORITHMS.map(str::to_owned).to_vec(),
            scopes_supported: self.scopes.supported(),
        }
    }
}

/// RFC 9728 section 3.1: the resource's path comes after the well-known one.
const METADATA_OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";
