//! What the operator lends: `policies/capabilities.toml`, read and checked.
use std::{collections::BTreeMap, sync::Arc};

use crate::{CapabilityName, Cost, CredentialName, Digest, Risk, SourceError, SourceFile};

mod destination;
mod file;
mod http;
mod meter;
mod minting;
mod pointer;
mod private;
mod response;
mod scope;
mod session;
mod slot;
mod trust;
mod wasi;

pub use destination::Destination;
pub use http::HttpScope;
pub use meter::{Meter, Quantity};
pub(crate) use pointer::unescaped;
pub use private::PrivateRanges;
pub use response::{BodyShape, DeclaredFields, Misfit, ResponseShape};
pub use scope::{Scope, ToolsScope};
pub use session::SessionPolicy;
pub use slot::{
    AwsSigV4, HeaderScheme, HmacHash, HmacTemplate, KeyForm, SignaturePlace, SignedPart, Slot,
    WrittenPart,
};
pub use trust::Trust;
pub use wasi::{DirectoryQuota, StandIn, WasiScope};

/// The interface that a capability opens, by its short name in `wit/`: `http`, `log`, `clock`, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(pub String);

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

impl CapabilityDefinition {
    /// What its requests carry.
    pub fn credential(&self) -> Option<&CredentialName> {
        self.http.as_ref()?.credential.as_ref()
    }
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
