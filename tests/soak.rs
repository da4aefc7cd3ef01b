//! Hostile and healthy calls, mixed for a while: every healthy one is answered, and nothing is left behind.
//!
//! It runs in a process of its own, since it counts that process's memory, descriptors and tasks. It lasts for
//! some seconds; `TOOLWARD_SOAK_SECONDS` makes it longer.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "quantiles of some thousand numbers"
)]
use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use toolward::{config, host::Host, wiring};
use toolward_gate::{Digest, Principal, ProgressSink, Stop};
use toolward_vault::{NoPassphrase, PassphraseSource, Secret};

use crate::world::{BROKER, Guest, STORE, Setting, Upstream, agent};

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
    for _ in 0..WARM_UP {
        place.round(&mut runner, &mut Seen::default()).await;
    }
    let mut seen = Seen::default();
    let before = Left::now();
    let began = Instant::now();
    for round in 0.. {
        if began.elapsed() >= lasts && round >= LEAST {
            break;
        }
        place.round(&mut runner, &mut seen).await;
        place.windows(&mut runner, &mut seen).await;
    }
    let after = Left::settled(&before).await;
    let mut out = std::io::stderr();
    writeln!(out, "healthy calls:\n{}before {before:?}, after {after:?}", seen.told()).unwrap();
    for how in [How::AllAtOnce, How::OneAfterAnother] {
        assert!(seen.took[&(how, Beside::Hostile)].len() >= LEAST * AT_ONCE, "few calls were made");
    }
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

/// What healthy calls have beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Nobody,
    Healthy,
    Hostile,
}

/// How healthy calls come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// In the same moment as those beside them: what they share is mostly the host's part of a call.
    AllAtOnce,
    /// While those beside them run.
    OneAfterAnother,
}

/// How long healthy calls took.
#[derive(Default)]
struct Seen {
    took: BTreeMap<(How, Beside), Vec<Duration>>,
    /// The median and the 99th percentile of each window.
    windows: BTreeMap<Beside, Vec<[f64; 2]>>,
}

fn quantile(took: &[Duration], quantile: f64) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * quantile) as usize]
}

impl Seen {
    fn window(&mut self, beside: Beside, took: Vec<Duration>) {
        let each = [0.5, 0.99].map(|part| quantile(&took, part).as_secs_f64());
        self.windows.entry(beside).or_default().push(each);
        self.took.entry((How::OneAfterAnother, beside)).or_default().extend(took);
    }

    fn told(&self) -> String {
        let mut told = String::new();
        for ((how, beside), took) in &self.took {
            let [middle, tail] = [0.5, 0.99].map(|part| quantile(took, part));
            let count = took.len();
            told += &format!(
                "  {how:?}, {count} beside {beside:?}: median {middle:.1?}, 99% {tail:.1?}\n"
            );
        }
        for beside in [Beside::Healthy, Beside::Hostile] {
            let [middle, tail] = self.moved(beside);
            told += &format!(
                "  one after another, beside {beside:?}, median over windows: the median moves by {middle:.0} %, the 99% by {tail:.0} %\n"
            );
        }
        told
    }

    /// Against the window without neighbours of the same round, in hundredths.
    fn moved(&self, beside: Beside) -> [f64; 2] {
        let (alone, with) = (&self.windows[&Beside::Nobody], &self.windows[&beside]);
        [0, 1].map(|which| {
            let pairs = with.iter().zip(alone);
            let mut moved: Vec<f64> =
                pairs.map(|(with, alone)| (with[which] / alone[which] - 1.0) * 100.0).collect();
            moved.sort_by(f64::total_cmp);
            moved[moved.len() / 2]
        })
    }
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
#[derive(Clone)]
struct Place {
    host: Arc<Host>,
    caller: Principal,
    _shop: Arc<Upstream>,
    _folder: Arc<tempfile::TempDir>,
}

impl Place {
    async fn build() -> Self {
        let (shop, folder) = (Upstream::start(false).await, tempfile::tempdir().unwrap());
        write(folder.path(), &shop);
        let config = config::Config::load(&folder.path().join("toolward.toml")).unwrap();
        let nobody: Arc<dyn PassphraseSource> = Arc::new(NoPassphrase);
        let stores = wiring::stores(&config, &nobody).unwrap();
        let value = Secret::new("tok_Zx81kQ7mW0pLr5vTnB4yUj9sEc2aHd6f".to_owned());
        stores["local"].write(&"shop-token".parse().unwrap(), value).await.unwrap();
        let host = Arc::new(wiring::host(&config, &nobody, None).await.unwrap());
        Self {
            host,
            caller: Principal::authenticated(agent()),
            _shop: shop.into(),
            _folder: folder.into(),
        }
    }

    /// The same healthy calls three times: alone, beside as many more, and beside hostile ones, all at once
    /// and chosen at random.
    async fn round(&self, runner: &mut TestRunner, seen: &mut Seen) {
        let mut pick = |kind: BoxedStrategy<One>| {
            proptest::collection::vec(kind, AT_ONCE).new_tree(runner).unwrap().current()
        };
        let (ours, more) = (pick(healthy().boxed()), pick(healthy().boxed()));
        let hostile = pick(hostile().boxed());
        for (beside, others) in
            [(Beside::Nobody, &[][..]), (Beside::Healthy, &more), (Beside::Hostile, &hostile)]
        {
            let others: Vec<_> = others.iter().map(|one| self.start(*one)).collect();
            let ours: Vec<_> = ours.iter().map(|one| (*one, self.start(*one))).collect();
            for (one, run) in ours {
                let (took, outcome) = run.await.unwrap();
                assert!(outcome.is_ok(), "{one:?}: {outcome:?}");
                seen.took.entry((How::AllAtOnce, beside)).or_default().push(took);
            }
            for run in others {
                drop(run.await.unwrap());
            }
        }
    }

    /// Healthy calls at a pace of their own, three times: alone, and while others call again and again, each in
    /// the pace of a hostile call's end.
    async fn windows(&self, runner: &mut TestRunner, seen: &mut Seen) {
        let mut pick = |kind: BoxedStrategy<One>, count: usize| {
            proptest::collection::vec(kind, count).new_tree(runner).unwrap().current()
        };
        let ours = pick(healthy().boxed(), WINDOW);
        let others = [
            (Beside::Nobody, Vec::new()),
            (Beside::Healthy, pick(healthy().boxed(), AT_ONCE * 8)),
            (Beside::Hostile, pick(hostile().boxed(), AT_ONCE * 8)),
        ];
        for (beside, others) in others {
            seen.window(beside, self.window(&ours, &others).await);
        }
    }

    async fn window(&self, ours: &[One], others: &[One]) -> Vec<Duration> {
        let over = Arc::new(AtomicBool::new(false));
        let mut beside = JoinSet::new();
        for turn in 0..if others.is_empty() { 0 } else { AT_ONCE } {
            let (place, over) = (self.clone(), over.clone());
            let mine: Vec<One> = others.iter().copied().skip(turn).step_by(AT_ONCE).collect();
            beside.spawn(async move {
                let mut pace = tokio::time::interval(PACE_OF_OTHERS);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for one in mine.iter().cycle() {
                    pace.tick().await;
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    drop(place.start(*one).await.unwrap());
                }
            });
        }
        tokio::time::sleep(PACE_OF_OTHERS).await;
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut runs = Vec::new();
        for one in ours {
            let due = pace.tick().await.into_std();
            let late = Instant::now().saturating_duration_since(due);
            runs.push((*one, late, self.start(*one)));
        }
        let mut all = Vec::new();
        for (one, late, run) in runs {
            let (took, outcome) = run.await.unwrap();
            assert!(outcome.is_ok(), "{one:?}: {outcome:?}");
            all.push(took + late);
        }
        over.store(true, Ordering::Relaxed);
        beside.join_all().await;
        all
    }

    /// How long it takes from the door to the answer, and what that is.
    fn start(&self, one: One) -> tokio::task::JoinHandle<(Duration, Result<Value, Stop>)> {
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
            let began = Instant::now();
            let outcome = host.perform_unless(call, gone).await.map(|output| output.value);
            (began.elapsed(), outcome)
        })
    }

    /// As many healthy calls as there are places, and again as many.
    async fn all_places_are_free(&self) {
        let running: Vec<_> = (0..256).map(|which| self.start(One::Healthy(which))).collect();
        for run in running {
            run.await.unwrap().1.unwrap();
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

fn healthy() -> impl Strategy<Value = One> {
    (0..64_usize).prop_map(One::Healthy)
}

/// Some have callers who go away before the answer is there.
fn hostile() -> impl Strategy<Value = One> {
    prop_oneof![2 => (0..64_usize).prop_map(One::Hostile), 1 => (0..8_u64).prop_map(One::Deserted)]
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
        "environment = \"development\"\n[component.probe]\npath = \"probe.wasm\"\ndigest = \"{digest}\"\n\
         [secret_store.local]\n{STORE}[credential.shop]\n{BROKER}owner = \"ana\"\n"
    );
    fs::write(folder.join("toolward.toml"), text).unwrap();
}

const ALONE: &str = "TOOLWARD_SOAK_ALONE";
const AT_ONCE: usize = 12;
/// Healthy calls of one window, one in so long.
const WINDOW: usize = 40;
const PACE: Duration = Duration::from_millis(20);
/// How often each of the others calls: less often than a guest that computes without end has time.
const PACE_OF_OTHERS: Duration = Duration::from_millis(100);
const WARM_UP: usize = 6;
/// Rounds, however slow the machine is.
const LEAST: usize = 3;
/// Connections to the shop that wait for the next request: both of their ends are in this process.
const IDLE: usize = 48;
/// The allocator, and pages that the pool keeps for the next call: it goes up and down by this much, and is less
/// than what four hostile guests had filled.
const GROWTH_MIB: u64 = 255;
