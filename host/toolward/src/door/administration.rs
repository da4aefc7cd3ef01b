//! What is there for people? The routes of the address under `[administration]`. No agent's token opens one.
mod acceptances;
mod approvals;
mod budgets;
mod metrics;
mod switches;
mod trail;

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, extract::Request, http::StatusCode};
use serde::de::DeserializeOwned;
use toolward_gate::{Kind, Principal, Unavailable};
use toolward_state::State;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    agents, body,
    guard::Guard,
    problem::Problem,
    routes::{Token, guarded},
};
use crate::telemetry::Telemetry;

/// What the routes for people share.
#[derive(Clone, Debug)]
pub struct Administration {
    pub state: State,
    pub guard: Arc<Guard>,
    /// Who may throw switches and read the trail.
    pub roles: Arc<BTreeSet<String>>,
    /// Who may see besides how the host is doing.
    pub readers: Arc<BTreeSet<String>>,
    /// What measures the host, where something does.
    pub telemetry: Option<Arc<Telemetry>>,
    /// Of a request's body.
    pub body_bytes: usize,
}

/// Paths that need no token.
pub const OPEN: &[&str] = &["/healthz", "/openapi.json"];

/// What the document begins with.
#[derive(OpenApi)]
#[openapi(
    info(title = "Toolward administration", description = "Where people decide, stop and look."),
    modifiers(&Token),
    tags((name = "approvals"), (name = "switches"), (name = "budgets"), (name = "tools"), (name = "audit"), (name = "host")),
)]
struct Document;

/// Everything behind one guard.
pub fn router(administration: &Administration) -> Router {
    guarded(routes(), administration.clone(), administration.guard.clone())
}

/// A route is in the document, or is not there.
fn routes() -> OpenApiRouter<Administration> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(switches::list, switches::throw))
        .routes(routes!(switches::lift))
        .routes(routes!(acceptances::list))
        .routes(routes!(acceptances::accept))
        .routes(routes!(budgets::list))
        .routes(routes!(trail::search))
        .routes(routes!(metrics::show))
        .routes(routes!(agents::health))
}

/// The OpenAPI document of these routes.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_routes, document) = routes().split_for_parts();
    document
}

impl Administration {
    /// Whoever has one of the roles may throw switches and read the trail.
    fn operates(&self, principal: &Principal) -> Result<(), Problem> {
        has_one(principal, self.roles.iter())
    }

    /// They, and whoever has a role for it, may see numbers: what is used up, and what is measured.
    fn watches(&self, principal: &Principal) -> Result<(), Problem> {
        has_one(principal, self.roles.union(&self.readers))
    }

    /// What the body of a request says; `wrong` is what is said of one that says something else.
    async fn read<T: DeserializeOwned>(&self, request: Request, wrong: &str) -> Result<T, Problem> {
        let (parts, body) = request.into_parts();
        body::read(&parts.headers, body, self.body_bytes, wrong).await
    }
}

fn has_one<'a>(
    principal: &Principal,
    roles: impl Iterator<Item = &'a String>,
) -> Result<(), Problem> {
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    if roles.iter().any(|role| principal.roles().contains(*role)) {
        return Ok(());
    }
    let detail = format!("this needs one of the roles `{}`", roles.join("`, `"));
    Err(Problem::new(StatusCode::FORBIDDEN, "no-role", detail))
}

/// A question is answered by a person, who speaks for nobody else and through nobody else.
fn is_a_person(principal: &Principal) -> Result<(), Problem> {
    if principal.kind() != Kind::User || !principal.acts_for().is_empty() {
        let detail = "a person decides, with a token of their own";
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-a-person", detail));
    }
    Ok(())
}

/// What the operator's log says more about.
fn unavailable(error: &Unavailable) -> Problem {
    tracing::error!(cause = %error.cause, "the administration cannot read or write");
    Problem::unavailable()
}

/// Of a reason, characters.
const REASON: usize = 4096;
