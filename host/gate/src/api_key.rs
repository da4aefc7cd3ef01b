//! Static keys, for those who have nothing else: what is remembered of one. Never the key.
use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CapabilityName, Digest, Identity, Kind, Unavailable};

/// One key, and who speaks with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// It stands in the key, and opens nothing.
    pub id: String,
    /// SHA-256 of the key's secret part, which has 256 random bits: no slower hash would protect it better.
    #[serde(skip)]
    pub hash: Option<Digest>,
    pub principal: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    /// The capabilities that it leaves; `None` for all that policies allow.
    pub scope: Option<BTreeSet<CapabilityName>>,
    /// Who made it.
    pub by: String,
    pub created_at: Timestamp,
    pub ends_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Who speaks with it.
    pub fn identity(&self) -> Identity {
        Identity {
            id: self.principal.clone(),
            kind: self.kind,
            roles: self.roles.clone(),
            groups: BTreeSet::new(),
            acts_for: Vec::new(),
            scope: self.scope.clone(),
            ends_at: Some(self.ends_at),
        }
    }
}

/// Where keys are kept.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// The key of this id, also one that has ended or was revoked.
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, Unavailable>;
    /// Every key, by the time it was made.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, Unavailable>;
    /// Keeps a new key, and records it in the audit trail in the same transaction.
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Unavailable>;
    /// Ends a key, denies what runs with it, and records it, in one transaction; `false` where there is none of
    /// this id that still opens something.
    async fn revoke_api_key(&self, id: &str, by: &str, reason: &str) -> Result<bool, Unavailable>;
}

/// Who vouches for these keys, as [`crate::Proven`] names it.
pub const API_KEY_ISSUER: &str = "urn:toolward:api-keys";
