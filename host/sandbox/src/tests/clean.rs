//! A run that ends badly leaves nothing: who comes next into its place finds all of the memory as new.
use std::time::Duration;

use serde_json::{Value, json};
use toolward_gate::{Cause, Clock as _, Notes, Stop, Switch, SwitchTarget, SystemClock, Terms};

use super::wanting;
use crate::{
    Output, Sandbox, SandboxSettings,
    testing::{self, Asked, EMIT, First, Guest, Then, terms},
};

/// One place for calls, which has two memories.
fn one_place() -> Sandbox {
    let settings = SandboxSettings { concurrent_calls: 1, ..SandboxSettings::default() };
    Sandbox::new(settings).unwrap()
}

/// 8 MiB: more than the pool keeps resident, which is reset in another way.
const PAGES: i32 = 128;

fn guest(name: &str, then: Then) -> Guest {
    let first = First::Soil(PAGES, then);
    let answer = json!({ "name": name }).to_string();
    let manifest = wanting("host:log:write", true);
    Guest { first, imports: vec![EMIT], manifest, ..Guest::answering(&answer) }
}

async fn call(sandbox: &Sandbox, guest: &Guest, soiling: bool, end: End) -> Result<Output, Stop> {
    let digest = sandbox.install(guest.component()).await.unwrap().digest;
    let arguments: Value = if soiling { json!({ "mess": "all over" }) } else { json!({}) };
    let time = if end == End::Time { Duration::from_millis(150) } else { Duration::from_secs(60) };
    let asked = Asked { digest, tool: "act", arguments };
    let notes = Notes::default();
    let granted = Terms { time, ..terms(&[("host:log:write", "log")]) };
    let (grant, switches) = testing::grant_for(&asked, granted, notes.clone()).await;
    let board = switches.board();
    let kill = async {
        if end == End::Kill {
            while notes.read().is_empty() {
                tokio::task::yield_now().await;
            }
            board.throw(switch()).await.unwrap();
        }
    };
    tokio::join!(sandbox.run(grant), kill).0
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Itself,
    Time,
    Kill,
}

fn switch() -> Switch {
    Switch {
        target: SwitchTarget::Everything,
        reason: String::new(),
        by: "ana".to_owned(),
        since: SystemClock.now(),
        expires_at: None,
    }
}

fn fits(end: End, stopped: &Result<Output, Stop>) -> bool {
    matches!(
        (end, stopped),
        (End::Itself, Err(Stop::Trapped { .. }))
            | (End::Time, Err(Stop::Halted(Cause::TimeOver)))
            | (End::Kill, Err(Stop::Halted(Cause::SwitchThrown(_))))
    )
}

#[tokio::test]
async fn a_guest_finds_its_own_traces() {
    let sandbox = one_place();
    let guest = guest("mess", Then::Look);
    call(&sandbox, &guest, false, End::Itself).await.unwrap();
    let found = call(&sandbox, &guest, true, End::Itself).await;
    assert!(matches!(found, Err(Stop::Trapped { .. })), "{found:?}");
}

#[tokio::test]
async fn the_next_call_finds_clean_memory_after_every_bad_end() {
    for (end, then) in
        [(End::Itself, Then::Crash), (End::Time, Then::Spin), (End::Kill, Then::Spin)]
    {
        let sandbox = one_place();
        // Two components fill both memories, so that the third must take one that was used; and the first
        // comes back to its own.
        let [one, two, three] = ["one", "two", "three"].map(|name| guest(name, then));
        for soiling in [&one, &two] {
            let stopped = call(&sandbox, soiling, true, end).await;
            assert!(fits(end, &stopped), "{end:?}: {stopped:?}");
        }
        for clean in [&one, &two, &three, &one] {
            call(&sandbox, clean, false, End::Itself).await.unwrap();
        }
    }
}
