//! What happens on the way of a call, as its entry will tell it.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    AnswerLimits, ApprovalId, Basis, CallId, CapabilityName, CredentialName, Digest, Recording,
    ToolName, Usage,
};

/// One thing that happened on the way of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "note", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Note {
    Allowed(Basis),
    Asked {
        approval: ApprovalId,
        policy_version: Digest,
    },
    /// What the policies refused.
    Refused {
        /// The policies that forbade it; empty where none permits it.
        policies: Vec<String>,
        policy_version: Digest,
    },
    /// The arguments, as far as the policies have them recorded.
    Arguments {
        recording: Recording,
        arguments: serde_json::Value,
    },
    Approved {
        approval: ApprovalId,
        by: BTreeSet<String>,
        /// What they narrowed their yes to.
        #[serde(skip_serializing_if = "AnswerLimits::is_none")]
        limits: AnswerLimits,
    },
    /// A capability that no policy permits, used because people allowed it for a time.
    Exceptional {
        approval: ApprovalId,
        capability: CapabilityName,
        by: BTreeSet<String>,
        ends_at: Timestamp,
    },
    /// A request that left. Never its query, headers or body.
    Sent {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        status: u16,
        sent_bytes: u64,
        received_bytes: u64,
        millis: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A request that left, and has no response that counts.
    Unanswered {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        code: String,
        millis: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A request that did not leave.
    NotSent {
        capability: String,
        code: String,
    },
    /// A response that was kept from the tool because it held a credential.
    Withheld {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        /// Whose value it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        credential: Option<CredentialName>,
        /// Which value it was: an HMAC of it under a key of this host.
        fingerprint: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A line that the tool logged.
    Logged {
        level: String,
        message: String,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, String>,
    },
    /// A tool that this one called. The called tool has an entry of its own, which names this call.
    Called {
        capability: CapabilityName,
        tool: ToolName,
        call: CallId,
        outcome: String,
        millis: u64,
    },
    /// A tool that was not called.
    NotCalled {
        capability: String,
        code: String,
    },
    /// A use of an interface that the program lends which embeds the host.
    Used {
        capability: CapabilityName,
        interface: String,
        function: String,
        code: String,
        millis: u64,
    },
    /// Log lines over the limit.
    LogDropped {
        lines: u64,
    },
}

/// What a metered request was charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Charge {
    #[serde(flatten)]
    pub usage: Usage,
    /// What the response said; empty where it did not say, and the most was charged.
    pub quantities: BTreeMap<String, u64>,
}

/// What happens on the way of one call. Clones write on the same page; the audit entry ends with it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    pub fn add(&self, note: Note) {
        self.page().push(note);
    }
    pub fn read(&self) -> Vec<Note> {
        self.page().clone()
    }
    fn page(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
