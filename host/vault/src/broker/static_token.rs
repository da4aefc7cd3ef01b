//! A stored value, used as it is. It is read for each request, so that a new value counts at once.
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Broker, Credential, MintError, Minted, Purpose, held::Held};
use crate::{SecretName, SecretStore};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticTokenConfig {
    /// The secret store that holds the value.
    pub store: String,
    /// The value's name there.
    pub secret: SecretName,
}

impl StaticTokenConfig {
    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        Arc::new(StaticToken { store, secret: self.secret.clone(), held: Held::default() })
    }

    pub(super) fn origin(&self) -> String {
        format!("the secret `{}` of the store `{}`", self.secret, self.store)
    }
}

struct StaticToken {
    store: Arc<dyn SecretStore>,
    secret: SecretName,
    held: Held,
}

#[async_trait]
impl Broker for StaticToken {
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        let value = self.store.read(&self.secret).await?;
        Ok(self.held.hold(purpose, Credential::Token(value)))
    }
}
