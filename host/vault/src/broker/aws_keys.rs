//! Stored keys for AWS, used as they are. They are read for each request, so that new ones count at once.
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Broker, Credential, MintError, Minted, Purpose, held::Held};
use crate::{SecretName, SecretStore};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKeysConfig {
    /// The secret store that holds them.
    pub store: String,
    /// The names that the keys have there.
    pub access_key_id: SecretName,
    pub secret_access_key: SecretName,
    /// Where the keys are temporary.
    pub session_token: Option<SecretName>,
}

impl AwsKeysConfig {
    pub(super) fn origin(&self) -> String {
        format!(
            "the secrets `{}` and `{}` of the store `{}`",
            self.access_key_id, self.secret_access_key, self.store
        )
    }

    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        Arc::new(AwsKeys { store, config: self.clone(), held: Held::default() })
    }
}

struct AwsKeys {
    store: Arc<dyn SecretStore>,
    config: AwsKeysConfig,
    held: Held,
}

#[async_trait]
impl Broker for AwsKeys {
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        let AwsKeysConfig { access_key_id, secret_access_key, session_token, .. } = &self.config;
        let id = self.store.read(access_key_id).await?;
        let session_token = match session_token {
            Some(name) => Some(self.store.read(name).await?),
            None => None,
        };
        let keys = Credential::AwsKeys {
            // It stands in every request beside the signature, and opens nothing without its key.
            access_key_id: id.expose().to_owned(),
            secret_access_key: self.store.read(secret_access_key).await?,
            session_token,
        };
        Ok(self.held.hold(purpose, keys))
    }
}
