//! How long does a secret store take, and does it answer? A span around each read, without the secret's name.
use std::sync::Arc;

use async_trait::async_trait;
use toolward_gate::{STEP, step};
use tracing::{debug_span, field::Empty};

use crate::{Secret, SecretName, SecretStore, SecretStoreError};

/// The same store, with a span around each read.
pub(crate) fn watched(store: &Arc<dyn SecretStore>) -> Arc<dyn SecretStore> {
    Arc::new(Watched(store.clone()))
}

struct Watched(Arc<dyn SecretStore>);

#[async_trait]
impl SecretStore for Watched {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError> {
        let span = debug_span!(target: STEP, "secret-store", outcome = Empty);
        step(span, self.0.read(name), |_| "failed").await
    }
    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError> {
        self.0.list().await
    }
    async fn write(&self, name: &SecretName, value: Secret) -> Result<(), SecretStoreError> {
        self.0.write(name, value).await
    }
    async fn remove(&self, name: &SecretName) -> Result<bool, SecretStoreError> {
        self.0.remove(name).await
    }
}
