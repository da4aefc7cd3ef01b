//! What a record of the trail holds.
use std::collections::BTreeSet;

use serde::Serialize;

use super::Note;
use crate::{
    Approval, ApprovalId, Basis, CallId, ComponentName, Cost, Digest, Kind, Reservation, Stop,
    Tally, ToolName,
};

/// Written before anything happens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opened {
    pub call: CallId,
    pub principal: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    pub acts_for: Vec<String>,
    pub door: &'static str,
    pub component: ComponentName,
    pub tool: ToolName,
    pub tool_digest: Digest,
    /// The arguments themselves stay out of the trail.
    pub arguments_digest: Digest,
    /// The call of the tool that calls this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// The process that carries the call, as the log knows it: it fills this in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Written together with what is set aside and spent for a call, before anything of it leaves the host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Admitted {
    pub call: CallId,
    /// Why the policy said yes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The yes that is spent on this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    pub reserved: Cost,
}

impl Admitted {
    pub fn of(reservation: &Reservation<'_>) -> Self {
        let allowed = |note| if let Note::Allowed(basis) = note { Some(basis) } else { None };
        Self {
            call: reservation.call.id,
            basis: reservation.call.notes.read().into_iter().rev().find_map(allowed),
            approval: reservation.approval.as_ref().map(Approval::id),
            reserved: reservation.usage.total().cost,
        }
    }
}

/// Written after a call, in whatever way it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Closed {
    pub call: CallId,
    #[serde(flatten)]
    pub ending: Ending,
    pub cost: Cost,
    #[serde(skip_serializing_if = "is_none_used")]
    pub tokens: u64,
    /// The same by provider, and what else was used.
    #[serde(skip_serializing_if = "Tally::names_nobody")]
    pub used: Tally,
    pub millis: u64,
    pub notes: Vec<Note>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_used(tokens: &u64) -> bool {
    *tokens == 0
}

/// How a call ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ending {
    /// `ok`, or the code of the stop.
    pub outcome: String,
    /// The stop in words; absent for `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Ending {
    pub fn of<T>(outcome: &Result<T, Stop>) -> Self {
        match outcome {
            Ok(_) => Self { outcome: "ok".to_owned(), detail: None },
            Err(stop) => Self { outcome: stop.code().to_owned(), detail: Some(stop.to_string()) },
        }
    }
}

/// What an operator changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    pub by: String,
    /// As in `kill-on`, `kill-off`, `approval-approve`, `approval-deny`, `tool-add`, `secret-set`.
    pub action: String,
    pub subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One record of the trail.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    Opened(Opened),
    Admitted(Admitted),
    Closed(Closed),
    Changed(Change),
}

impl Record {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Admitted(_) => "admitted",
            Self::Closed(_) => "closed",
            Self::Changed(_) => "changed",
        }
    }
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Opened(opened) => Some(opened.call),
            Self::Admitted(admitted) => Some(admitted.call),
            Self::Closed(closed) => Some(closed.call),
            Self::Changed(_) => None,
        }
    }
}
