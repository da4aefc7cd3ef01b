//! What the demo plays on: a throw-away configuration, fresh secrets, stand-ins and a host.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use toolward_gate::{
    Clock as _, Identity, Kind, Link, Principal, ProgressSink, Stop, SwitchTarget, SystemClock,
};
use toolward_sandbox::Output;
use toolward_state::{LinkFilter, State, Verified};
use toolward_vault::{NoPassphrase, PassphraseSource, Secret, SecretName};
use uuid::Uuid;

use super::{
    log::LogTap,
    standins::{Ledger, StandIns},
};
use crate::{
    build,
    config::Config,
    host::Host,
    wiring::{self, StartError},
};

/// What the command line hands to the demo.
#[derive(Debug)]
pub struct Settings {
    /// The workspace of the example tools.
    pub tools: PathBuf,
    pub log: LogTap,
}

/// Everything a step may touch.
pub struct Stage {
    directory: tempfile::TempDir,
    host: Arc<Host>,
    state: State,
    standins: StandIns,
    secrets: Secrets,
    agent: Principal,
    log: LogTap,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("directory", &self.directory.path()).finish_non_exhaustive()
    }
}

/// The values that must not be seen. Made for one run of the demo, and known to nobody else.
struct Secrets {
    github: String,
    payments: String,
}

impl Stage {
    /// Builds the tools, starts the stand-ins and wires a host.
    pub async fn set(settings: Settings, progress: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("toolward-demo-").tempdir()?;
        let standins = StandIns::start().await?;
        let secrets = Secrets {
            github: format!("ghp_{}", random()),
            payments: format!("sk_test_{}", random()),
        };
        let components = components(&settings.tools, directory.path(), progress)?;
        progress("writing the configuration");
        write_configuration(directory.path(), &standins, &components)?;
        let config =
            Config::load(&directory.path().join("toolward.toml")).map_err(StartError::from)?;
        store_secrets(&config, &secrets).await?;
        progress("starting the host");
        let host = Arc::new(
            wiring::host(&config, &no_passphrase(), Some(std::env::current_exe()?)).await?,
        );
        let state = wiring::state(&config).await?;
        Ok(Self { directory, host, state, standins, secrets, agent: agent(), log: settings.log })
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
    /// Keeps the directory after the demo has ended.
    pub fn keep(&mut self) {
        self.directory.disable_cleanup(true);
    }

    /// Carries one call as a door does. The outer error is the demo's, the inner one the call's.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: &Value,
    ) -> anyhow::Result<Result<Output, Stop>> {
        let read = self.host.tools.read(
            &self.agent,
            "demo",
            tool,
            &arguments.to_string(),
            ProgressSink::default(),
        );
        let call = read.with_context(|| format!("`{tool}` does not take these arguments"))?;
        Ok(self.host.perform(call).await)
    }

    pub(super) fn agent(&self) -> &Principal {
        &self.agent
    }
    pub(super) fn approver(&self) -> &'static str {
        "ana"
    }
    pub(super) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
    pub(super) fn state(&self) -> &State {
        &self.state
    }
    pub(super) fn ledger(&self) -> &Ledger {
        &self.standins.ledger
    }
    pub(super) fn github_token(&self) -> &str {
        &self.secrets.github
    }
    pub(super) fn payments_key(&self) -> &str {
        &self.secrets.payments
    }
    pub(super) fn log(&self) -> Vec<u8> {
        self.log.bytes()
    }

    pub(super) async fn audit_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let links: Vec<Link> = self.state.links(LinkFilter::default()).await?;
        Ok(links.into_iter().flat_map(|link| link.record.into_bytes()).collect())
    }

    /// Waits until the running host has read that the switch is off.
    pub(super) async fn until_lifted(&self, target: &SwitchTarget) {
        let known = || self.host.gate.switches.known();
        while known().thrown.iter().any(|switch| switch.target == *target) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A copy of the database, to tamper with.
    pub(super) async fn copy_of_trail(&self) -> anyhow::Result<TrailCopy> {
        let path = self.directory.path().join("copy").join("toolward.db");
        self.state.backup(&path).await?;
        Ok(TrailCopy { path })
    }
}

/// A copy of the database.
pub(super) struct TrailCopy {
    path: PathBuf,
}

impl TrailCopy {
    pub(super) async fn verify(&self) -> anyhow::Result<Verified> {
        let state = State::open(&self.path, Arc::new(SystemClock)).await?;
        let verified = state.verify(&mut |_, _| {}).await?;
        state.shut().await;
        Ok(verified)
    }

    /// Changes bytes in the file itself, as somebody with write access to the disk would.
    pub(super) fn rewrite(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let bytes = fs::read(&self.path)?;
        let place = bytes.windows(from.len()).position(|window| window == from.as_bytes());
        let place = place.with_context(|| format!("`{from}` does not stand in the copy"))?;
        let (head, tail) = bytes.split_at(place);
        let tail = tail.get(from.len()..).unwrap_or_default();
        fs::write(&self.path, [head, to.as_bytes(), tail].concat())?;
        Ok(())
    }
}

fn agent() -> Principal {
    Principal::authenticated(Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: ["assistant", "triage"].map(str::to_owned).into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    })
}

/// 128 random bits, as 32 hexadecimal digits.
fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A component of the demo, and where its file stands.
struct Built {
    name: &'static str,
    file: PathBuf,
    digest: String,
}

/// Builds the example tools, unless they are built already.
fn components(
    source: &Path,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Vec<Built>> {
    let mut built = Vec::new();
    for name in COMPONENTS {
        progress(&format!("building {name}"));
        let component = build::build_tool(&source.join(name), progress)
            .with_context(|| format!("the example tool `{name}` cannot be built"))?;
        let file = target.join(format!("{name}.wasm"));
        fs::write(&file, &component.bytes)?;
        built.push(Built { name, file, digest: component.digest.to_string() });
    }
    Ok(built)
}

fn write_configuration(
    directory: &Path,
    standins: &StandIns,
    components: &[Built],
) -> anyhow::Result<()> {
    let policies = directory.join("policies");
    fs::create_dir(&policies)?;
    fs::write(policies.join("capabilities.toml"), capabilities(standins))?;
    for (name, text) in POLICIES {
        fs::write(policies.join(name), text)?;
    }
    let components: String = components
        .iter()
        .map(|built| {
            format!(
                "\n[component.{}]\npath = {:?}\ndigest = \"{}\"\n",
                built.name, built.file, built.digest
            )
        })
        .collect();
    fs::write(directory.join("toolward.toml"), format!("{CONFIGURATION}{components}"))?;
    Ok(())
}

/// The shipped definitions, with the stand-ins in place of the public addresses.
fn capabilities(standins: &StandIns) -> String {
    let moved = [
        ("https://api.open-meteo.com", standins.weather),
        ("https://geocoding-api.open-meteo.com", standins.weather),
        ("https://api.github.com", standins.github),
        ("https://api.stripe.com", standins.payments),
    ];
    let shipped = format!(
        "{}\n{}",
        include_str!("../../../../policies/capabilities.toml"),
        include_str!("demo.toml")
    );
    moved.into_iter().fold(shipped, |text, (public, standin)| {
        let local = format!("destination = \"http://{standin}\"\nallow_private = true");
        text.replace(&format!("destination = \"{public}\""), &local)
    })
}

async fn store_secrets(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
    let stores = wiring::stores(config, &no_passphrase())?;
    let store = stores.get("local").context("the demo's configuration names a store `local`")?;
    for (name, value) in [("github-token", &secrets.github), ("payments-key", &secrets.payments)] {
        store.write(&name.parse::<SecretName>()?, Secret::new(value.clone())).await?;
    }
    Ok(())
}

/// The demo's store is unlocked by a key file.
fn no_passphrase() -> Arc<dyn PassphraseSource> {
    Arc::new(NoPassphrase)
}

/// The example tools that the demo calls.
const COMPONENTS: [&str; 5] = ["weather", "github-issues", "payments", "hostile", "overreach"];

const POLICIES: [(&str, &str); 5] = [
    ("default.cedar", include_str!("../../../../policies/default.cedar")),
    ("weather.cedar", include_str!("../../../../policies/examples/weather.cedar")),
    ("github-issues.cedar", include_str!("../../../../policies/examples/github-issues.cedar")),
    ("payments.cedar", include_str!("../../../../policies/examples/payments.cedar")),
    ("demo.cedar", include_str!("demo.cedar")),
];

const CONFIGURATION: &str = r#"# Written by `toolward demo`; everything here is thrown away with it.
environment = "development"
data = "data"
policies = "policies"

[secret_store.local]
kind = "file"
path = "secrets.age"
unlock = { key_file = "secrets.key" }

[credential.github]
kind = "static-token"
store = "local"
secret = "github-token"
owner = "ana"

[credential.stripe]
kind = "static-token"
store = "local"
secret = "payments-key"
owner = "ana"

[caller]
id = "agent-7"
kind = "agent"
roles = ["assistant", "triage"]

[operator]
roles = ["oncall", "payer"]
"#;
