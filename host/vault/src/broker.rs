//! What turns stored secrets into a credential for one request.
mod ask;
mod aws_keys;
mod aws_sts;
mod cache;
mod client_certificate;
mod held;
mod ingredient;
mod oauth2;
mod own;
mod static_token;

pub use ask::AskError;
pub use aws_keys::AwsKeysConfig;
pub use aws_sts::AwsStsConfig;
pub use client_certificate::{ClientCertificate, ClientCertificateConfig};
pub use oauth2::OAuth2Config;
pub use own::OwnConfig;
pub use static_token::StaticTokenConfig;

use std::{
    collections::{BTreeMap, HashMap},
    iter,
    sync::Arc,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;
use toolward_gate::{CapabilityName, CredentialName, HttpScope, Slot, SwitchTarget};
use zeroize::Zeroizing;

use crate::{
    Secret, SecretStore, SecretStoreError, VaultError, WeakSecret,
    host_request::{Endpoint, HostRequests},
    scan::{Registered, Registry},
    secret_store::watched,
};

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

impl Credential {
    /// Everything in it that may not come back.
    pub(crate) fn values(&self) -> Vec<Zeroizing<String>> {
        let text = |secret: &Secret| Zeroizing::new(secret.expose().to_owned());
        match self {
            Self::Token(secret) => vec![text(secret)],
            Self::AwsKeys { secret_access_key, session_token, .. } => {
                iter::once(secret_access_key).chain(session_token).map(text).collect()
            }
            // Its key is in no request and in no answer to one.
            Self::ClientCertificate(_) => Vec::new(),
        }
    }

    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Token(secret) => Self::Token(secret.another()),
            Self::AwsKeys { access_key_id, secret_access_key, session_token } => Self::AwsKeys {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.another(),
                session_token: session_token.as_ref().map(Secret::another),
            },
            Self::ClientCertificate(certificate) => Self::ClientCertificate(certificate.clone()),
        }
    }
}

/// A credential for one request, and which of its broker's values it is.
#[expect(missing_debug_implementations, reason = "a credential is not printed")]
pub struct Minted {
    pub(crate) credential: Credential,
    /// Absent where the broker keeps none.
    pub(crate) serial: Option<Serial>,
    /// When it ends by itself; absent where that is not known.
    pub(crate) ends: Option<Instant>,
}

impl From<Credential> for Minted {
    fn from(credential: Credential) -> Self {
        Self { credential, serial: None, ends: None }
    }
}

/// Tells the values apart that one broker has minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial(u64);

/// What a credential is minted for: known after admission, and not before.
#[derive(Clone, Copy)]
pub struct Purpose<'a> {
    pub(crate) credential: &'a CredentialName,
    pub(crate) capability: &'a CapabilityName,
    pub(crate) scope: &'a HttpScope,
    /// Who calls.
    pub(crate) principal: &'a str,
    pub(crate) house: &'a Arc<House>,
}

impl Purpose<'_> {
    /// The name of the credential, as it is configured.
    pub fn credential(&self) -> &CredentialName {
        self.credential
    }
    /// Who calls.
    pub fn principal(&self) -> &str {
        self.principal
    }
}

impl std::fmt::Debug for Purpose<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purpose").field("credential", self.credential).finish_non_exhaustive()
    }
}

/// What brokers use of this host.
#[expect(missing_debug_implementations, reason = "it knows what must not come back")]
pub struct House {
    pub(crate) requests: HostRequests,
    pub(crate) registry: Registry,
}

impl House {
    pub(crate) fn new(requests: HostRequests) -> Self {
        Self { requests, registry: Registry::default() }
    }

    /// Makes known what must not come back, for as long as the answer is held.
    pub(crate) fn know(
        &self,
        credential: &CredentialName,
        values: &[Zeroizing<String>],
    ) -> Option<Arc<Registered>> {
        let texts: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
        (!texts.is_empty()).then(|| self.registry.register(credential, &texts))
    }
}

/// Why there is no credential. It never repeats a value, nor what a server said.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error("no credential `{0}` is configured; add `[credential.{0}]`")]
    Unknown(CredentialName),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the client certificate cannot be used: {0}")]
    Certificate(&'static str),
    /// Of a broker that a program brings which embeds the host.
    #[error("the broker has none: {0}")]
    Own(&'static str),
}

impl MintError {
    /// Stable: whoever counts failures tells them apart by it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "secret-store",
            Self::Unknown(_) => "unknown-credential",
            Self::Ask(_) => "endpoint",
            Self::Certificate(_) => "certificate",
            Self::Own(_) => "own",
        }
    }
}

/// Turns stored secrets into a credential.
#[async_trait]
pub trait Broker: Send + Sync {
    /// A credential for one request that passed every check. What is kept of it, and for how long, is the
    /// broker's business.
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError>;
    /// What a server answered to a request with this value. One that it did not take is dropped.
    fn answered(&self, _serial: Serial, _status: StatusCode) {}
    /// Drops every value that it keeps.
    fn forget(&self) {}
    /// Drops every value that was lent for this provider, or every one, and says how to have its server take it
    /// no longer. Empty where the server cannot be told.
    fn withdraw(&self, _provider: Option<&str>, _house: &Arc<House>) -> Vec<Revocation> {
        Vec::new()
    }
}

/// Has a server take a value no longer. It ends after some seconds, one way or the other.
pub type Revocation = BoxFuture<'static, Result<(), AskError>>;

/// Every kind of broker, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BrokerConfig {
    StaticToken(StaticTokenConfig),
    #[serde(rename = "oauth2-client-credentials")]
    OAuth2(OAuth2Config),
    AwsKeys(AwsKeysConfig),
    AwsSts(AwsStsConfig),
    ClientCertificate(ClientCertificateConfig),
    Own(OwnConfig),
}

impl BrokerConfig {
    /// As it is written in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StaticToken(_) => "static-token",
            Self::OAuth2(_) => "oauth2-client-credentials",
            Self::AwsKeys(_) => "aws-keys",
            Self::AwsSts(_) => "aws-sts",
            Self::ClientCertificate(_) => "client-certificate",
            Self::Own(_) => "own",
        }
    }

    /// Where its values come from, for an operator. Never a value.
    pub fn origin(&self) -> String {
        match self {
            Self::StaticToken(config) => config.origin(),
            Self::OAuth2(config) => config.origin(),
            Self::AwsKeys(config) => config.origin(),
            Self::AwsSts(config) => config.origin(),
            Self::ClientCertificate(config) => config.origin(),
            Self::Own(config) => config.origin(),
        }
    }

    /// Whether the capability lets a tool ask where the host asks for these values.
    pub fn asks_where(&self, scope: &HttpScope) -> bool {
        let endpoints: Vec<Endpoint> = match self {
            Self::OAuth2(config) => config.endpoints().cloned().collect(),
            Self::AwsSts(config) => config.endpoint().into_iter().collect(),
            Self::StaticToken(_) | Self::AwsKeys(_) | Self::ClientCertificate(_) | Self::Own(_) => {
                Vec::new()
            }
        };
        let among = |endpoint: &Endpoint| {
            scope.destinations.iter().any(|one| endpoint.is_among(one, &scope.paths))
        };
        endpoints.iter().any(among)
    }

    /// Whether its values are as narrow as the capability's `session_policy`.
    pub fn takes_session_policy(&self) -> bool {
        matches!(self, Self::AwsSts(_))
    }

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
            stores.get(name).map(watched).ok_or_else(unknown)
        };
        match self {
            Self::StaticToken(config) => Ok(config.broker(store(&config.store)?)),
            Self::OAuth2(config) => Ok(config.broker(store(&config.store)?)),
            Self::AwsKeys(config) => Ok(config.broker(store(&config.store)?)),
            Self::AwsSts(config) => Ok(config.broker(store(&config.store)?)),
            Self::ClientCertificate(config) => Ok(config.broker(store(&config.store)?)),
            Self::Own(_) => Err(VaultError::NoBroker { credential: credential.to_string() }),
        }
    }

    /// Whether what it mints can go into the slot.
    pub fn fits(&self, slot: &Slot) -> bool {
        match slot {
            Slot::Header { .. } | Slot::Query { .. } | Slot::Cookie { .. } => {
                matches!(self, Self::StaticToken(_) | Self::OAuth2(_) | Self::Own(_))
            }
            Slot::Hmac(_) => matches!(self, Self::StaticToken(_) | Self::Own(_)),
            Slot::AwsSigV4(_) => matches!(self, Self::AwsKeys(_) | Self::AwsSts(_)),
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

    pub(crate) async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        match self.0.get(purpose.credential) {
            Some(broker) => broker.mint(purpose).await,
            None => Err(MintError::Unknown(purpose.credential.clone())),
        }
    }

    /// The tool's request is not sent again when its credential was refused: the tool sees the answer, and
    /// whether it may ask twice is its own business.
    pub(crate) fn answered(&self, name: &CredentialName, serial: Serial, status: StatusCode) {
        if let Some(broker) = self.0.get(name) {
            broker.answered(serial, status);
        }
    }

    pub(crate) fn forget(&self) {
        self.0.values().for_each(|broker| broker.forget());
    }

    /// What a switch withdraws: every value, those of one credential, or those that were lent for one provider.
    /// The other switches stop some of those who may use a value, and the rest go on with it.
    pub(crate) fn withdraw(
        &self,
        thrown: &SwitchTarget,
        house: &Arc<House>,
    ) -> Vec<(CredentialName, Revocation)> {
        let of = |name: &CredentialName, broker: &Arc<dyn Broker>| match thrown {
            SwitchTarget::Everything => broker.withdraw(None, house),
            SwitchTarget::Credential(one) if one == name.as_str() => broker.withdraw(None, house),
            SwitchTarget::Provider(provider) => broker.withdraw(Some(provider), house),
            SwitchTarget::Credential(_)
            | SwitchTarget::Tool(_)
            | SwitchTarget::Digest(_)
            | SwitchTarget::Capability(_)
            | SwitchTarget::Use { .. }
            | SwitchTarget::Principal(_) => Vec::new(),
        };
        let named = self.0.iter().flat_map(|(name, broker)| {
            of(name, broker).into_iter().map(|revocation| (name.clone(), revocation))
        });
        named.collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
