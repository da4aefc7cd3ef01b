//! A host from a configuration: the only file that knows every concrete type.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};

use futures::{StreamExt as _, stream};
use toolward_gate::{
    Audit, Capabilities, CapabilityDefinition, CedarPolicy, Clock, ComponentName, Digest, Gate,
    SourceError, SourceFile, Switchboard, SystemClock, Unavailable, Want,
};
use toolward_sandbox::{
    Apart, Compile, Inspection, Sandbox, SandboxError, SandboxSettings, inspect_wanting,
};
use toolward_state::{State, StateError};
use toolward_vault::{
    Credentials, EgressSettings, FingerprintKey, PassphraseSource, SecretStore, SecretStoreError,
    Vault, VaultError,
};

use crate::{
    authn::AuthnError,
    config::{ComponentConfig, Config, Unlinked},
    host::Host,
    tools::Tools,
};

mod called;
mod lent;
mod minting;
mod sessions;
mod slots;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Each with its place in a file.
    #[error("{}", lines(.0))]
    Source(Vec<SourceError>),
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Authn(#[from] AuthnError),
    #[error("{error}: {}", .error.cause)]
    Unavailable {
        #[from]
        error: Unavailable,
    },
}

impl From<SourceError> for StartError {
    fn from(error: SourceError) -> Self {
        Self::Source(vec![error])
    }
}

impl From<Vec<SourceError>> for StartError {
    fn from(errors: Vec<SourceError>) -> Self {
        Self::Source(errors)
    }
}

fn lines(errors: &[SourceError]) -> String {
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
}

/// What is known before anything is compiled: the tools, and the policies that were checked against them.
#[derive(Debug)]
pub struct Plan {
    pub tools: Tools,
    pub capabilities: Arc<Capabilities>,
    pub policy: CedarPolicy,
    components: Vec<Planned>,
}

/// A component as it is to be installed.
#[derive(Debug)]
struct Planned {
    digest: Digest,
    bytes: Vec<u8>,
    wants: Arc<[Want]>,
    unlinked: Unlinked,
}

/// Reads everything that a host needs, and finds everything that is wrong with it. Nothing is compiled, opened
/// or written.
pub fn plan(config: &Config) -> Result<Plan, StartError> {
    planned(config, None)
}

/// The plan as it would be with one more component, or another one under the same name.
pub fn plan_with(
    config: &Config,
    name: &ComponentName,
    inspection: &Inspection,
) -> Result<Plan, StartError> {
    planned(config, Some((name, inspection)))
}

fn planned(
    config: &Config,
    another: Option<(&ComponentName, &Inspection)>,
) -> Result<Plan, StartError> {
    let (mut tools, mut components, mut errors) = (Tools::default(), Vec::new(), Vec::new());
    if let Some((name, inspection)) = another {
        let added = tools.add(name, inspection);
        errors.extend(added.err().map(|error| config.file.error(0..0, error.to_string())));
    }
    let replaced = |name: &ComponentName| another.is_some_and(|(one, _)| one == name);
    for (name, component) in config.components.iter().filter(|(name, _)| !replaced(name)) {
        match read(config, name, component) {
            Ok((bytes, inspection)) => {
                let added = tools.add(name, &inspection);
                errors.extend(
                    added
                        .err()
                        .map(|error| config.file.error(component.span.clone(), error.to_string())),
                );
                components.push(Planned {
                    digest: inspection.digest,
                    bytes,
                    wants: component.wants.clone(),
                    unlinked: component.unlinked,
                });
            }
            Err(error) => errors.push(error),
        }
    }
    let capabilities = Arc::new(capabilities(&config.policies)?);
    if another.is_none() {
        errors.extend(missing(config, &tools, &capabilities));
        errors.extend(lent::wrong(config, &capabilities));
        errors.extend(sessions::wrong(config, &capabilities));
        errors.extend(minting::wrong(config, &capabilities));
        errors.extend(slots::wrong(config, &capabilities));
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let files = policy_files(&config.policies)?;
    let policy = CedarPolicy::load(
        &files,
        capabilities.clone(),
        &tools.installed(),
        config.environment.name(),
    )?
    .limiting(config.sandbox.limits.clone());
    Ok(Plan { tools, capabilities, policy, components })
}

/// A host that is ready to take calls: its switches were read, and what a crash left open is closed.
///
/// `program` is a `toolward` that compiles components in a process of its own; without one they are compiled
/// in this process, which a component can keep busy for long.
pub async fn host(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
) -> Result<Host, StartError> {
    assembled(config, passphrases, program, plan(config)?).await
}

/// A host for calls of one tool: everything is checked as for [`host`], and only the component of this tool
/// and those of the tools that it can call are compiled.
pub async fn host_for(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
    tool: &str,
) -> Result<Host, StartError> {
    let mut plan = plan(config)?;
    let reached = called::reached(&plan.tools, &plan.capabilities, tool);
    plan.components.retain(|found| reached.contains(&found.digest));
    assembled(config, passphrases, program, plan).await
}

async fn assembled(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
    plan: Plan,
) -> Result<Host, StartError> {
    let Plan { tools, policy, components, .. } = plan;
    let vault = vault(config, passphrases)?;
    let state = state(config).await?;
    let interrupted = state.close_interrupted().await?;
    if interrupted > 0 {
        tracing::warn!(calls = interrupted, "an earlier host ended while calls were running");
    }
    let sandbox = Arc::new(Sandbox::new(sandbox_settings(config, program, &state))?);
    install(config, &sandbox, components).await?;
    let switches = Arc::new(Switchboard::follow(Arc::new(state.clone())).await?);
    reach(&switches, &sandbox);
    switches.on_change(vault.forgetting());
    let gate = Gate {
        policy: Arc::new(policy),
        approvals: Arc::new(state.clone()),
        budgets: Arc::new(state.clone()),
        switches,
        clock: clock(),
    };
    Ok(Host { tools, audit: Audit::new(Arc::new(state)), gate, vault, sandbox })
}

/// Installs as many components at once as there are processors.
async fn install(
    config: &Config,
    sandbox: &Sandbox,
    components: Vec<Planned>,
) -> Result<(), StartError> {
    let (all, begun) = (components.len(), Instant::now());
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut installed = stream::iter(components)
        .map(|Planned { digest, bytes, wants, unlinked }| async move {
            if unlinked == Unlinked::Refuse {
                sandbox.refuse_unlinked(digest);
            }
            sandbox.install_wanting(bytes, wants).await
        })
        .buffer_unordered(processors);
    let mut ready = 0_usize;
    while let Some(one) = installed.next().await {
        one.map_err(|error| config.file.error(0..0, error.to_string()))?;
        ready = ready.saturating_add(1);
        tracing::debug!(ready, all, "a component is ready");
    }
    let (compiled, took) = (sandbox.compiled(), begun.elapsed());
    tracing::info!(components = all, compiled, ?took, "the components are ready");
    Ok(())
}

/// A switch reaches a guest that does not wait for anything, too.
fn reach(switches: &Switchboard, sandbox: &Arc<Sandbox>) {
    let sandbox = Arc::downgrade(sandbox);
    switches.on_change(move || {
        if let Some(sandbox) = sandbox.upgrade() {
            sandbox.interrupt();
        }
    });
}

/// What was compiled is kept in the data directory.
fn sandbox_settings(config: &Config, program: Option<PathBuf>, state: &State) -> SandboxSettings {
    let set = &config.sandbox;
    let apart = |program| Compile::Apart(Apart { program, limits: set.compile });
    let compile = program.map_or(Compile::Here, apart);
    SandboxSettings {
        concurrent_calls: set.concurrent_calls,
        large_calls: set.large_calls,
        stack_bytes: set.stack_bytes,
        ceiling: set.ceiling.clone(),
        compile,
        data: Some(config.data.clone()),
        clock: clock(),
        key_values: Some(Arc::new(state.clone())),
    }
}

/// The database of this host.
pub async fn state(config: &Config) -> Result<State, StartError> {
    private_data(config)?;
    Ok(State::open(&config.database(), clock()).await?)
}

fn private_data(config: &Config) -> Result<(), SourceError> {
    private_folder(&config.data).map_err(|error| {
        let message =
            format!("the data directory `{}` cannot be made: {error}", config.data.display());
        config.file.error(0..0, message)
    })
}

/// The secret stores, by name. None is unlocked yet.
pub fn stores(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
) -> Result<BTreeMap<String, Arc<dyn SecretStore>>, StartError> {
    let open = |(name, store): (&String, &crate::config::StoreConfig)| {
        Ok((name.clone(), store.store.open(&config.base, passphrases.clone())?))
    };
    config.stores.iter().map(open).collect()
}

fn vault(config: &Config, passphrases: &Arc<dyn PassphraseSource>) -> Result<Vault, StartError> {
    let stores = stores(config, passphrases)?;
    let mut credentials = Credentials::default();
    for (name, credential) in &config.credentials {
        let broker = credential.broker.broker(name, &stores);
        let broker = broker
            .map_err(|error| config.file.error(credential.span.clone(), error.to_string()))?;
        credentials.add(name.clone(), broker);
    }
    let mut settings = EgressSettings::default();
    if let Some(roots) = &config.roots {
        let failed = |error| {
            config.file.error(0..0, format!("`{}` cannot be read: {error}", roots.display()))
        };
        settings.extra_roots_pem = Some(fs::read(roots).map_err(failed)?);
    }
    settings.fingerprints = Some(Arc::new(fingerprint_key(config)?));
    Ok(Vault::new(credentials, settings)?)
}

/// The key under which it is told which credential came back.
pub fn fingerprint_key(config: &Config) -> Result<FingerprintKey, StartError> {
    private_data(config)?;
    let path = config.data.join("fingerprint.key");
    Ok(FingerprintKey::open(&path).map_err(|error| {
        let message = format!("the key file `{}` cannot be used: {error}", path.display());
        let help =
            "remove it, and there is a new one: fingerprints in older records then mean nothing";
        config.file.error(0..0, message).with_help(help)
    })?)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A component whose file is the one that was added.
fn read(
    config: &Config,
    name: &ComponentName,
    component: &ComponentConfig,
) -> Result<(Vec<u8>, Inspection), SourceError> {
    let wrong = |message: String| config.file.error(component.span.clone(), message);
    let path = component.path.display();
    let bytes = fs::read(&component.path).map_err(|error| {
        wrong(format!("the component `{name}` cannot be read from `{path}`: {error}"))
            .with_help(format!("put the file back, or run `toolward tool rm {name}`"))
    })?;
    let found = Digest::of(&bytes);
    if found != component.digest {
        let message = format!(
            "the component `{name}` is not the one that was added: `{path}` has the digest {found}"
        );
        return Err(wrong(message).with_help(format!(
            "look at it with `toolward check {path}`, then `toolward tool add {path} --name {name}`"
        )));
    }
    let inspection = inspect_wanting(&bytes, &component.wants).map_err(|error| {
        wrong(format!("the component `{name}` (`{path}`) cannot be used: {error}"))
    })?;
    Ok((bytes, inspection))
}

/// Reads `capabilities.toml`.
fn capabilities(folder: &Path) -> Result<Capabilities, StartError> {
    let path = folder.join("capabilities.toml");
    let file = source(&path)?;
    let interfaces: Vec<&str> = Sandbox::interfaces().collect();
    Ok(Capabilities::parse(&file, &interfaces)?)
}

/// Every `*.cedar` of the folder, in the order of their names.
fn policy_files(folder: &Path) -> Result<Vec<SourceFile>, StartError> {
    let failed = |error: std::io::Error| {
        let message = format!("the policies cannot be read: {error}");
        SourceFile::new(folder, "")
            .error(0..0, message)
            .with_help("name their folder with `policies = \"…\"`")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "cedar") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| source(path).map_err(StartError::from)).collect()
}

fn source(path: &Path) -> Result<SourceFile, SourceError> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("the file cannot be read: {error}");
        SourceFile::new(path, "")
            .error(0..0, message)
            .with_help("`toolward init` writes a first one")
    })?;
    Ok(SourceFile::new(path, text))
}

/// What installed tools want and nobody defined, and what capabilities need and nobody configured.
fn missing(config: &Config, tools: &Tools, capabilities: &Capabilities) -> Vec<SourceError> {
    let (mut errors, mut told) = (Vec::new(), BTreeSet::new());
    for tool in tools.iter() {
        let component = config.components.get(&tool.component);
        let span = component.map_or(0..0, |component| component.span.clone());
        // A tool can do without what it calls optional; a name that the operator wrote is meant to be there.
        let written = component.is_some_and(|component| !component.wants.is_empty());
        for want in tool.manifest.wants.iter() {
            let name = &want.capability;
            for called in called::missing(tools, capabilities, want) {
                let message = format!(
                    "the capability `{name}` names the tool `{called}`, which is not there"
                );
                let help = "add its component, or take it out of `tools`";
                errors.push(config.file.error(span.clone(), message).with_help(help));
            }
            let (message, help) = match capabilities.find(name) {
                None if want.required || written => (
                    format!(
                        "the tool `{}` needs the capability `{name}`, which nobody defined",
                        tool.manifest.name
                    ),
                    format!(
                        "define `[capability.\"{name}\"]` in `{}`",
                        config.policies.join("capabilities.toml").display()
                    ),
                ),
                Some(definition) => match unconfigured(config, definition) {
                    Some(_) if !told.insert((&tool.component, name)) => continue,
                    Some(credential) => (
                        format!(
                            "the capability `{name}` uses the credential `{credential}`, which is not configured"
                        ),
                        format!("add `[credential.{credential}]`"),
                    ),
                    None => continue,
                },
                None => continue,
            };
            errors.push(config.file.error(span.clone(), message).with_help(help));
        }
    }
    errors
}

fn unconfigured(config: &Config, definition: &CapabilityDefinition) -> Option<String> {
    let credential = definition.http.as_ref()?.credential.as_ref()?;
    (!config.credentials.contains_key(credential)).then(|| credential.to_string())
}

#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
