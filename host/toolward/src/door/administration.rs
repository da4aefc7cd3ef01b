//! What is there for people? The routes of the address under `[administration]`. No agent's token opens one.
use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, middleware::from_fn_with_state, routing::get};
use toolward_state::State;

use super::{
    agents::{health, nothing, other_method},
    guard::{self, Guard},
};

/// What the routes for people share.
#[derive(Clone, Debug)]
pub struct Administration {
    pub state: State,
    pub guard: Arc<Guard>,
    /// Who may throw switches and read the trail.
    pub roles: Arc<BTreeSet<String>>,
}

/// Paths that need no token.
pub const OPEN: &[&str] = &["/healthz"];

/// Everything behind one guard.
pub fn router(administration: &Administration) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .with_state(administration.clone())
        .layer(from_fn_with_state(administration.guard.clone(), guard::admit))
}
