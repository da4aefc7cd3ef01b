//! Which requests does a capability allow?
use std::collections::BTreeSet;

use super::{
    BodyShape, Destination, Meter, PrivateRanges, ResponseShape, SessionPolicy, Slot, Trust,
};
use crate::{CredentialName, PathPattern};

/// What requests a capability allows.
#[derive(Clone, Debug)]
pub struct HttpScope {
    pub destinations: Vec<Destination>,
    /// Upper case.
    pub methods: BTreeSet<String>,
    pub paths: Vec<PathPattern>,
    /// The query keys a request may carry; `None` allows any.
    pub query: Option<BTreeSet<String>>,
    /// Header fields that a tool may set besides those that every request may carry. Lower case.
    pub headers: BTreeSet<String>,
    /// Where the destination may be although it is not globally reachable.
    pub allow_private: PrivateRanges,
    pub tls: Trust,
    pub credential: Option<CredentialName>,
    /// What a session of the credential may do, where it is minted for the capability.
    pub session_policy: Option<SessionPolicy>,
    /// Present exactly when a credential is.
    pub slot: Option<Slot>,
    /// Of the request body.
    pub max_request_bytes: usize,
    pub response: ResponseShape,
    /// Whether the server learns which trace a request belongs to. It can then tell that requests belong together,
    /// and to what else: by default it cannot.
    pub trace_context: bool,
    /// Absent: requests cost what the call costs.
    pub meter: Option<Meter>,
}

impl HttpScope {
    /// Whether a tool may read a response while it comes in. What is metered is read whole first.
    pub fn is_streamed(&self) -> bool {
        self.response.body == BodyShape::Streamed && self.meter.is_none()
    }
}
