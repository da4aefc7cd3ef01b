//! With which credential? (signatures only, until the crate lands)
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use toolward_gate::{Call, CapabilityName, Cause, CredentialName, Permit};

pub struct Secret(secrecy::SecretString);
impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(secrecy::SecretString::from(value.into()))
    }
}
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is not a secret name")]
pub struct SecretNameError(String);
impl FromStr for SecretName {
    type Err = SecretNameError;
    fn from_str(s: &str) -> Result<Self, SecretNameError> {
        Ok(Self(s.to_owned()))
    }
}
impl TryFrom<String> for SecretName {
    type Error = SecretNameError;
    fn try_from(s: String) -> Result<Self, SecretNameError> {
        s.parse()
    }
}
impl From<SecretName> for String {
    fn from(n: SecretName) -> Self {
        n.0
    }
}
impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretStoreError(pub String);
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MintError(pub String);
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct VaultError(pub String);
#[async_trait]
pub trait SecretStore: Send + Sync {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError>;
    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError>;
    async fn write(&self, name: &SecretName, value: Secret) -> Result<(), SecretStoreError>;
    async fn remove(&self, name: &SecretName) -> Result<bool, SecretStoreError>;
}
pub trait PassphraseSource: Send + Sync {
    fn ask(&self, prompt: &str) -> Result<Secret, SecretStoreError>;
}
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlock {
    Passphrase,
    KeyFile(PathBuf),
    Keyring,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    pub path: PathBuf,
    pub unlock: Unlock,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvConfig {
    pub prefix: String,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretStoreConfig {
    File(FileConfig),
    Env(EnvConfig),
}
impl SecretStoreConfig {
    pub fn open(
        &self,
        _base: &Path,
        _passphrases: Arc<dyn PassphraseSource>,
    ) -> Result<Arc<dyn SecretStore>, SecretStoreError> {
        Err(SecretStoreError("not yet".into()))
    }
}
pub struct Credential(());
#[async_trait]
pub trait Broker: Send + Sync {
    async fn mint(&self) -> Result<Credential, MintError>;
}
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticTokenConfig {
    pub store: String,
    pub secret: SecretName,
}
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BrokerConfig {
    StaticToken(StaticTokenConfig),
}
impl BrokerConfig {
    pub fn broker(
        &self,
        _stores: &BTreeMap<String, Arc<dyn SecretStore>>,
    ) -> Result<Arc<dyn Broker>, VaultError> {
        Err(VaultError("not yet".into()))
    }
}
#[derive(Default)]
pub struct Credentials(BTreeMap<CredentialName, Arc<dyn Broker>>);
impl Credentials {
    pub fn add(&mut self, name: CredentialName, broker: Arc<dyn Broker>) {
        self.0.insert(name, broker);
    }
}
#[derive(Clone, Debug)]
pub struct EgressSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub connect_timeout: Duration,
    pub denied: Vec<std::net::SocketAddr>,
}
impl Default for EgressSettings {
    fn default() -> Self {
        Self { extra_roots_pem: None, connect_timeout: Duration::from_secs(10), denied: vec![] }
    }
}
pub struct Vault(());
impl Vault {
    pub fn new(_c: Credentials, _s: EgressSettings) -> Result<Self, VaultError> {
        Ok(Self(()))
    }
    pub fn equip(&self, permit: Permit) -> Grant {
        Grant { permit, egress: Egress(()) }
    }
}
#[must_use]
pub struct Grant {
    permit: Permit,
    egress: Egress,
}
impl Grant {
    pub fn call(&self) -> &Call {
        self.permit.call()
    }
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
    pub fn egress(&self) -> &Egress {
        &self.egress
    }
}
pub struct Egress(());
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    pub methods: Option<BTreeSet<String>>,
    pub path_prefix: Option<String>,
}
#[derive(Debug)]
pub struct Outbound {
    pub capability: CapabilityName,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub narrowing: Narrowing,
}
pub struct Scanned {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}
impl Scanned {
    pub fn status(&self) -> u16 {
        self.status
    }
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("{0}")]
    NotAllowed(String),
    #[error("address denied")]
    AddressDenied,
    #[error("connection failed")]
    ConnectionFailed,
    #[error("{0}")]
    ResponseRefused(String),
    #[error("too large: {0}")]
    ResponseTooLarge(u64),
    #[error("withheld")]
    Withheld,
    #[error("credential unavailable")]
    CredentialUnavailable,
    #[error("over: {0}")]
    Over(Cause),
}
impl Egress {
    pub async fn send(&self, _outbound: Outbound) -> Result<Scanned, EgressError> {
        Err(EgressError::ConnectionFailed)
    }
}
