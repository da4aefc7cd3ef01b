//! A sandbox with the busy tools, behind a gate that says yes.
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::mpsc;
use toolward_gate::{
    Basis, CapabilityName, Destination, Digest, EgressTerms, Gate, HttpScope, Interface,
    PrivateRanges, ProgressSink, ResponseShape, Risk, SandboxGrants, SandboxLimits, SandboxTerms,
    Stop, Switch, SwitchTarget, Tally, Terms, Trust,
};
use toolward_sandbox::{Output, Sandbox, SandboxSettings};
use toolward_vault::{Credentials, EgressSettings, Grant, Vault};

use super::{
    server::Server,
    yes::{self, Switches},
};

pub(crate) struct Yard {
    sandbox: Arc<Sandbox>,
    gate: Gate,
    switches: Arc<Switches>,
    vault: Vault,
    digest: Digest,
}

impl Yard {
    /// With room for so many calls at once.
    pub(crate) async fn open(component: &[u8], calls: u32) -> anyhow::Result<Self> {
        Self::with(
            component,
            SandboxSettings { concurrent_calls: calls, ..SandboxSettings::default() },
            |_| (),
        )
        .await
    }

    /// What was compiled is in this folder. Each destination that an example names is `server`.
    pub(crate) async fn open_lending(
        component: &[u8],
        data: Option<PathBuf>,
        server: &Server,
    ) -> anyhow::Result<Self> {
        let settings = SandboxSettings { data, ..SandboxSettings::default() };
        let mut terms = terms(usize::try_from(settings.concurrent_calls)?);
        let scope = Arc::new(lent(server.address.port()));
        for name in LENT {
            let (name, http) = (name.parse::<CapabilityName>()?, Interface("http".to_owned()));
            terms.sandbox.grants.capabilities.insert(name.clone(), http);
            terms.egress.http.insert(name, scope.clone());
        }
        terms.sandbox.grants.defined = Arc::new(terms.sandbox.grants.capabilities.clone());
        let root = Some(server.root.as_bytes().to_vec());
        Self::under(component, settings, terms, root).await
    }

    /// Under terms that were changed.
    pub(crate) async fn with(
        component: &[u8],
        settings: SandboxSettings,
        change: fn(&mut Terms),
    ) -> anyhow::Result<Self> {
        let mut terms = terms(usize::try_from(settings.concurrent_calls)?);
        change(&mut terms);
        Self::under(component, settings, terms, None).await
    }

    async fn under(
        component: &[u8],
        settings: SandboxSettings,
        terms: Terms,
        extra_roots_pem: Option<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let sandbox = Arc::new(Sandbox::new(settings)?);
        let digest = sandbox.install(component.to_vec()).await?.digest;
        let (gate, switches) = yes::gate(terms).await?;
        let heard = sandbox.clone();
        gate.switches.on_change(move || heard.interrupt());
        let settings = EgressSettings { extra_roots_pem, ..EgressSettings::default() };
        let vault = Vault::new(Credentials::default(), settings)?;
        Ok(Self { sandbox, gate, switches, vault, digest })
    }

    /// The same sandbox, under terms that were changed.
    pub(crate) async fn beside(
        other: &Self,
        component: &[u8],
        change: fn(&mut Terms),
    ) -> anyhow::Result<Self> {
        let sandbox = other.sandbox.clone();
        let digest = sandbox.install(component.to_vec()).await?.digest;
        let mut terms = terms(64);
        change(&mut terms);
        let (gate, switches) = yes::gate(terms).await?;
        let vault = Vault::new(Credentials::default(), EgressSettings::default())?;
        Ok(Self { sandbox, gate, switches, vault, digest })
    }

    async fn grant(&self, tool: &str, arguments: &str, to: ProgressSink) -> anyhow::Result<Grant> {
        let call = yes::call(tool, self.digest, arguments, to)?;
        let permit = self.gate.admit(self.gate.settle(call).await?).await?;
        Ok(self.vault.equip(permit))
    }

    pub(crate) async fn run(&self, tool: &str, arguments: &str) -> anyhow::Result<Value> {
        let grant = self.grant(tool, arguments, ProgressSink::default()).await?;
        Ok(self.sandbox.run(grant).await?.value)
    }

    /// Starts a call that reports and then goes on for ever; how long it lives after its switch is thrown.
    pub(crate) async fn kill(&self, tool: &str) -> anyhow::Result<Duration> {
        let (sender, mut said) = mpsc::channel(1);
        let run = self.start(tool, ProgressSink::to(sender)).await?;
        said.recv().await;
        let target = SwitchTarget::Tool(tool.to_owned());
        let began = Instant::now();
        self.gate.switches.throw(switch(target)).await?;
        let outcome = run.await?;
        let took = began.elapsed();
        anyhow::ensure!(matches!(outcome, Err(Stop::Halted(_))), "the call was halted");
        self.forget().await;
        Ok(took)
    }

    /// Lifts every switch, and waits until the gate has heard of it.
    async fn forget(&self) {
        self.switches.clear();
        while !self.gate.switches.known().thrown.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts a call, and does not wait for it.
    pub(crate) async fn start(
        &self,
        tool: &str,
        to: ProgressSink,
    ) -> anyhow::Result<tokio::task::JoinHandle<Result<Output, Stop>>> {
        let arguments = if tool == "compute" { r#"{"times":1}"# } else { "{}" };
        let grant = self.grant(tool, arguments, to).await?;
        let sandbox = self.sandbox.clone();
        Ok(tokio::spawn(async move { sandbox.run(grant).await }))
    }

    /// Lets so many calls wait for a listener who does not listen; what that takes.
    pub(crate) async fn wait(&self, calls: u32) -> anyhow::Result<String> {
        let before = resident()?;
        let began = Instant::now();
        let mut waiting = Vec::new();
        for _ in 0..calls {
            let (sender, said) = mpsc::channel(1);
            waiting.push((self.start("wait", ProgressSink::to(sender)).await?, said));
        }
        // A full channel: the next report waits.
        while waiting.iter().any(|(run, said)| said.is_empty() && !run.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (took, after) = (began.elapsed(), resident()?);
        let live = waiting.iter().filter(|(run, _)| !run.is_finished()).count();
        let each = after.saturating_sub(before) / u64::from(calls) / 1024;
        let began = Instant::now();
        for (run, said) in waiting {
            drop(said);
            drop(run.await?);
        }
        Ok(format!(
            "{live} live after {took:.1?}, {each} KiB each; all ended {:.1?} after their callers went",
            began.elapsed()
        ))
    }
}

fn switch(target: SwitchTarget) -> Switch {
    let (reason, by) = ("measured".to_owned(), "ana".to_owned());
    Switch { target, reason, by, since: jiff::Timestamp::UNIX_EPOCH, expires_at: None }
}

fn terms(calls: usize) -> Terms {
    let granted = [
        ("host:clock:read", "clock"),
        ("host:log:write", "log"),
        ("host:progress:report", "progress"),
    ];
    let granted = granted.map(|(name, opens)| (name.parse().unwrap(), Interface(opens.to_owned())));
    Terms {
        time: Duration::from_secs(120),
        cost: Tally::default(),
        rates: Vec::new(),
        budgets: Vec::new(),
        egress: EgressTerms::default(),
        sandbox: SandboxTerms {
            grants: SandboxGrants {
                defined: Arc::new(granted.clone().into()),
                capabilities: granted.into(),
                ..SandboxGrants::default()
            },
            limits: SandboxLimits {
                calls_per_tool: calls,
                calls_per_principal: calls,
                ..SandboxLimits::default()
            },
        },
        recording: toolward_gate::Recording::Digest,
        basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

fn lent(port: u16) -> HttpScope {
    let path = |path: &&str| path.parse().unwrap();
    HttpScope {
        destinations: vec![Destination { https: true, host: "127.0.0.1".to_owned(), port }],
        methods: ["GET".to_owned()].into(),
        paths: PATHS.iter().map(path).collect(),
        query: None,
        headers: [].into(),
        allow_private: PrivateRanges::loopback(),
        tls: Trust::default(),
        credential: None,
        session_policy: None,
        oauth_scope: [].into(),
        slot: None,
        max_request_bytes: 1 << 10,
        response: ResponseShape {
            content_types: ["application/json".to_owned()].into(),
            max_bytes: 1 << 18,
            ..ResponseShape::default()
        },
        trace_context: false,
        meter: None,
    }
}

/// What the examples ask for that send requests.
const LENT: [&str; 3] = ["weather:geocoding:read", "weather:forecast:read", "github:issues:read"];
const PATHS: [&str; 3] =
    ["/v1/search", "/v1/forecast", "/repos/{owner}/{repo}/issues/{number:int}"];

/// The resident memory of this process, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0");
    Ok(kib.parse::<u64>()? * 1024)
}
