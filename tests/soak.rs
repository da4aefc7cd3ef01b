//! Hostile and healthy calls, mixed for a while: every healthy one is answered, and nothing is left behind.
//!
//! It runs in a process of its own, since it counts that process's memory, descriptors and tasks. It lasts for
//! some seconds; `TOOLWARD_SOAK_SECONDS` makes it longer.
use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use toolward::{config, host::Host, wiring};
use toolward_gate::{Digest, Identity, Kind, Principal, ProgressSink, Stop};
use toolward_vault::{PassphraseSource, Secret, SecretStoreError};

use crate::world::{Guest, Setting, Upstream};

#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn hostile_calls_among_healthy_ones_leave_nothing_behind() {
    if env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(soak());
    }
    let name = "soak::hostile_calls_among_healthy_ones_leave_nothing_behind";
    let mut alone = Command::new(env::current_exe().unwrap());
    let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("healthy calls"), "the soak did run: {said}");
}

/// Rounds until the time is over; the first ones fill pools and caches.
async fn soak() {
    let place = Place::build().await;
    let seconds = env::var("TOOLWARD_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let lasts = Duration::from_secs(seconds.unwrap_or(10));
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    );
    let mut answered = Answered::default();
    for _ in 0..WARM_UP {
        place.round(&mut runner, &mut answered).await;
    }
    let before = Left::now();
    let began = Instant::now();
    while began.elapsed() < lasts {
        place.round(&mut runner, &mut answered).await;
    }
    let after = Left::settled(&before).await;
    let mut out = std::io::stderr();
    writeln!(
        out,
        "{} healthy calls and {} hostile ones; before {before:?}, after {after:?}",
        answered.healthy, answered.hostile
    )
    .unwrap();
    assert!(answered.healthy > 100 && answered.hostile > 100, "{answered:?}");
    assert!(after.tasks.saturating_sub(before.tasks) <= IDLE, "tasks: {before:?}, {after:?}");
    assert!(
        after.descriptors.saturating_sub(before.descriptors) <= IDLE,
        "descriptors: {before:?}, {after:?}"
    );
    assert!(
        after.resident_mib.saturating_sub(before.resident_mib) <= GROWTH_MIB,
        "{before:?}, {after:?}"
    );
    place.all_places_are_free().await;
}

#[derive(Debug, Default)]
struct Answered {
    healthy: u64,
    hostile: u64,
}

/// What a process holds.
#[derive(Clone, Debug)]
struct Left {
    tasks: usize,
    descriptors: usize,
    resident_mib: u64,
}

impl Left {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        Self {
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            resident_mib: kib / 1024,
        }
    }

    /// Connections and tasks end a moment after the calls that needed them.
    async fn settled(before: &Self) -> Self {
        for _ in 0..60 {
            let now = Self::now();
            if now.tasks <= before.tasks && now.descriptors <= before.descriptors {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self::now()
    }
}

/// A host as an operator starts it, with a shop.
struct Place {
    host: Arc<Host>,
    caller: Principal,
    _shop: Upstream,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn build() -> Self {
        let (shop, folder) = (Upstream::start(false).await, tempfile::tempdir().unwrap());
        write(folder.path(), &shop);
        let config = config::Config::load(&folder.path().join("toolward.toml")).unwrap();
        let nobody: Arc<dyn PassphraseSource> = Arc::new(Nobody);
        let stores = wiring::stores(&config, &nobody).unwrap();
        let value = Secret::new("tok_Zx81kQ7mW0pLr5vTnB4yUj9sEc2aHd6f".to_owned());
        stores["local"].write(&"shop-token".parse().unwrap(), value).await.unwrap();
        let host = Arc::new(wiring::host(&config, &nobody, None).await.unwrap());
        let caller = Principal::authenticated(Identity {
            id: "agent-7".to_owned(),
            kind: Kind::Agent,
            roles: ["assistant".to_owned()].into(),
            groups: [].into(),
            acts_for: Vec::new(),
            scope: None,
            ends_at: None,
        });
        Self { host, caller, _shop: shop, _folder: folder }
    }

    /// Some calls at once, chosen at random; some callers go away before their answer is there.
    async fn round(&self, runner: &mut TestRunner, answered: &mut Answered) {
        let plan = proptest::collection::vec(any_call(), AT_ONCE).new_tree(runner).unwrap();
        let running: Vec<_> =
            plan.current().into_iter().map(|one| (one, self.start(one))).collect();
        for (one, run) in running {
            let outcome = run.await.unwrap();
            match one {
                One::Healthy(_) => {
                    assert!(outcome.is_ok(), "{one:?}: {outcome:?}");
                    answered.healthy = answered.healthy.saturating_add(1);
                }
                One::Hostile(_) | One::Deserted(_) => {
                    answered.hostile = answered.hostile.saturating_add(1);
                }
            }
        }
    }

    fn start(&self, one: One) -> tokio::task::JoinHandle<Result<Value, Stop>> {
        let (tool, arguments) = one.words();
        let arguments = arguments.to_string();
        let tools = &self.host.tools;
        let call = tools.read(&self.caller, "test", tool, &arguments, ProgressSink::default());
        let (call, host) = (call.unwrap(), self.host.clone());
        tokio::spawn(async move {
            let gone = async move {
                match one {
                    One::Deserted(after) => tokio::time::sleep(Duration::from_millis(after)).await,
                    One::Healthy(_) | One::Hostile(_) => std::future::pending().await,
                }
            };
            host.perform_unless(call, gone).await.map(|output| output.value)
        })
    }

    /// As many healthy calls as there are places, and again as many.
    async fn all_places_are_free(&self) {
        let running: Vec<_> = (0..256).map(|which| self.start(One::Healthy(which))).collect();
        for run in running {
            run.await.unwrap().unwrap();
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum One {
    Healthy(usize),
    Hostile(usize),
    /// Its caller goes away after so many milliseconds.
    Deserted(u64),
}

fn any_call() -> impl Strategy<Value = One> {
    prop_oneof![
        3 => (0..64_usize).prop_map(One::Healthy),
        2 => (0..64_usize).prop_map(One::Hostile),
        1 => (0..8_u64).prop_map(One::Deserted),
    ]
}

impl One {
    fn words(self) -> (&'static str, Value) {
        let healthy = [
            ("read_item", json!({ "id": "1" })),
            ("look_for_extras", json!({})),
            ("recurse", json!({ "depth": 10 })),
        ];
        let hostile = [
            ("spin", json!({})),
            ("panic", json!({})),
            ("fail", json!({})),
            ("answer_otherwise", json!({})),
            ("fill_memory", json!({ "bytes": 80 << 20 })),
            ("recurse", json!({ "depth": 100_000_000 })),
            ("talk", json!({ "bytes": 8 << 20 })),
            ("hoard", json!({ "count": 100_000 })),
            ("chatter", json!({ "count": 10_000 })),
            ("fetch", json!({ "method": "GET", "target": "/items/large" })),
            ("fetch", json!({ "method": "GET", "target": "https://elsewhere.example/" })),
            ("need_forbidden", json!({})),
        ];
        match self {
            Self::Healthy(which) => healthy.iter().cycle().nth(which).unwrap().clone(),
            Self::Hostile(which) => hostile.iter().cycle().nth(which).unwrap().clone(),
            Self::Deserted(_) => ("spin", json!({})),
        }
    }
}

fn write(folder: &Path, shop: &Upstream) {
    let setting = Setting::default().policy(
        r#"@id("hurried") @ttl("50ms") permit(principal, action == Action::"call", resource == Tool::"spin");"#,
    );
    let probe = Guest::Probe.component();
    fs::create_dir(folder.join("policies")).unwrap();
    // A host does not start while a tool needs what nobody defined.
    let undefined = ["moon:cheese:eat", "shop:branches:read"].map(|name| {
        format!("\n[capability.\"{name}\"]\ndescription = \"Lent to nobody.\"\ninterface = \"clock\"\nrisk = \"low\"\n")
    });
    let definitions = format!("{}{}", setting.definitions(shop), undefined.concat());
    fs::write(folder.join("policies/capabilities.toml"), definitions).unwrap();
    fs::write(folder.join("policies/all.cedar"), setting.rules()).unwrap();
    fs::write(folder.join("probe.wasm"), probe).unwrap();
    let digest = Digest::of(probe);
    let text = format!(
        "environment = \"development\"\n[component.probe]\npath = \"probe.wasm\"\ndigest = \"{digest}\"\n{STORE}"
    );
    fs::write(folder.join("toolward.toml"), text).unwrap();
}

struct Nobody;

impl PassphraseSource for Nobody {
    fn ask(&self, prompt: &str) -> Result<Secret, SecretStoreError> {
        Err(SecretStoreError::NoPassphrase(prompt.to_owned()))
    }
}

const STORE: &str = "[secret_store.local]\nkind = \"file\"\npath = \"secrets.age\"\nunlock = { key_file = \"secrets.key\" }\n\
     [credential.shop]\nkind = \"static-token\"\nstore = \"local\"\nsecret = \"shop-token\"\nowner = \"ana\"\n";
const ALONE: &str = "TOOLWARD_SOAK_ALONE";
const AT_ONCE: usize = 24;
const WARM_UP: usize = 6;
/// Connections to the shop that wait for the next request: both of their ends are in this process.
const IDLE: usize = 48;
/// The allocator, and pages that the pool keeps for the next call: it goes up and down by this much, and is less
/// than what four hostile guests had filled.
const GROWTH_MIB: u64 = 255;
