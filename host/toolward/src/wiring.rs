//! A host from a configuration: the only file that knows every concrete type.
use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use toolward_gate::{
    Clock, CredentialName, Exchange, Gate, Ownership, SourceError, Switchboard, SystemClock,
    Unavailable,
};
use toolward_sandbox::{Apart, Compile, OwnInterface, Sandbox, SandboxError, SandboxSettings};
use toolward_state::{PublicKey, State, StateError};
use toolward_vault::{
    Broker, BrokerConfig, Credentials, Documents, EgressSettings, FingerprintKey, PassphraseSource,
    SecretStore, SecretStoreError, Vault, VaultError,
};

use crate::{
    acceptance,
    authn::{Authn, AuthnError, FetchKeys},
    config::{AdministrationConfig, Config, Unlinked},
    host::Host,
    telemetry::Propagated,
};

mod called;
mod keys;
mod lent;
mod memory;
mod minting;
mod ownership;
mod places;
mod plan;
mod remembered;
mod revoking;
mod sent;
mod sessions;
mod slots;
mod sweeping;
mod telemetry;
mod telling;
mod trail;

pub use places::checkpoint_places;
pub use trail::{anchor, retention};

pub use called::{Called, Callee};
pub use ownership::{grants, not_yours, owners, ownership};
pub use plan::{Plan, plan, plan_with, policies, policies_digest};
pub use sent::{Carried, Sent, Shown};
pub use telemetry::{know, telemetry};
pub use telling::{answer_desk, tell_once, tellers, tellers_if_any};

use plan::Planned;

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

/// A host that is ready to take calls: its switches were read, and what a crash left open is closed.
///
/// `program` is a `toolward` that compiles components in a process of its own; without one they are compiled
/// in this process, which a component can keep busy for long.
pub async fn host(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
) -> Result<Host, StartError> {
    Ok(host_and_policies(config, passphrases, program).await?.0)
}

/// The same, with what exchanges its policies while it runs.
pub async fn host_and_policies(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
) -> Result<(Host, Arc<Exchange>), StartError> {
    assembled(config, passphrases, program, plan(config)?, &Brought::default()).await
}

/// The same, with what the program brings that embeds the host.
pub(crate) async fn host_with(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
    brought: &Brought,
) -> Result<(Host, Arc<Exchange>), StartError> {
    assembled(config, passphrases, program, plan(config)?, brought).await
}

/// What a program brings that embeds the host.
#[derive(Default)]
pub(crate) struct Brought {
    pub(crate) interfaces: Vec<Arc<dyn OwnInterface>>,
    pub(crate) brokers: BTreeMap<CredentialName, Arc<dyn Broker>>,
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
    plan.components.retain(|found| reached.contains(&found.component.inspection().digest));
    Ok(assembled(config, passphrases, program, plan, &Brought::default()).await?.0)
}

async fn assembled(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    program: Option<PathBuf>,
    plan: Plan,
    brought: &Brought,
) -> Result<(Host, Arc<Exchange>), StartError> {
    let Plan { tools, policy, components, .. } = plan;
    memory::warn(config);
    let vault = vault(config, passphrases, &brought.brokers)?;
    let state = state(config).await?;
    let interrupted = state.close_interrupted().await?;
    if interrupted > 0 {
        tracing::warn!(calls = interrupted, "an earlier host ended while calls were running");
    }
    acceptance::settle(&state, &tools, config.first_use).await?;
    let settings = sandbox_settings(config, program, &state);
    let settings = SandboxSettings { own: brought.interfaces.clone().into(), ..settings };
    let sandbox = Arc::new(Sandbox::new(settings)?);
    install(config, &sandbox, components).await?;
    let switches = Switchboard::follow(Arc::new(state.clone())).await?;
    let switches = Arc::new(switches.ending(ends(config)));
    reach(&switches, &sandbox);
    switches.on_change(vault.forgetting());
    sweeping::sweep(&switches, state.clone());
    let service = tools.service().clone();
    switches.on_change(move || service.announce());
    acceptance::follow(Arc::new(state.clone()), &tools, Arc::downgrade(&switches));
    let policies = Arc::new(Exchange::new(policy));
    let gate = Gate {
        policy: policies.clone(),
        approvals: Arc::new(state.clone()),
        budgets: Arc::new(state.clone()),
        switches,
        ownership: Ownership::new(owners(config), Arc::new(state.clone())),
        clock: clock(),
    };
    let audit = trail::audit(config, state, passphrases).await?;
    revoking::revoke(&gate.switches, &vault, &audit);
    Ok((Host { tools, audit, gate, vault, sandbox }, policies))
}

/// Who may speak to this host, for a program that opens nothing before somebody has proved to be one of them.
pub fn authn(config: &Config) -> Result<Authn, StartError> {
    let records = Arc::new(remembered::Remembered::of(config));
    Ok(Authn::from_config(config, &fetcher(config)?, records)?)
}

/// The same, for one whose state is open.
pub fn authn_in(config: &Config, state: &State) -> Result<Authn, StartError> {
    Ok(Authn::from_config(config, &fetcher(config)?, Arc::new(state.clone()))?)
}

/// Who may administer this host: by tokens for nothing else.
pub fn administration_authn(
    config: &Config,
    administration: &AdministrationConfig,
    state: &State,
) -> Result<Authn, StartError> {
    let (fetch, records) = (fetcher(config)?, Arc::new(state.clone()));
    Ok(Authn::for_administration(config, &fetch, records, &administration.audience)?)
}

/// How the keys of issuers are fetched.
fn fetcher(config: &Config) -> Result<Arc<dyn FetchKeys>, StartError> {
    Ok(Arc::new(keys::Fetcher(Documents::new(egress_settings(config)?)?)))
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
        .map(|Planned { component, unlinked }| async move {
            if unlinked == Unlinked::Refuse {
                sandbox.refuse_unlinked(component.inspection().digest);
            }
            sandbox.install_inspected(component).await
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

/// Which credentials end by themselves. One that has ended already is told: calls that may use it are refused.
fn ends(config: &Config) -> BTreeMap<CredentialName, Timestamp> {
    let set = config.credentials.iter();
    let ends = set.filter_map(|(name, set)| Some((name.clone(), set.expires?)));
    ends.inspect(|(name, end)| {
        if *end <= clock().now() {
            tracing::warn!(credential.name = %name, %end, "a credential has ended; put in a new one");
        }
    })
    .collect()
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
        ..SandboxSettings::default()
    }
}

/// Makes the key of the audit trail, where there is none; what its checkpoints are verified with.
pub fn audit_key(config: &Config) -> Result<PublicKey, StartError> {
    data(config)?;
    Ok(State::make_key(&config.database())?)
}

/// Sees to it that the data directory is there.
pub fn data(config: &Config) -> Result<(), StartError> {
    let failed = |error| {
        let message =
            format!("the data directory `{}` cannot be made: {error}", config.data.display());
        config.file.error(0..0, message)
    };
    Ok(private_folder(&config.data).map_err(failed)?)
}

/// The database of this host.
pub async fn state(config: &Config) -> Result<State, StartError> {
    data(config)?;
    let state = State::open(&config.database(), clock()).await?;
    let mut asking = config.approval.asking.clone();
    asking.roles.operator = Some((config.operator_id(), config.operator.roles.clone()));
    Ok(state.asking(asking))
}

/// The secret stores, by name. None is unlocked yet.
pub fn stores(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
) -> Result<BTreeMap<String, Arc<dyn SecretStore>>, StartError> {
    memory::check(config)?;
    let open = |(name, store): (&String, &crate::config::StoreConfig)| {
        Ok((name.clone(), store.store.open(&config.base, passphrases.clone())?))
    };
    config.stores.iter().map(open).collect()
}

fn vault(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    brokers: &BTreeMap<CredentialName, Arc<dyn Broker>>,
) -> Result<Vault, StartError> {
    let stores = stores(config, passphrases)?;
    let mut credentials = Credentials::default();
    for (name, credential) in &config.credentials {
        let broker = match (&credential.broker, brokers.get(name)) {
            (BrokerConfig::Own(_), Some(broker)) => Ok(broker.clone()),
            (configured, _) => configured.broker(name, &stores),
        };
        let broker = broker
            .map_err(|error| config.file.error(credential.span.clone(), error.to_string()))?;
        credentials.add(name.clone(), broker);
    }
    let mut settings = egress_settings(config)?;
    settings.fingerprints = Some(Arc::new(fingerprint_key(config)?));
    settings.trace_context = Some(Arc::new(Propagated));
    Ok(Vault::new(credentials, settings)?)
}

/// How anything leaves this host.
fn egress_settings(config: &Config) -> Result<EgressSettings, StartError> {
    let mut settings = EgressSettings::default();
    if let Some(roots) = &config.roots {
        let failed = |error| {
            config.file.error(0..0, format!("`{}` cannot be read: {error}", roots.display()))
        };
        settings.extra_roots_pem = Some(fs::read(roots).map_err(failed)?);
    }
    Ok(settings)
}

/// The key under which it is told which credential came back.
pub fn fingerprint_key(config: &Config) -> Result<FingerprintKey, StartError> {
    data(config)?;
    let path = config.data.join("fingerprint.key");
    Ok(FingerprintKey::open(&path).map_err(|error| {
        let message = format!("the key file `{}` cannot be used: {error}", path.display());
        let help =
            "remove it, and there is a new one: fingerprints in older records then mean nothing";
        config.file.error(0..0, message).with_help(help)
    })?)
}

/// The time of this machine.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

#[cfg(unix)]
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
pub(crate) fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
