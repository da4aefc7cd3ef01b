//! What is there for people? The routes of the address under `[administration]`. No agent's token opens one.
mod approvals;
mod switches;
mod trail;

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, http::StatusCode};
use toolward_gate::{Kind, Principal, Unavailable};
use toolward_state::State;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    agents,
    guard::Guard,
    problem::Problem,
    routes::{Token, guarded},
};

/// What the routes for people share.
#[derive(Clone, Debug)]
pub struct Administration {
    pub state: State,
    pub guard: Arc<Guard>,
    /// Who may throw switches and read the trail.
    pub roles: Arc<BTreeSet<String>>,
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
    tags((name = "approvals"), (name = "switches"), (name = "audit"), (name = "host")),
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
        .routes(routes!(trail::search))
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
        if self.roles.is_disjoint(principal.roles()) {
            let roles: Vec<&str> = self.roles.iter().map(String::as_str).collect();
            let detail = format!("this needs one of the roles `{}`", roles.join("`, `"));
            return Err(Problem::new(StatusCode::FORBIDDEN, "no-role", detail));
        }
        Ok(())
    }
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
