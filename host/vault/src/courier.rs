//! What the host itself brings elsewhere: it tells a webhook, or puts an object into a bucket.
//!
//! It goes the way of every request of the host's own: to the one URL that is configured, over TLS, from an address
//! that was checked, without redirects, within 10 seconds.
mod bucket;
mod listing;

pub use bucket::{Bucket, BucketConfig};

use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use toolward_gate::PrivateRanges;

use crate::{
    SecretName, SecretStore, SecretStoreError,
    egress::EgressSettings,
    grant::VaultError,
    host_request::{Endpoint, HostRequests, PostError},
    webhook::{self, UnfitKey},
};

/// Why something was not brought. Nothing here repeats what a server said.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error(transparent)]
    Request(#[from] PostError),
    #[error("the server answers {0}")]
    Status(u16),
    #[error("the server's answer cannot be used: {0}")]
    Answer(&'static str),
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    #[error("the message cannot be signed: {0}")]
    Unsigned(#[from] UnfitKey),
}

/// The way out.
pub struct Courier(HostRequests);

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Courier {
    /// Fails when the extra roots are not certificates in PEM form.
    pub fn new(settings: EgressSettings) -> Result<Self, VaultError> {
        Ok(Self(HostRequests::of(settings)?))
    }
}

/// Who is told, and with which key it can be told who spoke.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    url: Endpoint,
    /// Where it may be although it is not globally reachable.
    #[serde(default)]
    allow_private: PrivateRanges,
    /// The secret store that holds the key.
    pub store: String,
    /// The name of the key there: any text, or `whsec_` and Base64.
    secret: SecretName,
}

/// A webhook: its messages are signed as Standard Webhooks says.
pub struct Webhook {
    config: WebhookConfig,
    store: Arc<dyn SecretStore>,
    courier: Arc<Courier>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Webhook {
    pub fn new(config: WebhookConfig, store: Arc<dyn SecretStore>, courier: Arc<Courier>) -> Self {
        Self { config, store, courier }
    }

    /// For an operator.
    pub fn name(&self) -> String {
        format!("the webhook `{}`", self.config.url)
    }

    /// Tells it a JSON text. Who hears the same `id` twice has heard it once. Fails unless the server says that it
    /// took it.
    pub async fn tell(&self, id: &str, json: &str) -> Result<(), DeliveryError> {
        let requests = &self.courier.0;
        let key = self.store.read(&self.config.secret).await?;
        let headers = webhook::signed(&key, id, requests.clock.now(), json)?;
        let Self { config, .. } = self;
        let body = json.as_bytes().to_vec();
        let answer =
            requests.send(Method::POST, &config.url, &config.allow_private, headers, body).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(DeliveryError::Status(answer.status.as_u16()))
        }
    }
}

#[cfg(test)]
mod tests;
