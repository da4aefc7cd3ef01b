//! How may somebody say who they are, besides with tokens of issuers?
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use toolward_gate::Kind;

/// What is taken besides tokens, and what is made of them.
#[derive(Clone, Debug)]
pub struct AuthenticationConfig {
    /// Whether API keys are taken.
    pub api_keys: bool,
    pub certificates: Option<CertificatesConfig>,
    pub exchange: ExchangeConfig,
}

/// Whose client certificates are taken.
#[derive(Clone, Debug)]
pub struct CertificatesConfig {
    /// A file of certificates in PEM; nobody else's are believed.
    pub roots: PathBuf,
    /// Everybody with a SPIFFE id of this trust domain is a principal; without roles, where `principals` does not
    /// name it.
    pub trust_domain: Option<String>,
    pub principals: BTreeMap<CertificateName, CertificatePrincipal>,
}

/// What a certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum CertificateName {
    /// The only URI among its alternative names.
    Spiffe(String),
    /// One of the DNS names among them, in lower case.
    Dns(String),
    /// The common name of its subject.
    CommonName(String),
}

/// Who is meant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePrincipal {
    /// The name itself, where absent.
    pub id: Option<String>,
    #[serde(default = "service")]
    pub kind: Kind,
    #[serde(default)]
    pub roles: BTreeSet<String>,
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// How tokens are exchanged for narrower ones (RFC 8693).
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// The key that signs them, in `production`. In `development` there is one beside the database.
    pub key: Option<PathBuf>,
    /// How long one lives at most, and no longer than what it was exchanged for.
    pub max_lifetime: Duration,
    /// How many times a token is exchanged again.
    pub max_depth: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self { key: None, max_lifetime: EXCHANGED_LIFETIME, max_depth: EXCHANGED_DEPTH }
    }
}

#[expect(clippy::derivable_impls, reason = "what is off is said")]
impl Default for AuthenticationConfig {
    fn default() -> Self {
        Self { api_keys: false, certificates: None, exchange: ExchangeConfig::default() }
    }
}

impl TryFrom<String> for CertificateName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("spiffe://") {
            return Ok(Self::Spiffe(text));
        }
        match text.split_once(':') {
            Some(("dns", name)) if !name.is_empty() => Ok(Self::Dns(name.to_ascii_lowercase())),
            Some(("cn", name)) if !name.is_empty() => Ok(Self::CommonName(name.to_owned())),
            _ => Err(format!(
                "`{text}` is not what a certificate says of its holder: write `spiffe://domain/path`, `dns:host.name` or `cn:common name`"
            )),
        }
    }
}

impl CertificateName {
    /// What the principal is called where the configuration names it by this alone.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Spiffe(name) | Self::Dns(name) | Self::CommonName(name) => name,
        }
    }
}

fn service() -> Kind {
    Kind::Service
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authentication {
    #[serde(default)]
    api_keys: bool,
    certificates: Option<Certificates>,
    exchange: Option<Exchange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificates {
    roots: PathBuf,
    trust_domain: Option<String>,
    #[serde(default)]
    principal: BTreeMap<CertificateName, CertificatePrincipal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    key: Option<PathBuf>,
    max_lifetime_seconds: Option<u64>,
    max_depth: Option<usize>,
}

impl Authentication {
    pub(super) fn read(self, base: &Path) -> Result<AuthenticationConfig, String> {
        let certificates = self.certificates.map(|written| written.read(base)).transpose()?;
        let exchange = self.exchange.map(|written| written.read(base)).transpose()?;
        let exchange = exchange.unwrap_or_default();
        Ok(AuthenticationConfig { api_keys: self.api_keys, certificates, exchange })
    }
}

impl Certificates {
    fn read(self, base: &Path) -> Result<CertificatesConfig, String> {
        let Self { roots, trust_domain, principal: principals } = self;
        if trust_domain.is_none() && principals.is_empty() {
            return Err(NOBODY.to_owned());
        }
        Ok(CertificatesConfig { roots: base.join(roots), trust_domain, principals })
    }
}

impl Exchange {
    fn read(self, base: &Path) -> Result<ExchangeConfig, String> {
        let usual = ExchangeConfig::default();
        let seconds = self.max_lifetime_seconds.unwrap_or(usual.max_lifetime.as_secs());
        if !(1..=MAX_EXCHANGED_SECONDS).contains(&seconds) {
            return Err(format!("`max_lifetime_seconds` is 1 to {MAX_EXCHANGED_SECONDS}"));
        }
        let max_depth = self.max_depth.unwrap_or(usual.max_depth);
        if max_depth > MAX_EXCHANGED_DEPTH {
            return Err(format!("`max_depth` is {MAX_EXCHANGED_DEPTH} at most"));
        }
        let key = self.key.map(|key| base.join(key));
        Ok(ExchangeConfig { key, max_lifetime: Duration::from_secs(seconds), max_depth })
    }
}

const NOBODY: &str = "certificates of nobody are taken: write `trust_domain = \"example.org\"` for SPIFFE ids, or a table `[authentication.certificates.principal.\"dns:robo.example.org\"]`";
const EXCHANGED_LIFETIME: Duration = Duration::from_secs(15 * 60);
const EXCHANGED_DEPTH: usize = 3;
const MAX_EXCHANGED_SECONDS: u64 = 24 * 60 * 60;
/// As many actors as a token of an issuer may name.
const MAX_EXCHANGED_DEPTH: usize = 8;
