//! What do the routes of every listener have in common? A document that says what there is, one guard, and an answer
//! for everything else.
use std::sync::Arc;

use axum::{Json, Router, http::StatusCode, middleware::from_fn_with_state, routing::get};
use utoipa::{
    Modify,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use super::{
    guard::{self, Guard},
    problem::Problem,
};

/// The routes, and their document at `/openapi.json`: all of it behind the guard.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(
    routes: OpenApiRouter<S>,
    state: S,
    guard: Arc<Guard>,
) -> Router {
    let (routes, document) = routes.split_for_parts();
    let document = Arc::new(document);
    routes
        .route("/openapi.json", get(move || async move { Json(document) }))
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .with_state(state)
        .layer(from_fn_with_state(guard, guard::admit))
}

/// How requests are authenticated, as the document says it.
pub(super) struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

async fn nothing() -> Problem {
    Problem::not_found("there is nothing at this path; `/openapi.json` lists what there is")
}

async fn other_method() -> Problem {
    let detail = "the path takes other methods; `/openapi.json` lists them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
