//! How the settings are written: the form of `toolward.toml`.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::{Spanned, Table};
use toolward_gate::{
    CapabilityName, ComponentName, CredentialName, Digest, Party, SourceError, SourceFile, Want,
};
use toolward_vault::{BrokerConfig, SecretStoreConfig};

use super::{
    ApprovalConfig, AuditConfig, AuthenticationConfig, CallerConfig, ComponentConfig, Config,
    CredentialConfig, Environment, OperatorConfig, StoreConfig, Unlinked,
    approval::Approval,
    audit::Audit,
    authentication::Authentication,
    credential,
    issuer::Issuer,
    listen::{Administration, Listen},
    memory::Memory,
    sandbox::{Sandbox, SandboxConfig},
    telemetry::Telemetry,
};
use crate::acceptance::FirstUse;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    environment: Environment,
    #[serde(default = "data")]
    data: PathBuf,
    #[serde(default = "policies")]
    policies: PathBuf,
    #[serde(default)]
    component: BTreeMap<Spanned<String>, Spanned<Component>>,
    #[serde(default)]
    tools: Tools,
    #[serde(default)]
    secret_store: BTreeMap<String, Spanned<Table>>,
    #[serde(default)]
    credential: BTreeMap<Spanned<String>, Spanned<Table>>,
    #[serde(default)]
    issuer: BTreeMap<String, Spanned<Issuer>>,
    authentication: Option<Spanned<Authentication>>,
    caller: Option<CallerConfig>,
    #[serde(default)]
    operator: OperatorConfig,
    #[serde(default)]
    egress: Egress,
    approval: Option<Spanned<Approval>>,
    sandbox: Option<Spanned<Sandbox>>,
    memory: Option<Spanned<Memory>>,
    audit: Option<Spanned<Audit>>,
    telemetry: Option<Spanned<Telemetry>>,
    listen: Option<Spanned<Listen>>,
    administration: Option<Spanned<Administration>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    path: PathBuf,
    digest: Spanned<String>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    optional: Vec<Spanned<String>>,
    #[serde(default)]
    unlinked: Unlinked,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tools {
    #[serde(default)]
    first_use: FirstUse,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Egress {
    roots: Option<PathBuf>,
}

fn is_tool(party: &Party) -> bool {
    matches!(party, Party::Tool(_))
}

fn data() -> PathBuf {
    "data".into()
}

fn policies() -> PathBuf {
    "policies".into()
}

pub(super) fn load(path: &Path) -> Result<Config, Vec<SourceError>> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("the configuration cannot be read: {error}");
        vec![
            SourceFile::new(path, "")
                .error(0..0, message)
                .with_help("`toolward init` writes a first one"),
        ]
    })?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    read(SourceFile::new(path, text), folder)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the errors are about this file, and it is read once"
)]
pub(super) fn read(file: SourceFile, folder: &Path) -> Result<Config, Vec<SourceError>> {
    let written: File =
        toml::from_str(&file.text).map_err(|error| vec![file.toml_error(&error)])?;
    let base = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Reader { file: &file, base: &base, environment: written.environment, errors: Vec::new() }
        .config(written)
}

/// Reads what is written, and notes every mistake.
struct Reader<'a> {
    file: &'a SourceFile,
    base: &'a Path,
    environment: Environment,
    errors: Vec<SourceError>,
}

impl Reader<'_> {
    fn config(mut self, written: File) -> Result<Config, Vec<SourceError>> {
        let (span, memory) = match written.memory {
            Some(memory) => (memory.span(), memory.into_inner()),
            None => (0..0, Memory::default()),
        };
        let mut config = Config {
            file: self.file.clone(),
            base: self.base.to_owned(),
            environment: written.environment,
            data: self.base.join(written.data),
            policies: self.base.join(written.policies),
            components: BTreeMap::new(),
            first_use: written.tools.first_use,
            stores: BTreeMap::new(),
            credentials: BTreeMap::new(),
            issuers: BTreeMap::new(),
            authentication: AuthenticationConfig::default(),
            caller: written.caller,
            operator: written.operator,
            roots: written.egress.roots.map(|roots| self.base.join(roots)),
            approval: ApprovalConfig::default(),
            sandbox: SandboxConfig::default(),
            memory: memory.read(written.environment, span),
            audit: AuditConfig::default(),
            telemetry: None,
            own_interfaces: Vec::new(),
            listen: None,
            administration: None,
        };
        if let Some(approval) = written.approval {
            let span = approval.span();
            let read = approval.into_inner().read().map_err(|why| self.file.error(span, why));
            config.approval = self.keep(read).unwrap_or_default();
        }
        if let Some(sandbox) = written.sandbox {
            let span = sandbox.span();
            let read = sandbox.into_inner().read().map_err(|why| self.file.error(span, why));
            config.sandbox = self.keep(read).unwrap_or_default();
        }
        if let Some(audit) = written.audit {
            let span = audit.span();
            let read = audit
                .into_inner()
                .read(self.base, span.clone())
                .map_err(|why| self.file.error(span, why));
            config.audit = self.keep(read).unwrap_or_default();
        }
        if let Some(authentication) = written.authentication {
            let span = authentication.span();
            let read = authentication
                .into_inner()
                .read(self.base)
                .map_err(|why| self.file.error(span, why));
            config.authentication = self.keep(read).unwrap_or_default();
        }
        if let Some(listen) = written.listen {
            let span = listen.span();
            let read =
                listen.into_inner().read(self.base).map_err(|why| self.file.error(span, why));
            config.listen = self.keep(read);
        }
        if let Some(telemetry) = written.telemetry {
            let span = telemetry.span();
            let read = telemetry.into_inner().read().map_err(|why| self.file.error(span, why));
            config.telemetry = self.keep(read);
        }
        for (name, component) in written.component {
            let read = self.component(&name, component);
            config.components.extend(self.keep(read));
        }
        for (name, table) in written.secret_store {
            let (span, table) = (table.span(), table.into_inner());
            let read = self.read::<SecretStoreConfig>(span.clone(), table);
            config.stores.extend(self.keep(read).map(|store| (name, StoreConfig { store, span })));
        }
        for (name, table) in written.credential {
            let read = self.credential(&name, table);
            config.credentials.extend(self.keep(read));
        }
        for (url, issuer) in written.issuer {
            let span = issuer.span();
            let read = issuer.into_inner().read(self.file, self.base, span);
            config.issuers.extend(self.keep(read).map(|issuer| (url, issuer)));
        }
        if let Some(administration) = written.administration {
            let span = administration.span();
            let agents = config.issuers.values().flat_map(|issuer| &issuer.audiences);
            let read = administration.into_inner().read(self.base);
            let read = read.and_then(|read| read.apart_from(agents).map(|()| read));
            let read = read.map_err(|why| self.file.error(span, why));
            config.administration = self.keep(read);
        }
        if self.errors.is_empty() { Ok(config) } else { Err(self.errors) }
    }

    fn keep<T>(&mut self, read: Result<T, SourceError>) -> Option<T> {
        read.map_err(|error| self.errors.push(error)).ok()
    }

    fn component(
        &self,
        name: &Spanned<String>,
        written: Spanned<Component>,
    ) -> Result<(ComponentName, ComponentConfig), SourceError> {
        let span = written.span();
        let Component { path, digest, capabilities, optional, unlinked } = written.into_inner();
        let wrong = |error: toolward_gate::NameError, place: &Spanned<String>| {
            self.file.error(place.span(), error.to_string())
        };
        let digest: Digest = digest
            .get_ref()
            .parse()
            .map_err(|error| wrong(error, &digest).with_help("`toolward tool add` writes it"))?;
        let name = name.get_ref().parse().map_err(|error| wrong(error, name))?;
        let wants = self.wants(&capabilities, &optional)?;
        let path = self.base.join(path);
        Ok((name, ComponentConfig { path, digest, wants, unlinked, span }))
    }

    /// What the operator says that a component's tools want, each once.
    fn wants(
        &self,
        required: &[Spanned<String>],
        optional: &[Spanned<String>],
    ) -> Result<Arc<[Want]>, SourceError> {
        let marked = required.iter().map(|name| (name, true));
        let marked = marked.chain(optional.iter().map(|name| (name, false)));
        let mut wants: Vec<Want> = Vec::new();
        for (written, required) in marked {
            let capability: CapabilityName =
                written.get_ref().parse().map_err(|error: toolward_gate::NameError| {
                    self.file.error(written.span(), error.to_string())
                })?;
            if wants.iter().any(|want| want.capability == capability) {
                let message = format!("the capability `{capability}` stands here twice");
                return Err(self.file.error(written.span(), message).with_help("take one out"));
            }
            wants.push(Want { capability, required });
        }
        Ok(wants.into())
    }

    fn credential(
        &self,
        name: &Spanned<String>,
        written: Spanned<Table>,
    ) -> Result<(CredentialName, CredentialConfig), SourceError> {
        let (span, mut table) = (written.span(), written.into_inner());
        let name: CredentialName =
            name.get_ref().parse().map_err(|error: toolward_gate::NameError| {
                self.file.error(name.span(), error.to_string())
            })?;
        let owner = table.remove("owner").and_then(|owner| owner.as_str().map(str::to_owned));
        let owner = owner.ok_or_else(|| {
            self.file
                .error(span.clone(), format!("the credential `{name}` has no `owner`"))
                .with_help("write who put it in, as in `owner = \"ana\"`")
        })?;
        let owners = self.owners(&name, &owner, &span, table.remove("owners"))?;
        if let Some(environment) = table.remove("environment") {
            let mine = environment.as_str() == Some(self.environment.name());
            if !mine {
                let message = format!(
                    "the credential `{name}` belongs to the environment {environment}, and this host runs in `{}`",
                    self.environment.name()
                );
                return Err(self.file.error(span, message).with_help(
                    "keep the credentials of each environment in the configuration of its own host",
                ));
            }
        }
        let expires = credential::expires(&mut table);
        let expires = expires.map_err(|why| self.file.error(span.clone(), why))?;
        let broker = self.read::<BrokerConfig>(span.clone(), table)?;
        Ok((name, CredentialConfig { broker, owner, owners, expires, span }))
    }

    /// Those that are written, and the one who put it in; `None` where nothing is written.
    fn owners(
        &self,
        name: &CredentialName,
        owner: &str,
        span: &std::ops::Range<usize>,
        written: Option<toml::Value>,
    ) -> Result<Option<BTreeSet<Party>>, SourceError> {
        let Some(written) = written else { return Ok(None) };
        let read = written.try_into::<Vec<Party>>().map_err(|error| error.message().to_owned());
        let read = read.and_then(|parties| match parties.iter().find(|one| is_tool(one)) {
            Some(tool) => Err(format!("`{tool}` owns nothing: grant its use to the tool")),
            None => Ok(parties),
        });
        let read = read.map_err(|why| {
            self.file
                .error(span.clone(), format!("the `owners` of the credential `{name}`: {why}"))
                .with_help("write a list, as in `owners = [\"principal:ana\", \"role:billing\"]`")
        })?;
        let first = Party::Principal(owner.to_owned());
        Ok(Some(read.into_iter().chain([first]).collect()))
    }

    /// Reads a table whose form depends on its `kind`.
    fn read<T: DeserializeOwned>(
        &self,
        span: std::ops::Range<usize>,
        table: Table,
    ) -> Result<T, SourceError> {
        T::deserialize(toml::Value::Table(table)).map_err(|error| {
            let made = self.file.toml_error(&error);
            let at = self.file.error(span, made.message());
            made.help_text().map_or(at.clone(), |help| at.with_help(help))
        })
    }
}
