//! What can a capability say about an interface of this host other than `http`?
use std::{collections::BTreeSet, time::Duration};

use crate::{CapabilityName, KeyQuota, ToolName};

/// What a capability lends besides its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// How much a tool may remember.
    KeyValue(KeyQuota),
    /// How finely a tool may tell the time.
    Clock(Duration),
    /// Which tools a tool may call.
    Tools(ToolsScope),
}

/// Which tools may be called, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolsScope {
    pub tools: BTreeSet<ToolName>,
    /// What a called tool may use besides what its caller was granted itself.
    pub lends: BTreeSet<CapabilityName>,
}
