//! A host put together as `wiring.rs` does it, but for the clock, which tests move.
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::{OnceCell, Semaphore};
use toolward::{demo::LogTap, host::Host, tools::Tools};
use toolward_gate::{
    ApprovalId, Audit, AuditLog, Capabilities, CedarPolicy, Clock, Closed, Gate, KeyValues,
    Ownership, Principal, Record, SourceFile, Switchboard, Unavailable,
};
use toolward_sandbox::{Sandbox, SandboxSettings};
use toolward_state::State;
use toolward_vault::{
    BrokerConfig, Credentials, EgressSettings, NoPassphrase, Secret, SecretStore,
    SecretStoreConfig, Vault,
};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{
    Setting, Upstream, World, agent,
    setting::{BROKER, STORE},
    spans::Spans,
};

/// Starts a host on a directory, which an earlier one may have left.
pub(super) async fn assemble(
    setting: Setting,
    directory: TempDir,
    upstream: Arc<Upstream>,
    clock: Arc<MovedClock>,
    token: String,
) -> World {
    log();
    let path = directory.path().join("toolward.db");
    let state = State::open(&path, clock.clone()).await.unwrap();
    state.close_interrupted().await.unwrap();
    let sandbox = sandbox(&setting, &state).await;
    let tools = install(&setting, &sandbox).await;
    // Who follows the switches may outlive the host by a moment, and must not hold its lease.
    let feed = State::open(&path, clock.clone()).await.unwrap();
    let switches = Switchboard::follow(Arc::new(feed.clone())).await.unwrap();
    let reached = sandbox.clone();
    switches.on_change(move || reached.interrupt());
    let vault = vault(&setting, &directory, &upstream, &token).await;
    switches.on_change(vault.forgetting());
    let closings = Arc::new(Announcing { log: state.clone(), closed: Semaphore::new(0) });
    let host = Host {
        gate: gate(&setting, &upstream, &tools, &state, switches, clock.clone()),
        vault,
        audit: Audit::new(closings.clone()),
        tools,
        sandbox,
    };
    let (host, agent) = (Arc::new(host), Principal::authenticated(agent()));
    World {
        host,
        state,
        upstream,
        clock,
        agent,
        token,
        closings,
        switches: feed,
        setting,
        directory,
    }
}

/// The sandbox of all worlds, so that each component is compiled once; or a small one for this world.
async fn sandbox(setting: &Setting, state: &State) -> Arc<Sandbox> {
    static SHARED: OnceCell<Arc<Sandbox>> = OnceCell::const_new();
    let start = |settings| Arc::new(Sandbox::new(settings).unwrap());
    if setting.apart {
        // Who installs a component says what it wants, so each way of saying it has its own.
        static APART: Mutex<BTreeMap<String, Arc<Sandbox>>> = Mutex::new(BTreeMap::new());
        let key = format!("{:?} {:?} {}", setting.guests, setting.wants, setting.refusing);
        let settings = SandboxSettings { concurrent_calls: 8, ..SandboxSettings::default() };
        return APART.lock().unwrap().entry(key).or_insert_with(|| start(settings)).clone();
    }
    if setting.remembers {
        // What is compiled is kept from one world to the next.
        let data = Some(env!("CARGO_TARGET_TMPDIR").into());
        let key_values: Option<Arc<dyn KeyValues>> = Some(Arc::new(state.clone()));
        let settings = SandboxSettings::default();
        let concurrent_calls = setting.places.unwrap_or(8);
        let share = setting.share.unwrap_or(settings.share);
        return start(SandboxSettings { concurrent_calls, data, key_values, share, ..settings });
    }
    if !setting.plain.is_empty() {
        return keeping().await;
    }
    if setting.places.is_some() || setting.ceiling.is_some() {
        let usual = SandboxSettings::default();
        let concurrent_calls = setting.places.unwrap_or(8);
        let ceiling = setting.ceiling.clone().unwrap_or_else(|| usual.ceiling.clone());
        return start(SandboxSettings { concurrent_calls, ceiling, ..usual });
    }
    SHARED.get_or_init(async || start(SandboxSettings::default())).await.clone()
}

/// The sandbox of all worlds with an interpreter: what was compiled by an earlier run is still there.
async fn keeping() -> Arc<Sandbox> {
    static SHARED: OnceCell<Arc<Sandbox>> = OnceCell::const_new();
    let start = async || {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../example-tools/target/compiled");
        fs::create_dir_all(&data).unwrap();
        let settings = SandboxSettings { data: Some(data), ..SandboxSettings::default() };
        Arc::new(Sandbox::new(settings).unwrap())
    };
    SHARED.get_or_init(start).await.clone()
}

async fn install(setting: &Setting, sandbox: &Sandbox) -> Tools {
    let mut tools = Tools::default();
    for guest in &setting.guests {
        let wants = setting.wants_of(*guest);
        let bytes = guest.component().to_vec();
        let inspection = sandbox.install_wanting(bytes, wants).await.unwrap();
        if setting.refusing {
            sandbox.refuse_unlinked(inspection.digest);
        }
        tools.add(&guest.name().parse().unwrap(), &inspection).unwrap();
    }
    // Compiling an interpreter takes long: who comes second finds it compiled.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    for guest in &setting.plain {
        let _one = ONE.lock().await;
        let installed = sandbox.install_wanting(guest.bytes.to_vec(), guest.wants()).await;
        tools.add(&guest.name.parse().unwrap(), &installed.unwrap()).unwrap();
    }
    tools
}

fn gate(
    setting: &Setting,
    upstream: &Upstream,
    tools: &Tools,
    state: &State,
    switches: Switchboard,
    clock: Arc<dyn Clock>,
) -> Gate {
    let interfaces: Vec<&str> = Sandbox::interfaces().collect();
    let file = SourceFile::new("capabilities.toml", setting.definitions(upstream));
    let capabilities = Arc::new(Capabilities::parse(&file, &interfaces).unwrap());
    let files = [SourceFile::new("world.cedar", setting.rules())];
    let policy =
        CedarPolicy::load(&files, capabilities, &tools.installed(), "development").unwrap();
    let policy = policy.limiting(setting.limits.clone().unwrap_or_default());
    let owners = setting.owners();
    Gate {
        policy: Arc::new(policy.owned_by(owners.clone())),
        approvals: Arc::new(state.clone()),
        budgets: Arc::new(state.clone()),
        switches: Arc::new(switches),
        ownership: Ownership::new(owners, Arc::new(state.clone())),
        clock,
    }
}

async fn vault(setting: &Setting, directory: &TempDir, upstream: &Upstream, token: &str) -> Vault {
    let config: SecretStoreConfig = toml::from_str(STORE).unwrap();
    let store = config.open(directory.path(), Arc::new(NoPassphrase)).unwrap();
    if setting.secret {
        let value = Secret::new(token.to_owned());
        store.write(&"shop-token".parse().unwrap(), value).await.unwrap();
    }
    let stores: BTreeMap<String, Arc<dyn SecretStore>> = [("local".to_owned(), store)].into();
    let broker: BrokerConfig = toml::from_str(BROKER).unwrap();
    let name = "shop".parse().unwrap();
    let mut credentials = Credentials::default();
    credentials.add("shop".parse().unwrap(), broker.broker(&name, &stores).unwrap());
    let extra_roots_pem = upstream.certificate().map(|pem| pem.as_bytes().to_vec());
    Vault::new(credentials, EgressSettings { extra_roots_pem, ..EgressSettings::default() })
        .unwrap()
}

/// Everything that this process has logged since its first world, of every test and at the finest level.
pub(crate) fn log() -> String {
    String::from_utf8_lossy(&taps().0.bytes()).into_owned()
}

/// What all spans said since then.
pub(crate) fn spans() -> String {
    taps().1.text()
}

fn taps() -> &'static (LogTap, Spans) {
    static TAPS: OnceLock<(LogTap, Spans)> = OnceLock::new();
    TAPS.get_or_init(|| {
        let ((log, layer), spans) = (toolward::demo::capture(), Spans::default());
        let subscriber = tracing_subscriber::registry().with(layer).with(spans.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        (log, spans)
    })
}

/// A value that nobody else has.
pub(super) fn fresh_token() -> String {
    format!("tok_{}", ApprovalId::generate().to_string().replace('-', ""))
}

/// The wall clock, where the test puts it.
pub(crate) struct MovedClock(Mutex<Timestamp>);

impl MovedClock {
    pub(super) fn at_noon() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-03-02T12:00:00Z".parse().unwrap())))
    }
    pub(crate) fn forward(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The trail in the state, and a notice of every entry that is closed.
pub(super) struct Announcing {
    log: State,
    closed: Semaphore,
}

impl Announcing {
    pub(super) async fn closed(&self) {
        self.closed.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl AuditLog for Announcing {
    async fn append(&self, record: &Record) -> Result<(), Unavailable> {
        self.log.append(record).await
    }
    async fn close(&self, closed: Closed) -> Result<(), Unavailable> {
        self.log.close(closed).await?;
        self.closed.add_permits(1);
        Ok(())
    }
}
