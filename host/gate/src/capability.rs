//! What the operator lends: `policies/capabilities.toml`, read and checked.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    CapabilityName, Cost, CredentialName, Digest, PathPattern, Risk, SourceError, SourceFile,
};

mod file;
mod scope;
mod wasi;

pub use scope::{Scope, ToolsScope};
pub use wasi::{StandIn, WasiScope};

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

impl Destination {
    /// Reads `scheme://host` or `scheme://host:port`. Fails with what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, authority) = text.split_once("://").ok_or("it has no scheme")?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err("its scheme is neither `https` nor `http`"),
        };
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err("it has more than scheme, host and port");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("its bracket is not closed")?,
            None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
        };
        let literal = authority.starts_with('[');
        let named =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let fits = if literal {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            host.bytes().all(named) && host.split('.').all(|label| !label.is_empty())
        };
        if !fits {
            return Err("its host is not a name in lower case, nor an address");
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or("its port is not a number from 1 to 65535")?,
            None if port.is_empty() => {
                if https {
                    443
                } else {
                    80
                }
            }
            None => return Err("something follows its address"),
        };
        Ok(Self { https, host: host.to_owned(), port })
    }

    /// `host` or `host:port`, as in a `Host` header; the default port is left out (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.https { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
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
    /// Header fields that a tool may set besides those that every request may carry. Lower case.
    pub headers: BTreeSet<String>,
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
    /// Present exactly when the interface is `http` or `wasi-http`.
    pub http: Option<Arc<HttpScope>>,
    pub wasi: Option<Arc<WasiScope>>,
    pub scope: Option<Arc<Scope>>,
}

/// Every capability of this host.
#[derive(Clone, Debug, Default)]
pub struct Capabilities(pub BTreeMap<CapabilityName, CapabilityDefinition>);

impl Capabilities {
    /// Reads `capabilities.toml`. `interfaces` are the short names of those that this host can link.
    pub fn parse(file: &SourceFile, interfaces: &[&str]) -> Result<Self, Vec<SourceError>> {
        file::parse(file, interfaces)
    }

    pub fn find(&self, name: &CapabilityName) -> Option<&CapabilityDefinition> {
        self.0.get(name)
    }

    /// Names these definitions, whatever file and order they were written in.
    pub fn digest(&self) -> Digest {
        let parts: Vec<String> =
            self.0.values().map(|definition| format!("{definition:?}")).collect();
        Digest::of_parts(&parts.iter().map(String::as_bytes).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests;
