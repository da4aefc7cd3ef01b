//! A whole host in a folder, with many calls at once that wait for an upstream.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_trait::async_trait;
use toolward::{config::Config, host::Host, wiring};
use toolward_gate::{
    Audit, AuditLog, Call, Clock as _, Closed, Digest, Identity, Kind, Principal, ProgressSink,
    Record, Stop, Switch, SwitchFeed as _, SwitchTarget, SystemClock, Unavailable,
};
use toolward_state::State;
use toolward_vault::{NoPassphrase, PassphraseSource};

use super::silent::Silent;

pub(crate) struct Crowd {
    host: Arc<Host>,
    upstream: Silent,
    /// As another program opens it.
    state: State,
    caller: Principal,
    _folder: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trail {
    Durable,
    /// Nothing is written: what a call would cost if nobody recorded it. Budgets are kept all the same.
    None,
}

/// What one kill did.
pub(crate) struct Kill {
    /// From the throw to its return.
    pub(crate) acknowledged: Duration,
    /// From the return to the end of each connection.
    pub(crate) ended: Vec<Duration>,
    /// Requests that began after the return.
    pub(crate) began_after: usize,
}

impl Crowd {
    pub(crate) async fn gather(trail: Trail) -> anyhow::Result<Self> {
        let (folder, upstream) = (tempfile::tempdir()?, Silent::start().await?);
        let component =
            toolward::build::build_tool(&root().join("example-tools/hostile"), &mut |_| {})?;
        write(folder.path(), &component.bytes, &upstream)?;
        let config = Config::load(&folder.path().join("toolward.toml"));
        let config = config.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let nobody: Arc<dyn PassphraseSource> = Arc::new(NoPassphrase);
        let mut host = wiring::host(&config, &nobody, None).await?;
        if trail == Trail::None {
            host.audit = Audit::new(Arc::new(Nowhere));
        }
        let state = wiring::state(&config).await?;
        Ok(Self { host: Arc::new(host), upstream, state, caller: caller(), _folder: folder })
    }

    fn read(&self, page: &str) -> anyhow::Result<Call> {
        let arguments = format!("{{\"page\":\"{page}\"}}");
        let sink = ProgressSink::default();
        Ok(self.host.tools.read(&self.caller, "bench", TOOL, &arguments, sink)?)
    }

    pub(crate) async fn call(&self, page: &str) -> anyhow::Result<()> {
        self.host.perform(self.read(page)?).await?;
        Ok(())
    }

    /// Starts calls, waits until each has sent its request, and kills them all.
    pub(crate) async fn kill(&self, calls: usize, here: bool) -> anyhow::Result<Kill> {
        self.upstream.take();
        let mut running = Vec::new();
        for _ in 0..calls {
            let (host, call) = (self.host.clone(), self.read("slow")?);
            running.push(tokio::spawn(async move { host.perform(call).await }));
        }
        self.until(|(began, _)| began >= calls).await.context("not every call sent a request")?;
        let thrown = Instant::now();
        if here {
            self.host.gate.switches.throw(switch()).await?;
        } else {
            self.state.throw(switch()).await?;
        }
        let told = Instant::now();
        self.until(|(_, ended)| ended >= calls).await.context("not every connection was closed")?;
        for call in running {
            anyhow::ensure!(matches!(call.await?, Err(Stop::Halted(_))), "a call was not halted");
        }
        let (began, ended) = self.upstream.take();
        self.lift().await?;
        Ok(Kill {
            acknowledged: told - thrown,
            ended: ended.into_iter().map(|end| end.saturating_duration_since(told)).collect(),
            began_after: began.into_iter().filter(|began| *began > told).count(),
        })
    }

    async fn lift(&self) -> anyhow::Result<()> {
        self.state.lift(&switch().target, "ana", "measured").await?;
        while !self.host.gate.switches.known().thrown.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn until(&self, done: impl Fn((usize, usize)) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done(self.upstream.counts()) {
            anyhow::ensure!(
                began.elapsed() < LONGEST,
                "{:?} after a minute",
                self.upstream.counts()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// A trail that keeps nothing.
struct Nowhere;

#[async_trait]
impl AuditLog for Nowhere {
    async fn append(&self, _: &Record) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn close(&self, _: Closed) -> Result<(), Unavailable> {
        Ok(())
    }
}

fn switch() -> Switch {
    Switch {
        target: SwitchTarget::Provider("github".to_owned()),
        reason: "measured".to_owned(),
        by: "ana".to_owned(),
        since: SystemClock.now(),
        expires_at: None,
    }
}

fn caller() -> Principal {
    Principal::authenticated(Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: ["assistant".to_owned()].into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    })
}

fn write(folder: &Path, component: &[u8], upstream: &Silent) -> anyhow::Result<()> {
    let policies = folder.join("policies");
    fs::create_dir(&policies)?;
    let text =
        [shipped("policies/capabilities.toml")?, shipped("host/toolward/src/demo/demo.toml")?];
    // No credential: what is measured is how calls end.
    let plain = |line: &&str| !line.starts_with("credential") && !line.starts_with("inject");
    let text: String =
        text.concat().lines().filter(plain).map(|line| format!("{line}\n")).collect();
    let local = format!("http://{}\"\nallow_private = true", upstream.address);
    let text = text.replace("https://api.github.com\"", &local);
    fs::write(policies.join("capabilities.toml"), text)?;
    fs::write(policies.join("crowd.cedar"), POLICY)?;
    fs::write(folder.join("hostile.wasm"), component)?;
    let digest = Digest::of(component);
    fs::write(folder.join("toolward.toml"), format!("{SETTINGS}digest = \"{digest}\"\n"))?;
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn shipped(path: &str) -> anyhow::Result<String> {
    Ok(fs::read_to_string(root().join(path))?)
}

const TOOL: &str = "fetch_debug_page";
const LONGEST: Duration = Duration::from_secs(60);
const POLICY: &str = r#"@id("crowd") @ttl("5m") permit(principal, action, resource);
"#;
const SETTINGS: &str = r#"environment = "development"

[sandbox]
concurrent_calls = 1024
[sandbox.limits]
calls_per_tool = 1024
calls_per_principal = 1024
[sandbox.ceiling]
calls_per_tool = 1024
calls_per_principal = 1024

[component.hostile]
path = "hostile.wasm"
"#;
