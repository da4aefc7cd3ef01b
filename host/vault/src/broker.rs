//! What turns stored secrets into a credential for one request.
mod static_token;

pub use static_token::StaticTokenConfig;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;
use toolward_gate::CredentialName;

use crate::{Secret, SecretStore, SecretStoreError, VaultError};

/// What a credential is made of. Closed, so that signing stays in one match.
#[expect(missing_debug_implementations, reason = "a credential is not printed")]
pub enum Credential {
    /// A value that goes into its slot as it is.
    Token(Secret),
}

/// Why there is no credential. It never repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error("no credential `{0}` is configured; add `[credential.{0}]`")]
    Unknown(CredentialName),
}

/// Turns stored secrets into a credential.
#[async_trait]
pub trait Broker: Send + Sync {
    async fn mint(&self) -> Result<Credential, MintError>;
}

/// Every kind of broker, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BrokerConfig {
    StaticToken(StaticTokenConfig),
}

impl BrokerConfig {
    /// Fails when a store that it names is not configured.
    pub fn broker(
        &self,
        credential: &CredentialName,
        stores: &BTreeMap<String, Arc<dyn SecretStore>>,
    ) -> Result<Arc<dyn Broker>, VaultError> {
        let store = |name: &str| {
            let unknown = || VaultError::UnknownStore {
                credential: credential.to_string(),
                store: name.to_owned(),
            };
            stores.get(name).cloned().ok_or_else(unknown)
        };
        match self {
            Self::StaticToken(config) => Ok(config.broker(store(&config.store)?)),
        }
    }
}

/// The brokers of this host, by the name of what they mint.
#[derive(Default)]
pub struct Credentials(HashMap<CredentialName, Arc<dyn Broker>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    pub fn add(&mut self, name: CredentialName, broker: Arc<dyn Broker>) {
        self.0.insert(name, broker);
    }

    pub(crate) async fn mint(&self, name: &CredentialName) -> Result<Credential, MintError> {
        match self.0.get(name) {
            Some(broker) => broker.mint().await,
            None => Err(MintError::Unknown(name.clone())),
        }
    }
}
