//! How does a running tool call another one? The port; the host carries the call.
use async_trait::async_trait;
use toolward_gate::{CallId, Parent, Principal, Stop, ToolName};

use crate::run::Output;

/// What a running tool asks of another one.
#[derive(Debug)]
pub struct Delegation {
    /// The id of the call that is to be made.
    pub call: CallId,
    pub parent: Parent,
    /// The caller of the running tool, with what the called one may use at most.
    pub principal: Principal,
    pub tool: ToolName,
    /// JSON, as the running tool wrote it.
    pub arguments: String,
}

/// Why a called tool gave no result.
#[derive(Debug)]
pub enum DelegationError {
    /// The request is not a call: nothing ran, and nothing was recorded. The text says what to change.
    Unread(String),
    /// There is no such tool in this host.
    NotThere,
    Stopped(Stop),
}

/// Carries a call of a tool for another one, through everything that a call from a door goes through.
#[async_trait]
pub trait ToolCaller: Send + Sync {
    /// Ends the called tool when the future is dropped.
    async fn call(&self, delegation: Delegation) -> Result<Output, DelegationError>;
}
