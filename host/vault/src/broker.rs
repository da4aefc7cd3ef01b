//! What turns stored secrets into a credential for one request.
mod aws_keys;
mod client_certificate;
mod static_token;

pub use aws_keys::AwsKeysConfig;
pub use client_certificate::{ClientCertificate, ClientCertificateConfig};
pub use static_token::StaticTokenConfig;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;
use toolward_gate::{CredentialName, Slot};

use crate::{Secret, SecretStore, SecretStoreError, VaultError, WeakSecret};

/// What a credential is made of. Closed, so that signing stays in one match.
#[expect(missing_debug_implementations, reason = "a credential is not printed")]
pub enum Credential {
    /// A value that goes into its slot as it is, or the key of a signature.
    Token(Secret),
    /// For AWS Signature Version 4.
    AwsKeys { access_key_id: String, secret_access_key: Secret, session_token: Option<Secret> },
    /// Shown when a connection is made.
    ClientCertificate(Arc<ClientCertificate>),
}

/// A credential's values, while one request is signed.
pub(crate) enum Exposed<'a> {
    Token(&'a str),
    AwsKeys(AwsKeys<'a>),
    /// Its key signs handshakes, and is in no request.
    ClientCertificate(&'a Arc<ClientCertificate>),
}

/// The identity and the keys of a signer for AWS.
pub(crate) struct AwsKeys<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) token: Option<&'a str>,
}

impl Credential {
    /// Fails when a value could be guessed with the help of the response scan, or does not fit one line.
    pub(crate) fn check(&self) -> Result<(), WeakSecret> {
        match self {
            Self::Token(secret) => secret.check(),
            Self::AwsKeys { secret_access_key, session_token, .. } => {
                secret_access_key.check()?;
                session_token.as_ref().map_or(Ok(()), Secret::check)
            }
            Self::ClientCertificate(_) => Ok(()),
        }
    }

    pub(crate) fn expose(&self) -> Exposed<'_> {
        match self {
            Self::Token(secret) => Exposed::Token(secret.expose()),
            Self::AwsKeys { access_key_id, secret_access_key, session_token } => {
                Exposed::AwsKeys(AwsKeys {
                    id: access_key_id,
                    secret: secret_access_key.expose(),
                    token: session_token.as_ref().map(Secret::expose),
                })
            }
            Self::ClientCertificate(shown) => Exposed::ClientCertificate(shown),
        }
    }
}

/// Why there is no credential. It never repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error("no credential `{0}` is configured; add `[credential.{0}]`")]
    Unknown(CredentialName),
    #[error("the client certificate cannot be used: {0}")]
    Certificate(&'static str),
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
    AwsKeys(AwsKeysConfig),
    ClientCertificate(ClientCertificateConfig),
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
            Self::AwsKeys(config) => Ok(config.broker(store(&config.store)?)),
            Self::ClientCertificate(config) => Ok(config.broker(store(&config.store)?)),
        }
    }

    /// Whether what it mints can go into the slot.
    pub fn fits(&self, slot: &Slot) -> bool {
        match slot {
            Slot::Header { .. } | Slot::Query { .. } | Slot::Cookie { .. } | Slot::Hmac(_) => {
                matches!(self, Self::StaticToken(_))
            }
            Slot::AwsSigV4(_) => matches!(self, Self::AwsKeys(_)),
            Slot::ClientCertificate => matches!(self, Self::ClientCertificate(_)),
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
