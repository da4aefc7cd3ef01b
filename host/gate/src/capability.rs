//! What the operator lends: `policies/capabilities.toml`, read and checked.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{CapabilityName, Cost, CredentialName, PathPattern, Risk};

/// The interface that a capability opens, by its short name in `wit/`: `http`, `log`, `clock`, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(pub String);

/// One scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub https: bool,
    /// Lower case; an address literal without brackets.
    pub host: String,
    pub port: u16,
}

/// How the credential is written into its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderScheme {
    /// `Bearer ` and the value (RFC 6750 section 2.1).
    Bearer,
    /// `Basic ` and base64 of the value, which is `user:password` (RFC 7617 section 2).
    Basic,
    /// The value alone.
    Raw,
}

/// Where the credential goes. The guest can neither name, move nor write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    Header { name: String, scheme: HeaderScheme },
    Query { name: String },
}

/// What a response may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseShape {
    /// Media types without parameters, lower case; empty allows any.
    pub content_types: BTreeSet<String>,
    /// Of the decoded body.
    pub max_bytes: usize,
}

/// What requests a capability allows.
#[derive(Clone, Debug)]
pub struct HttpScope {
    pub destinations: Vec<Destination>,
    /// Upper case.
    pub methods: BTreeSet<String>,
    pub paths: Vec<PathPattern>,
    /// The query keys a request may carry; `None` allows any.
    pub query: Option<BTreeSet<String>>,
    /// Whether the destination may be an address that is not globally reachable (loopback, private ranges).
    pub allow_private: bool,
    pub credential: Option<CredentialName>,
    /// Present exactly when a credential is.
    pub slot: Option<Slot>,
    /// Of the request body.
    pub max_request_bytes: usize,
    pub response: ResponseShape,
}

/// The unit of authority, as the operator defines it.
#[derive(Clone, Debug)]
pub struct CapabilityDefinition {
    pub name: CapabilityName,
    pub interface: Interface,
    pub risk: Risk,
    /// For each call that uses it.
    pub cost: Cost,
    /// For a reviewer.
    pub description: String,
    /// Present exactly when the interface is `http`.
    pub http: Option<Arc<HttpScope>>,
}

/// Every capability of this host.
#[derive(Clone, Debug, Default)]
pub struct Capabilities(pub BTreeMap<CapabilityName, CapabilityDefinition>);
