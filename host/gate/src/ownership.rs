//! Whose credential is it, and who else may use it, until when?
//!
//! A credential whose owners are named is theirs. Others use it while a grant lasts: asked when the call is
//! decided, when it is admitted, and each time before the credential is put into a request. One without owners
//! is open to whom the policies allow.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Call, Clock, CredentialName, Principal, Refusal, Stop, Terms, ToolName, Unavailable};

/// Who owns a credential, or is granted its use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Party {
    Principal(String),
    Role(String),
    Group(String),
    /// Whoever the policies let call it.
    Tool(ToolName),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is nobody: write `principal`, `role`, `group` or `tool`, a colon and a name, as in `role:billing`"
)]
pub struct PartyError(String);

impl Party {
    /// Whether this principal, with this tool, is one of them.
    fn includes(&self, principal: &Principal, tool: &ToolName) -> bool {
        match self {
            Self::Tool(name) => name == tool,
            Self::Principal(_) | Self::Role(_) | Self::Group(_) => {
                self.has(principal.id(), principal.roles(), principal.groups())
            }
        }
    }

    /// Whether somebody is one of them. A tool is nobody.
    pub fn has(&self, id: &str, roles: &BTreeSet<String>, groups: &BTreeSet<String>) -> bool {
        match self {
            Self::Principal(name) => name == id,
            Self::Role(name) => roles.contains(name),
            Self::Group(name) => groups.contains(name),
            Self::Tool(_) => false,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(name) => write!(f, "principal:{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Tool(name) => write!(f, "tool:{name}"),
        }
    }
}

impl FromStr for Party {
    type Err = PartyError;
    fn from_str(text: &str) -> Result<Self, PartyError> {
        let wrong = || PartyError(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
            return Err(wrong());
        }
        match kind {
            "principal" => Ok(Self::Principal(name.to_owned())),
            "role" => Ok(Self::Role(name.to_owned())),
            "group" => Ok(Self::Group(name.to_owned())),
            "tool" => name.parse().map(Self::Tool).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Party {
    type Error = PartyError;
    fn try_from(text: String) -> Result<Self, PartyError> {
        text.parse()
    }
}

impl From<Party> for String {
    fn from(party: Party) -> Self {
        party.to_string()
    }
}

/// Leave to use a credential of somebody else, which ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialGrant {
    pub credential: CredentialName,
    pub to: Party,
    /// With this tool only; absent, with whatever tools the policies let it call.
    pub tool: Option<ToolName>,
    pub by: String,
    pub reason: String,
    pub since: Timestamp,
    pub ends_at: Timestamp,
}

impl CredentialGrant {
    fn covers(&self, principal: &Principal, tool: &ToolName, now: Timestamp) -> bool {
        self.ends_at > now
            && self.tool.as_ref().is_none_or(|only| only == tool)
            && self.to.includes(principal, tool)
    }
}

/// Where grants are kept, so that they hold across restarts and on every host.
#[async_trait]
pub trait GrantBook: Send + Sync {
    /// The grants that have not ended: of one credential, or of all.
    async fn grants(
        &self,
        of: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable>;
    /// Keeps a grant, in place of one to the same party with the same tool, and records it in the same
    /// transaction.
    async fn grant(&self, grant: CredentialGrant) -> Result<(), Unavailable>;
    /// Ends a grant, and records it in the same transaction; `false` where there is none.
    async fn revoke(
        &self,
        credential: &CredentialName,
        to: &Party,
        tool: Option<&ToolName>,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable>;
}

/// Whose the credentials are that are somebody's.
pub type Owners = BTreeMap<CredentialName, BTreeSet<Party>>;

/// The owners of this host's credentials, and the book of grants. Clones are the same.
#[derive(Clone)]
pub struct Ownership(Arc<Owned>);

struct Owned {
    owners: Arc<Owners>,
    book: Arc<dyn GrantBook>,
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ownership").field("owners", &self.0.owners).finish_non_exhaustive()
    }
}

impl Ownership {
    pub fn new(owners: Arc<Owners>, book: Arc<dyn GrantBook>) -> Self {
        Self(Arc::new(Owned { owners, book }))
    }

    /// Every credential is open to whom the policies allow.
    pub fn open() -> Self {
        Self::without_grants(Arc::default())
    }

    /// Nobody but owners.
    pub fn without_grants(owners: Arc<Owners>) -> Self {
        Self::new(owners, Arc::new(NoGrants))
    }

    /// The credentials that this principal may not use with this tool.
    pub async fn not_yours(
        &self,
        principal: &Principal,
        tool: &ToolName,
        now: Timestamp,
    ) -> Result<BTreeSet<CredentialName>, Unavailable> {
        let owns =
            |owners: &BTreeSet<Party>| owners.iter().any(|one| one.includes(principal, tool));
        let others = self.0.owners.iter().filter(|(_, owners)| !owns(owners));
        let mut others: BTreeSet<_> = others.map(|(name, _)| name.clone()).collect();
        if !others.is_empty() {
            let grants = self.0.book.grants(None).await?;
            let covering = grants.iter().filter(|one| one.covers(principal, tool, now));
            for one in covering {
                others.remove(&one.credential);
            }
        }
        Ok(others)
    }

    /// Refuses a call whose terms have it use a credential that is not its caller's, or no longer.
    pub(crate) async fn check(
        &self,
        call: &Call,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let not_yours = self.not_yours(&call.principal, &call.tool.name, now).await?;
        for (capability, scope) in &terms.egress.http {
            let credential = scope.credential.as_ref().filter(|one| not_yours.contains(*one));
            if let Some(credential) = credential.cloned() {
                let (tool, capability) = (call.tool.name.clone(), capability.clone());
                return Err(Refusal::NotYours { tool, capability, credential }.into());
            }
        }
        Ok(())
    }

    /// What the call asks before each use.
    pub(crate) fn custody(&self, call: &Call, clock: Arc<dyn Clock>) -> Custody {
        let (principal, tool) = (call.principal.clone(), call.tool.name.clone());
        Custody { ownership: self.clone(), principal, tool, clock }
    }
}

/// Whether one running call may still use a credential.
#[derive(Clone)]
pub struct Custody {
    ownership: Ownership,
    principal: Principal,
    tool: ToolName,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custody").field("tool", &self.tool).finish_non_exhaustive()
    }
}

/// Why a credential is not put into a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CustodyError {
    #[error("the credential is neither the caller's nor granted to it any longer")]
    NotYours,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Custody {
    /// Asked at the moment of use: a grant that has ended or was revoked ends it.
    pub async fn check(&self, credential: &CredentialName) -> Result<(), CustodyError> {
        if !self.ownership.0.owners.contains_key(credential) {
            return Ok(());
        }
        let now = self.clock.now();
        let not_yours = self.ownership.not_yours(&self.principal, &self.tool, now).await?;
        if not_yours.contains(credential) { Err(CustodyError::NotYours) } else { Ok(()) }
    }
}

/// A book in which nothing is written.
struct NoGrants;

#[async_trait]
impl GrantBook for NoGrants {
    async fn grants(
        &self,
        _: Option<&CredentialName>,
    ) -> Result<Vec<CredentialGrant>, Unavailable> {
        Ok(Vec::new())
    }
    async fn grant(&self, _: CredentialGrant) -> Result<(), Unavailable> {
        Err(Unavailable::new("the book of grants", "there is none"))
    }
    async fn revoke(
        &self,
        _: &CredentialName,
        _: &Party,
        _: Option<&ToolName>,
        _: &str,
        _: &str,
    ) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
