//! A host that is killed at any step: nothing is lost, nothing runs twice, nothing is over-spent.
//!
//! Case I-14 of the catalogue of attacks, and H and G where a crash is part of them. A child goes through a day
//! of a host and is killed (SIGKILL) at one step after the other; what it leaves is opened again and looked at.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::zombie_processes,
    reason = "small numbers; a child speaks on standard output, and ends with its test"
)]
#![expect(clippy::disallowed_methods, reason = "the child is a process of its own")]
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;
use toolward_gate::{
    Adjustment, ApprovalBook as _, AuditLog as _, BudgetLedger as _, BudgetLimit, Call, Clock as _,
    Closed, Cost, CredentialGrant, Expected, Gate, GrantBook as _, KeyQuota, KeySpace,
    KeyValues as _, Ownership, Permit, Reservation, ReserveError, Stop, Switch, SwitchFeed as _,
    SwitchTarget, Switchboard, Tally, Verdict,
};

use super::{
    faults::{self, REACHED, STOP_AT},
    limits::{budgets, of},
    spending::{Asks, terms},
    support::{SetClock, answer_at, call_with, closed, opened, records},
};
use crate::{
    AnchoredLog, Anchoring, CheckpointPlace, Evidence, FilePlace, LinkFilter, OnFailure, Retention,
    State,
};

/// Where a child works, and what it has told since.
pub(super) const FOLDER: &str = "TOOLWARD_TEST_FOLDER";
const TOLD: &str = "told: ";
const DAY: &str = "tests::crash::the_day_of_a_child";
/// Of the tool of this host, in an hour.
const CALLS: u32 = 5;

/// The whole day where nobody says otherwise: then it is told to its end.
#[tokio::test]
async fn the_day_of_a_child() {
    let own = TempDir::new().unwrap();
    let folder = std::env::var_os(FOLDER).map_or_else(|| own.path().to_owned(), PathBuf::from);
    day(&folder).await;
    println!("\n{TOLD}steps {}", faults::count());
    assert!(folder.join("upstream").exists());
}

/// A line on the disk before anybody goes on.
pub(super) fn tell(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{TOLD}{what}").unwrap();
    out.flush().unwrap();
}

async fn day(folder: &Path) {
    let clock = SetClock::at_ten();
    let state = State::open(&folder.join("state.db"), clock.clone()).await.unwrap();
    let archive = Some(folder.join("archive"));
    let retention = Retention { keep: Duration::from_secs(1200), archive };
    let log = AnchoredLog::start(state.clone(), anchoring(folder)).await.unwrap();
    state.throw(switch(&clock)).await.unwrap();
    tell("thrown");
    state.lift(&SwitchTarget::Everything, "ana", "over").await.unwrap();
    tell("lifted");
    // It reads the switches now; one that was thrown and lifted before is not in the way.
    let gate = gate(&state, &clock).await;
    for number in 0..2 {
        one_call(folder, &clock, &state, &log, &gate, number).await;
    }
    lent(&state, &clock).await;
    metered(folder, &state, &clock).await;
    let (space, quota) = (space(), KeyQuota { entries: 10, bytes: 1000 });
    state.change(&space, "key", Expected::Nothing, Some(b"value"), quota).await.unwrap();
    tell("remembered");
    state.backup(&folder.join("backup").join("state.db")).await.unwrap();
    tell("backed-up");
    clock.pass(Duration::from_secs(1800));
    one_call(folder, &clock, &state, &log, &gate, 2).await;
    state.retain(&retention, "ana").await.unwrap();
    tell("retained");
    log.stop().await.unwrap();
    tell("stopped");
}

/// Two grants, of which one is taken back.
async fn lent(state: &State, clock: &SetClock) {
    for to in [STAYS, LEAVES] {
        state.grant(granted(to, clock)).await.unwrap();
        tell(&format!("granted {to}"));
    }
    let CredentialGrant { credential, to, .. } = granted(LEAVES, clock);
    state.revoke(&credential, &to, None, "ana", "over").await.unwrap();
    tell("revoked");
}

const STAYS: &str = "role:payer";
const LEAVES: &str = "role:guest";

fn granted(to: &str, clock: &SetClock) -> CredentialGrant {
    CredentialGrant {
        credential: "stripe".parse().unwrap(),
        to: to.parse().unwrap(),
        tool: None,
        by: "ana".to_owned(),
        reason: String::new(),
        since: clock.now(),
        ends_at: clock.now().checked_add(Duration::from_secs(36_000)).unwrap(),
    }
}

/// A call whose requests are metered: each is on the disk before it leaves, at the most that it may cost.
async fn metered(folder: &Path, state: &State, clock: &SetClock) {
    let budgets = budgets(PAID);
    let mut call = call_with("payer", "{}");
    call.tool.name = "metered".parse().unwrap();
    let now = clock.now();
    let reservation = Reservation {
        call: &call,
        usage: Tally::default(),
        spent: Tally::default(),
        rates: &[],
        budgets: &budgets,
        approval: None,
        now,
        expires_at: now.checked_add(Duration::from_secs(60)).unwrap(),
    };
    state.append(&opened(&call)).await.unwrap();
    state.reserve(reservation).await.unwrap();
    let mut used = 0;
    for number in 0..2 {
        hold(state, &call, &budgets, used + MOST, now).await.unwrap();
        pay(folder, MOST - number);
        used += MOST - number;
        hold(state, &call, &[], used, now).await.unwrap();
        tell(&format!("paid {used}"));
    }
    let end = Closed { used: paid(used), ..closed(&call, used) };
    state.close(end).await.unwrap();
    tell("settled");
}

async fn hold(
    state: &State,
    call: &Call,
    budgets: &[BudgetLimit],
    cost: u64,
    now: Timestamp,
) -> Result<(), ReserveError> {
    let (usage, spent, behalf, call) = (paid(cost), paid(cost), &[][..], call.id);
    state.adjust(Adjustment { call, usage, spent, budgets, behalf, now }).await
}

fn paid(cost: u64) -> Tally {
    of("shop", Cost(cost).into())
}

/// What the other side has charged, whatever becomes of this host.
fn pay(folder: &Path, cost: u64) {
    faults::at("pay").unwrap();
    let mut bill = OpenOptions::new().create(true).append(true).open(folder.join("bill")).unwrap();
    writeln!(bill, "{cost}").unwrap();
    bill.sync_all().unwrap();
    faults::at("paid").unwrap();
}

/// Of the shop, in a day; and what one request costs at most.
const PAID: &str = "usd:0.00003/day of shop";
const MOST: u64 = 10;

/// The budget holds over the crash: what the shop has charged is counted, and no more than one request beside it.
async fn paying(folder: &Path, state: &State, clock: &SetClock, at: &str) {
    let bill = fs::read_to_string(folder.join("bill")).unwrap_or_default();
    let billed: u64 = bill.lines().map(|line| line.parse::<u64>().unwrap()).sum();
    clock.pass(Duration::from_secs(3600));
    let shown = state.standings(Some("payer"), clock.now()).await.unwrap();
    let counted = shown.first().map_or(0, |one| one.used);
    assert!(counted >= billed, "{at}: {billed} is billed, and {counted} counts");
    assert!(counted <= billed + MOST, "{at}: {billed} is billed, and {counted} counts");
    assert_eq!(shown.first().map_or(0, |one| one.reserved), 0, "{at}: something is held for ever");
    let (budgets, mut more) = (budgets(PAID), 0);
    loop {
        let mut call = call_with("payer", "{}");
        call.tool.name = "metered".parse().unwrap();
        let now = clock.now();
        let (usage, spent, rates, approval) = (paid(MOST), Tally::default(), &[][..], None);
        let (call, budgets, expires_at) = (&call, &budgets[..], now);
        let reservation =
            Reservation { call, usage, spent, rates, budgets, approval, now, expires_at };
        if state.reserve(reservation).await.is_err() {
            break;
        }
        state.close(Closed { used: paid(MOST), ..closed(call, MOST) }).await.unwrap();
        more += MOST;
    }
    assert!(billed + more <= 30, "{at}: {billed} and {more} of 30 were spent");
}

/// Grants that were told are there, and one that was taken back is not.
async fn lending(folder: &Path, state: &State, told: &[String], at: &str) {
    let has = |what: &str| told.iter().any(|one| one == what);
    let there: Vec<String> =
        state.grants(None).await.unwrap().iter().map(|one| one.to.to_string()).collect();
    let is_there = |to: &str| there.iter().any(|one| one == to);
    assert!(!has(&format!("granted {STAYS}")) || is_there(STAYS), "{at}: a grant is lost");
    // One that was archived may be there, too.
    let recorded = |action: &str, whom: &str, all: &[serde_json::Value]| {
        let of = |one: &&serde_json::Value| {
            one["action"] == action
                && one["subject"].as_str().is_some_and(|text| text.contains(whom))
        };
        usize::from(all.iter().any(|one| of(&one)))
    };
    let all = all_records(folder, state).await;
    for to in [STAYS, LEAVES] {
        let (on, off) =
            (recorded("credential-grant", to, &all), recorded("credential-revoke", to, &all));
        assert_eq!(
            is_there(to),
            on > off,
            "{at}: what is granted to {to} and what is on record differ"
        );
    }
    assert!(!has("revoked") || !is_there(LEAVES), "{at}: a grant came back");
}

/// A call that a person approves: asked, answered, admitted, sent, closed.
async fn one_call(
    folder: &Path,
    clock: &SetClock,
    state: &State,
    log: &AnchoredLog,
    gate: &Gate,
    number: u32,
) {
    let asked = numbered(number);
    let end = closed(&asked, 0);
    log.append(&opened(&asked)).await.unwrap();
    let held = gate.settle(asked).await;
    let Err(Stop::Held { approval, .. }) = held else { panic!("nobody was asked") };
    log.close(end).await.unwrap();
    state.decide(approval, answer_at(clock.now(), "ana", Verdict::Approve)).await.unwrap();
    tell(&format!("approved {number}"));
    let call = numbered(number);
    log.append(&opened(&call)).await.unwrap();
    let permit = admitted(gate, call).await.unwrap();
    dispatch(folder, permit.call(), number);
    log.close(closed(permit.call(), 1)).await.unwrap();
    tell(&format!("closed {number}"));
}

async fn admitted(gate: &Gate, call: Call) -> Result<Permit, Stop> {
    gate.admit(gate.settle(call).await?).await
}

/// What leaves the host: the other side keeps it, whatever becomes of this one.
fn dispatch(folder: &Path, call: &Call, number: u32) {
    faults::at("dispatch").unwrap();
    let mut upstream =
        OpenOptions::new().create(true).append(true).open(folder.join("upstream")).unwrap();
    writeln!(upstream, "{} {number}", call.id).unwrap();
    upstream.sync_all().unwrap();
    faults::at("dispatched").unwrap();
}

fn numbered(number: u32) -> Call {
    call_with("robo", &format!(r#"{{"amount":{number}}}"#))
}

fn anchoring(folder: &Path) -> Anchoring {
    let places: Vec<Arc<dyn CheckpointPlace>> = vec![Arc::new(file(folder))];
    let (every_records, every) = (3, Duration::from_secs(3600));
    Anchoring { places, every_records, every, on_failure: OnFailure::Stop, retention: None }
}

fn file(folder: &Path) -> FilePlace {
    FilePlace::new(folder.join("checkpoints.jsonl"))
}

async fn gate(state: &State, clock: &Arc<SetClock>) -> Gate {
    let state = Arc::new(state.clone());
    Gate {
        policy: Arc::new(Asks(terms(CALLS))),
        approvals: state.clone(),
        budgets: state.clone(),
        switches: Arc::new(Switchboard::follow(state).await.unwrap()),
        ownership: Ownership::open(),
        clock: clock.clone(),
    }
}

fn switch(clock: &SetClock) -> Switch {
    let (reason, by) = ("a test".to_owned(), "ana".to_owned());
    Switch { target: SwitchTarget::Everything, reason, by, since: clock.now(), expires_at: None }
}

fn space() -> KeySpace {
    KeySpace::of(&call_with("robo", "{}"), &"shop:notes:write".parse().unwrap())
}

#[test]
fn a_host_that_is_killed_at_any_step_loses_nothing_and_does_nothing_twice() {
    let steps = steps();
    let numbers = (0..steps).map(|step| step.to_string());
    let plan: Vec<String> = numbers.chain(KINDS.map(str::to_owned)).collect();
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    // Most of a child's time is waiting for the disk.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                while let Some(step) = plan.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let folder = TempDir::new().unwrap();
                    // How many steps there are depends on who comes first: the last ones may not be there.
                    let Some((name, told)) = killed_at(DAY, folder.path(), step, &[]) else {
                        continue;
                    };
                    let at = format!("step {step}, `{name}`");
                    runtime.block_on(survivor(folder.path(), &told, &at));
                    *seen.lock().unwrap().entry(name).or_default() += 1;
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    let survived: usize = seen.values().sum();
    println!("crash points survived / total: {survived} / {survived}, of these {seen:?}");
    assert!(survived + 10 > plan.len(), "{survived} of about {} were tried", plan.len());
    for kind in KINDS {
        assert!(seen.contains_key(kind), "no crash at `{kind}`");
    }
}

/// Steps of every kind: writes, commits, what is on the disk, links, locks, and what leaves.
const KINDS: [&str; 27] = [
    "reserve",
    "reserved",
    "adjust",
    "settle",
    "settled",
    "grant",
    "granted",
    "revoked",
    "paid",
    "migrate",
    "migrated",
    "file",
    "file-written",
    "file-synced",
    "file-linked",
    "lease",
    "lease-locked",
    "write",
    "record",
    "commit",
    "committed",
    "checkpoint",
    "checkpoint-written",
    "dispatch",
    "dispatched",
    "backup-written",
    "archived",
];

/// How many steps the day has.
fn steps() -> usize {
    let folder = TempDir::new().unwrap();
    let output = child(DAY, folder.path(), None).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let steps =
        text.lines().find_map(|line| line.strip_prefix("told: steps ")).unwrap().parse().unwrap();
    assert!(steps > 50, "{text}");
    steps
}

/// This program again, with one of its tests, which works in a folder and stops at a step.
pub(super) fn child(test: &str, folder: &Path, stop: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(stop) = stop {
        command.env(STOP_AT, stop);
    }
    command
}

/// The step that was reached, and what the child had told by then; none where the day was over before.
pub(super) fn killed_at(
    test: &str,
    folder: &Path,
    step: &str,
    environment: &[(&str, &str)],
) -> Option<(String, Vec<String>)> {
    let mut child = child(test, folder, Some(step));
    let mut child = child.envs(environment.iter().copied()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines {
        let line = line.unwrap();
        if let Some(name) = line.strip_prefix(REACHED) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some((name.to_owned(), told));
        }
        told.extend(line.strip_prefix(TOLD).map(str::to_owned));
    }
    if told.iter().any(|one| one.starts_with("steps ")) {
        child.wait().unwrap();
        return None;
    }
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    panic!("step {step} was not reached: {told:?} {said}")
}

/// Starts a host on what is left.
async fn survivor(folder: &Path, told: &[String], at: &str) {
    let clock = SetClock::at_ten();
    let has = |what: &str| told.iter().any(|one| one == what);
    let state = State::open(&folder.join("state.db"), clock.clone()).await.unwrap();
    state.close_interrupted().await.unwrap();
    let checkpoints = file(folder).lines().await.unwrap().unwrap();
    let verified =
        state.verify_with(&Evidence { checkpoints, key: None }, &mut |_, _| ()).await.unwrap();
    assert!(verified.holds(), "{at}: {verified:?}");
    trail(folder, &state, told, at).await;
    let thrown = !state.read().await.unwrap().thrown.is_empty();
    assert!(!has("lifted") || !thrown, "{at}: a switch that was lifted is thrown");
    assert!(
        !has("thrown") || has("lifted") || thrown || lifted(&state).await,
        "{at}: a switch is lost"
    );
    let value = state.get(&space(), "key").await.unwrap();
    assert!(!has("remembered") || value.as_deref() == Some(b"value"), "{at}");
    let backup = folder.join("backup").join("state.db");
    assert!(!has("backed-up") || backup.exists(), "{at}");
    if backup.exists() {
        let copy = State::open(&backup, clock.clone()).await.unwrap();
        assert!(copy.verify(&mut |_, _| ()).await.unwrap().holds(), "{at}: the backup");
        copy.shut().await;
    }
    lending(folder, &state, told, at).await;
    AnchoredLog::start(state.clone(), anchoring(folder)).await.unwrap();
    if thrown {
        state.lift(&SwitchTarget::Everything, "ana", "after the crash").await.unwrap();
    }
    spending(folder, &state, &clock, told, at).await;
    paying(folder, &state, &clock, at).await;
}

async fn lifted(state: &State) -> bool {
    records(state).await.iter().any(|one| one["action"] == "kill-off")
}

/// Those that were removed after their time, too.
async fn all_records(folder: &Path, state: &State) -> Vec<serde_json::Value> {
    let mut records = records(state).await;
    for file in fs::read_dir(folder.join("archive")).into_iter().flatten() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            let text = fs::read_to_string(path).unwrap();
            let links =
                text.lines().map(|line| serde_json::from_str::<toolward_gate::Link>(line).unwrap());
            records.extend(links.map(|link| serde_json::from_str(&link.record).unwrap()));
        }
    }
    records
}

/// Every request that left has an intent on record from before, and every intent an end.
async fn trail(folder: &Path, state: &State, told: &[String], at: &str) {
    let records = all_records(folder, state).await;
    let of = |call: &str, kind: &str| {
        records.iter().any(|one| one["call"] == call && one["record"] == kind)
    };
    for line in fs::read_to_string(folder.join("upstream")).unwrap_or_default().lines() {
        let call = line.split(' ').next().unwrap();
        assert!(of(call, "opened") && of(call, "admitted"), "{at}: {line} left without an intent");
    }
    for opened in records.iter().filter(|one| one["record"] == "opened") {
        assert!(of(opened["call"].as_str().unwrap(), "closed"), "{at}: {opened} has no end");
    }
    let closed = told.iter().filter(|one| one.starts_with("closed")).count();
    let admitted: std::collections::BTreeSet<_> = records
        .iter()
        .filter(|one| one["record"] == "admitted")
        .map(|one| one["call"].to_string())
        .collect();
    assert!(admitted.len() >= closed, "{at}: an admission is lost");
    let approved = told.iter().filter(|one| one.starts_with("approved")).count();
    let answers = records.iter().filter(|one| one["action"] == "approval-approve").count();
    assert!(answers >= approved, "{at}: an answer is lost");
}

/// Tries everything again: one yes is one run, and the rate holds over the crash.
async fn spending(folder: &Path, state: &State, clock: &Arc<SetClock>, told: &[String], at: &str) {
    let gate = gate(state, clock).await;
    let sent = |number: u32| {
        let text = fs::read_to_string(folder.join("upstream")).unwrap_or_default();
        text.lines().filter(|line| line.ends_with(&format!(" {number}"))).count()
    };
    let before: usize = (0..3).map(sent).sum();
    for number in 0..3 {
        let ran = sent(number);
        let again = admitted(&gate, numbered(number)).await;
        assert!(again.is_err() || ran == 0, "{at}: call {number} runs twice on one yes");
        if let Ok(permit) = again {
            let approved = told.iter().any(|one| one == &format!("approved {number}"));
            assert!(approved || answered(state).await > 0, "{at}");
            dispatch(folder, permit.call(), number);
        }
    }
    // New ones, each with a new yes, until the rate says no.
    let mut more = 0;
    for number in 10..20 {
        let Err(Stop::Held { approval, .. }) = gate.settle(numbered(number)).await else {
            panic!("{at}")
        };
        state.decide(approval, answer_at(clock.now(), "ana", Verdict::Approve)).await.unwrap();
        more += usize::from(admitted(&gate, numbered(number)).await.is_ok());
    }
    let again: usize = (0..3).map(sent).sum::<usize>() - before;
    assert!(
        before + again + more <= CALLS as usize,
        "{at}: {before} + {again} + {more} calls of {CALLS}"
    );
    assert!(
        more > 0 || before + again + 1 >= CALLS as usize,
        "{at}: a crash took more than one place"
    );
}

async fn answered(state: &State) -> usize {
    let links = state.links(LinkFilter::default()).await.unwrap();
    links.iter().filter(|link| link.record.contains("approval-approve")).count()
}
