//! A whole host in a folder, as an operator sets it up, with one tool that does nothing.
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use toolward::{config::Config, host::Host, wiring};
use toolward_gate::{Call, Digest, Ending, Identity, Kind, Principal, ProgressSink, Usage};
use toolward_vault::{NoPassphrase, PassphraseSource};

pub(crate) struct House {
    pub(crate) host: Arc<Host>,
    caller: Principal,
    _folder: tempfile::TempDir,
}

/// What each part of one call took.
pub(crate) struct Parts {
    pub(crate) open: Duration,
    pub(crate) settle: Duration,
    pub(crate) admit: Duration,
    pub(crate) run: Duration,
    pub(crate) close: Duration,
}

impl House {
    /// Its database is in a new folder below `place`.
    pub(crate) async fn build(place: &Path, component: &[u8]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(place)?;
        write(folder.path(), component)?;
        let config = Config::load(&folder.path().join("toolward.toml"))
            .ok()
            .context("the configuration of the bench does not load")?;
        let nobody: Arc<dyn PassphraseSource> = Arc::new(NoPassphrase);
        let host = Arc::new(wiring::host(&config, &nobody, None).await?);
        Ok(Self { host, caller: caller(), _folder: folder })
    }

    /// The call as a door makes it.
    pub(crate) fn call(&self) -> anyhow::Result<Call> {
        let tools = &self.host.tools;
        Ok(tools.read(&self.caller, "bench", "nothing", "{}", ProgressSink::default())?)
    }

    /// From the reading of the arguments to the result, as a door does it.
    pub(crate) async fn perform(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.host.perform(self.call()?).await?;
        Ok(began.elapsed())
    }

    /// The same way by hand, step by step.
    pub(crate) async fn parts(&self) -> anyhow::Result<Parts> {
        let (host, call) = (&self.host, self.call()?);
        let mut watch = Watch(Instant::now());
        let entry = host.audit.open(&call).await?;
        let open = watch.lap();
        let settled = host.gate.settle(call).await?;
        let settle = watch.lap();
        let permit = host.gate.admit(settled).await?;
        let admit = watch.lap();
        let cost = permit.terms().cost;
        let outcome = host.sandbox.run(host.vault.equip(permit)).await;
        let run = watch.lap();
        entry.close(Ending::of(&outcome), Usage { cost, tokens: 0, ..Usage::default() }).await?;
        let close = watch.lap();
        outcome?;
        Ok(Parts { open, settle, admit, run, close })
    }
}

struct Watch(Instant);

impl Watch {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now.duration_since(self.0);
        self.0 = now;
        lap
    }
}

/// Sets up a folder: policies, the component, and a configuration.
pub(crate) fn write(folder: &Path, component: &[u8]) -> anyhow::Result<()> {
    let policies = folder.join("policies");
    fs::create_dir(&policies)?;
    fs::write(
        policies.join("capabilities.toml"),
        include_str!("../../../policies/capabilities.toml"),
    )?;
    fs::write(policies.join("default.cedar"), include_str!("../../../policies/default.cedar"))?;
    fs::write(policies.join("nothing.cedar"), POLICY)?;
    fs::write(folder.join("nothing.wasm"), component)?;
    let digest = Digest::of(component);
    fs::write(
        folder.join("toolward.toml"),
        format!(
            "environment = \"development\"\n\n[component.nothing]\npath = \"nothing.wasm\"\ndigest = \"{digest}\"\n"
        ),
    )?;
    Ok(())
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

const POLICY: &str = r#"@id("nothing")
permit(principal in Role::"assistant", action == Action::"call", resource in Component::"nothing");
"#;
