//! What the settings mean.
mod approval;
mod audit;
mod authentication;
mod credential;
mod edit;
mod file;
mod find;
mod issuer;
mod listen;
mod memory;
mod sandbox;
mod telemetry;

pub use approval::{ApprovalConfig, ApprovalPage, PersonConfig};
pub use audit::{AuditConfig, CheckpointsConfig};
pub use authentication::{
    AuthenticationConfig, CertificateName, CertificatePrincipal, CertificatesConfig, ExchangeConfig,
};
pub use edit::{Edit, Wanted};
pub use find::{find, user_path};
pub use issuer::{IssuerConfig, KeysConfig, MappedClaim};
pub use listen::{ADMINISTRATION, AdministrationConfig, LimitsConfig, ListenConfig, TlsConfig};
pub use memory::{MemoryConfig, Swap};
pub use sandbox::SandboxConfig;
pub use telemetry::{OtlpConfig, TelemetryConfig};

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toolward_gate::{
    ComponentName, CredentialName, Digest, Kind, Party, SourceError, SourceFile, Want,
};
use toolward_vault::{BrokerConfig, SecretStoreConfig};

use crate::acceptance::FirstUse;

/// Everything that an operator set. Paths are complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, for errors that are found later.
    pub file: SourceFile,
    /// The folder of the file: what relative paths are relative to.
    pub base: PathBuf,
    pub environment: Environment,
    /// Where the database is.
    pub data: PathBuf,
    /// Where `capabilities.toml` and `*.cedar` are.
    pub policies: PathBuf,
    pub components: BTreeMap<ComponentName, ComponentConfig>,
    /// What becomes of a tool that nobody accepted yet.
    pub first_use: FirstUse,
    pub stores: BTreeMap<String, StoreConfig>,
    pub credentials: BTreeMap<CredentialName, CredentialConfig>,
    pub issuers: BTreeMap<String, IssuerConfig>,
    pub authentication: AuthenticationConfig,
    pub caller: Option<CallerConfig>,
    pub operator: OperatorConfig,
    /// A file of certificates that are trusted besides those of the machine.
    pub roots: Option<PathBuf>,
    pub approval: ApprovalConfig,
    pub sandbox: SandboxConfig,
    pub memory: MemoryConfig,
    pub audit: AuditConfig,
    pub telemetry: Option<TelemetryConfig>,
    /// Interfaces that the program lends which embeds the host; no file says so.
    pub own_interfaces: Vec<&'static str>,
    /// Where agents call; nowhere but on standard input, where absent.
    pub listen: Option<ListenConfig>,
    /// Where people decide; nowhere but at the command line, where absent.
    pub administration: Option<AdministrationConfig>,
}

/// Which world a host is in. Credentials of another one do not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    Development,
    Production,
}

impl Environment {
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

#[derive(Clone, Debug)]
pub struct ComponentConfig {
    pub path: PathBuf,
    /// A file with another digest does not load.
    pub digest: Digest,
    /// What its tools want, where it says nothing of it itself.
    pub wants: Arc<[Want]>,
    pub unlinked: Unlinked,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// What a component's imports do that nothing opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlinked {
    /// Each call of the component is refused before anything of it runs.
    #[default]
    RefuseCall,
    /// The component runs, and ends when it uses one.
    Refuse,
}

#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub store: SecretStoreConfig,
    pub span: Range<usize>,
}

#[derive(Clone, Debug)]
pub struct CredentialConfig {
    pub broker: BrokerConfig,
    /// Who put it in.
    pub owner: String,
    /// Whose it is, besides; absent where whoever the policies allow may use it.
    pub owners: Option<BTreeSet<Party>>,
    /// When it ends, where its owner knows.
    pub expires: Option<Timestamp>,
    pub span: Range<usize>,
}

/// Who speaks where there is no token. In development only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerConfig {
    pub id: String,
    #[serde(default = "agent")]
    pub kind: Kind,
    #[serde(default)]
    pub roles: BTreeSet<String>,
    #[serde(default)]
    pub groups: BTreeSet<String>,
    #[serde(default)]
    pub acts_for: Vec<String>,
}

fn agent() -> Kind {
    Kind::Agent
}

/// Who decides and throws switches at the command line of this machine: whoever may read and write these
/// files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// The user's name on this machine, where absent.
    pub id: Option<String>,
    #[serde(default)]
    pub roles: BTreeSet<String>,
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

impl Config {
    /// Reads a configuration file. Fails with every mistake that the file alone shows.
    pub fn load(path: &Path) -> Result<Self, Vec<SourceError>> {
        file::load(path)
    }

    /// Reads a configuration that stands in no file. Relative paths are relative to `base`.
    pub fn read(base: &Path, text: &str) -> Result<Self, Vec<SourceError>> {
        file::read(SourceFile::new(base.join("(the program)"), text), base)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data.join("toolward.db")
    }

    /// Who acts at the command line.
    pub fn operator_id(&self) -> String {
        let user = || std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
        self.operator.id.clone().or_else(|| user().ok()).unwrap_or_else(|| "operator".to_owned())
    }
}

#[cfg(test)]
mod tests;
