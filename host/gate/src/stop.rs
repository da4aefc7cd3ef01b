//! Why a call stopped short. Every way has a stable code and a text that an agent may read.
use std::{sync::Arc, time::Duration};

use crate::{ApprovalId, CapabilityName, Cause, Cost, CredentialName, ToolName, Window};

/// A store or a feed did not answer. The host stops rather than guesses.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what} cannot be read or written")]
pub struct Unavailable {
    pub what: &'static str,
    /// For the log of the operator; never shown to a caller.
    pub cause: Arc<str>,
}

impl Unavailable {
    pub fn new(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self { what, cause: cause.to_string().into() }
    }
}

/// What a tool itself reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFailure {
    /// The tool's own code, as in `not-found`.
    pub code: String,
    pub message: String,
}

/// Which limit of its terms a run met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("memory")]
    Memory,
    #[error("stack")]
    Stack,
    #[error("result size")]
    Output,
    #[error("handles")]
    Handles,
    #[error("bytes passed to the host")]
    HostCall,
    #[error("tables and their elements")]
    Tables,
    #[error("instances")]
    Instances,
    #[error("values in its arguments or its result")]
    Values,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum Stop {
    #[error(
        "held for approval `{approval}`: {summary}; call again with the same arguments once it is approved"
    )]
    Held { approval: ApprovalId, summary: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("halted while running: {0}")]
    Halted(Cause),
    #[error("the tool failed: {}", .0.message)]
    Failed(ToolFailure),
    #[error("the tool met its limit of {0}")]
    Limit(Limit),
    /// The cause is for the operator's log; a caller learns only that the tool crashed.
    #[error("the tool crashed")]
    Trapped { cause: Arc<str> },
    #[error(
        "the tool answered with something that does not fit its output schema; the operator's log says where"
    )]
    BadOutput { cause: Arc<str> },
    #[error("the caller cancelled the call")]
    Cancelled,
    #[error("the host stopped the call: {0}; the operator's log says why")]
    Unavailable(#[from] Unavailable),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no policy permits this call")]
    Forbidden,
    #[error("the caller's token is for another door than `{door}`")]
    OtherDoor { door: &'static str },
    #[error("`{tool}` needs the capability `{capability}`{}, which is not granted to this call", opens(.interface))]
    NotGranted {
        tool: ToolName,
        capability: CapabilityName,
        /// The interface it opens, where the operator defined it.
        interface: Option<String>,
    },
    #[error(
        "`{tool}` needs the credential `{credential}` for the capability `{capability}`, and it is neither the caller's nor granted to it; one of its owners can grant it"
    )]
    NotYours { tool: ToolName, capability: CapabilityName, credential: CredentialName },
    #[error("the component imports `{interface}`, which none of the capabilities in its manifest opens{}", list_wanted(.wanted))]
    NotLinked { interface: String, wanted: Vec<CapabilityName> },
    #[error("`{by}` said no{}", after_colon(.comment))]
    Denied { by: String, comment: String },
    #[error(
        "nobody of those who were asked answered in time; ask them, and call again once the question has expired"
    )]
    Unanswered,
    #[error(
        "{open} questions of this principal wait for a person already, and more are not asked; call again once some are answered"
    )]
    TooManyQuestions { open: u32 },
    #[error(
        "the person who approved the call allowed at most {most}, and it may come to more; ask for a yes without that limit"
    )]
    OverApproved { most: Cost },
    #[error("the approval was spent by another call; call again to ask anew")]
    AlreadySpent,
    #[error("over the rate of {calls}/{window}; {}", again(.retry_after))]
    OverRate { calls: u32, window: Window, retry_after: Option<Duration> },
    #[error("the budget is spent; try again once its window has moved on, or ask for a larger one")]
    OverBudget,
    #[error("too many calls wait for their turn already; try again in a moment")]
    QueueFull,
    #[error("its turn did not come within {} s; try again in a moment", whole_seconds(.waited))]
    QueueTime { waited: Duration },
    #[error("not started: {0}")]
    Halted(Cause),
}

fn again(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(time) => format!("try again in {} s", whole_seconds(time)),
        None => "ask for a larger one".to_owned(),
    }
}

fn opens(interface: &Option<String>) -> String {
    let text = |interface: &String| format!(" (interface `{interface}`)");
    interface.as_ref().map(text).unwrap_or_else(|| " (defined by nobody)".to_owned())
}

fn list_wanted(wanted: &[CapabilityName]) -> String {
    if wanted.is_empty() {
        return "; it wants none".to_owned();
    }
    let names: Vec<&str> = wanted.iter().map(CapabilityName::as_str).collect();
    format!("; it wants `{}`", names.join("`, `"))
}

fn after_colon(comment: &str) -> String {
    if comment.is_empty() { String::new() } else { format!(": {comment}") }
}

/// Rounded up: who tries again after them is not too early.
fn whole_seconds(time: &Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

impl Stop {
    /// Stable: programs match on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Refused(refusal) => refusal.code(),
            Self::Halted(cause) => cause.code(),
            Self::Failed(_) => "tool-failed",
            Self::Limit(_) => "limit",
            Self::Trapped { .. } => "tool-crashed",
            Self::BadOutput { .. } => "bad-output",
            Self::Cancelled => "cancelled",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::OtherDoor { .. } => "other-door",
            Self::NotGranted { .. } => "not-granted",
            Self::NotYours { .. } => "not-yours",
            Self::NotLinked { .. } => "not-linked",
            Self::Denied { .. } => "denied",
            Self::Unanswered => "unanswered",
            Self::TooManyQuestions { .. } => "too-many-questions",
            Self::OverApproved { .. } => "over-approved",
            Self::AlreadySpent => "already-spent",
            Self::OverRate { .. } => "over-rate",
            Self::OverBudget => "over-budget",
            Self::QueueFull => "queue-full",
            Self::QueueTime { .. } => "queue-time",
            Self::Halted(cause) => cause.code(),
        }
    }
}

#[cfg(test)]
mod tests;
