//! A call: who asks, for which tool, with what.
use std::{collections::BTreeSet, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    CapabilityName, ComponentName, Digest, JsonError, Notes, Parent, Proven, ToolName, json,
};

/// Names one call. Version 7, so that ids sort by the time they were made (RFC 9562 section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(Uuid);

impl CallId {
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who calls: the kind of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Agent,
    User,
    Service,
}

/// What authentication found out. Not yet a principal.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: String,
    pub kind: Kind,
    /// What it may do, as its issuer or its operator says.
    pub roles: BTreeSet<String>,
    /// Where it belongs, as in a team or a tenant.
    pub groups: BTreeSet<String>,
    /// For whom it acts, nearest first.
    pub acts_for: Vec<String>,
    /// The capabilities its token allows; `None` where the token says nothing. A scope only narrows.
    pub scope: Option<BTreeSet<CapabilityName>>,
    /// When what proved the identity ends.
    pub ends_at: Option<Timestamp>,
}

/// Someone whose credentials were checked at a door.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Identity>, Arc<[Proven]>, Option<Arc<str>>);

impl Principal {
    /// Notes that the door has checked who is speaking.
    pub fn authenticated(identity: Identity) -> Self {
        Self::proven(identity, Vec::new())
    }
    /// The same, and by what: the token that was shown stands last, after those it was exchanged for.
    pub fn proven(identity: Identity, by: Vec<Proven>) -> Self {
        Self(Arc::new(identity), by.into(), None)
    }
    /// The same, whose token is good at this door alone.
    #[must_use]
    pub fn only_through(self, door: &str) -> Self {
        Self(self.0, self.1, Some(door.into()))
    }
    /// The only door that its token is good at; any, where absent.
    pub fn door(&self) -> Option<&str> {
        self.2.as_deref()
    }
    /// What proved the identity, the oldest first; empty where the configuration named the caller.
    pub fn proven_by(&self) -> &[Proven] {
        &self.1
    }
    pub fn id(&self) -> &str {
        &self.0.id
    }
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    pub fn roles(&self) -> &BTreeSet<String> {
        &self.0.roles
    }
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.0.groups
    }
    pub fn acts_for(&self) -> &[String] {
        &self.0.acts_for
    }
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at
    }
    /// The capabilities that its token leaves; `None` where the token says nothing.
    pub fn scope(&self) -> Option<&BTreeSet<CapabilityName>> {
        self.0.scope.as_ref()
    }
    /// Whether the principal's token leaves room for this capability.
    pub fn in_scope(&self, capability: &CapabilityName) -> bool {
        self.0.scope.as_ref().is_none_or(|scope| scope.contains(capability))
    }
    /// The same principal with a token that allows these capabilities at most, and never more than it did.
    pub(crate) fn within(&self, capabilities: BTreeSet<CapabilityName>) -> Self {
        let scope = capabilities.into_iter().filter(|one| self.in_scope(one)).collect();
        let identity = Identity { scope: Some(scope), ..Identity::clone(&self.0) };
        Self(Arc::new(identity), self.1.clone(), self.2.clone())
    }
    /// Whether `id` is this principal or somebody it acts for: nobody of them decides about its calls.
    pub fn is_or_acts_for(&self, id: &str) -> bool {
        self.0.id == id || self.0.acts_for.iter().any(|one| one == id)
    }
}

/// A capability that a tool's manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    pub capability: CapabilityName,
    pub required: bool,
}

/// The tool a call is for, pinned to the digest of its component.
#[derive(Clone, Debug)]
pub struct ToolRef {
    pub name: ToolName,
    pub component: ComponentName,
    /// SHA-256 over the bytes that are compiled.
    pub digest: Digest,
    pub wants: Arc<[Want]>,
}

/// Why a text cannot be the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    #[error("the arguments are not acceptable JSON: {0}")]
    Json(#[from] JsonError),
    #[error("the arguments must be a JSON object, as in `{{\"city\": \"Berlin\"}}`")]
    NotAnObject,
    #[error("the arguments cannot be written canonically (RFC 8785): {0}")]
    Canonical(String),
}

/// Arguments in canonical form (RFC 8785): one text and one digest for one meaning.
#[derive(Clone, Debug)]
pub struct Arguments {
    value: Value,
    canonical: Arc<str>,
    digest: Digest,
}

impl Arguments {
    /// Reads the arguments strictly: no duplicate keys, no number that canonical JSON would change.
    pub fn parse(text: &str) -> Result<Self, ArgumentsError> {
        Self::from_value(json::parse(text)?)
    }

    pub fn from_value(value: Value) -> Result<Self, ArgumentsError> {
        if !value.is_object() {
            return Err(ArgumentsError::NotAnObject);
        }
        json::check(&value)?;
        let canonical = json::canonical(&value).map_err(ArgumentsError::Canonical)?;
        let digest = Digest::of(canonical.as_bytes());
        Ok(Self { value, canonical: canonical.into(), digest })
    }

    pub fn value(&self) -> &Value {
        &self.value
    }
    /// The text that the tool gets, that approvals are shown and that the digest is taken over.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// How far a running tool says it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    pub done: u64,
    pub total: Option<u64>,
    pub message: String,
}

/// What a running tool says to its caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Progress(Progress),
    /// A part of the result, as the tool wrote it.
    Part(String),
}

/// Where it goes: to the door that asked for it, or nowhere.
#[derive(Clone, Debug, Default)]
pub struct ProgressSink(Option<mpsc::Sender<Said>>);

impl ProgressSink {
    pub fn to(sender: mpsc::Sender<Said>) -> Self {
        Self(Some(sender))
    }
    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }
    /// Waits while the reader is slow; `false` once nobody listens.
    pub async fn say(&self, said: Said) -> bool {
        match &self.0 {
            Some(sender) => sender.send(said).await.is_ok(),
            None => false,
        }
    }
}

/// What a door hands to the host.
#[derive(Debug)]
pub struct Call {
    pub id: CallId,
    pub principal: Principal,
    pub tool: ToolRef,
    pub arguments: Arguments,
    /// The door it came through, as in `mcp-stdio`.
    pub door: &'static str,
    pub notes: Notes,
    pub progress: ProgressSink,
    /// The call of the tool that calls this one; absent where a door does.
    pub parent: Option<Parent>,
}

/// Names what an approval is given for: principal and whom it acts for, tool and digest, arguments,
/// capabilities, policy version, and the tools on whose behalf it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallDigest(Digest);

impl CallDigest {
    pub fn digest(&self) -> Digest {
        self.0
    }
    pub fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }
}

impl Call {
    /// The digest of this call under one version of the policies.
    pub fn digest(&self, capabilities: &[CapabilityName], policy_version: Digest) -> CallDigest {
        // Each list by a digest of its own: no name in it can hold what would stand between two.
        let acts_for: Vec<&[u8]> = self.principal.acts_for().iter().map(String::as_bytes).collect();
        let capabilities: Vec<&str> = capabilities.iter().map(CapabilityName::as_str).collect();
        let callers = self.parent.iter().flat_map(Parent::running).map(ToolName::as_str);
        CallDigest(Digest::of_parts(&[
            b"toolward-call-2",
            self.principal.id().as_bytes(),
            Digest::of_parts(&acts_for).as_bytes(),
            self.tool.name.as_str().as_bytes(),
            self.tool.digest.as_bytes(),
            self.arguments.digest().as_bytes(),
            capabilities.join("\n").as_bytes(),
            policy_version.as_bytes(),
            callers.collect::<Vec<_>>().join("\n").as_bytes(),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_call_is_the_same_wherever_it_is_written() {
        let text = "01890f3e-7b6a-7c3d-8e2f-9a0b1c2d3e4f";
        let uuid: Uuid = text.parse().unwrap();
        let id = CallId::from_uuid(uuid);
        assert_eq!((id.as_uuid(), id.to_string().as_str()), (uuid, text));
        assert_eq!(serde_json::to_value(id).unwrap(), text);
        let (one, two) = (CallId::generate(), CallId::generate());
        assert!(one < two && one.as_uuid() != two.as_uuid());
    }
}
