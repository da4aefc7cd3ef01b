//! What ends a guest that computes: the notice of a thrown switch, by itself.
use std::{sync::Arc, time::Duration};

use toolward_gate::{Cause, Clock as _, Notes, Stop, Switch, SwitchTarget, SystemClock};

use super::wanting;
use crate::{
    Sandbox, SandboxSettings,
    testing::{self, EMIT, First, Guest, terms},
};

/// No tick comes as long as a test lasts.
fn without_ticks() -> Arc<Sandbox> {
    let tick = Duration::from_secs(3600);
    let settings = SandboxSettings { concurrent_calls: 1, tick, ..SandboxSettings::default() };
    Arc::new(Sandbox::new(settings).unwrap())
}

fn thrown() -> Switch {
    Switch {
        target: SwitchTarget::Everything,
        reason: String::new(),
        by: "ana".to_owned(),
        since: SystemClock.now(),
        expires_at: None,
    }
}

///
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thrown_switch_ends_a_guest_that_computes_without_waiting_for_a_tick() {
    let sandbox = without_ticks();
    let guest = Guest { first: First::EmitAndSpin, imports: vec![EMIT], ..Guest::answering("{}") };
    let guest = Guest { manifest: wanting("host:log:write", true), ..guest };
    let digest = sandbox.install(guest.component()).await.unwrap().digest;
    let (notes, granted) = (Notes::default(), terms(&[("host:log:write", "log")]));
    let (grant, switches) = testing::grant(digest, granted, notes.clone()).await;
    let running = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.run(grant).await }
    });
    while notes.read().is_empty() {
        tokio::task::yield_now().await;
    }
    // Who is not told computes on, although its life is over.
    switches.board().throw(thrown()).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!running.is_finished());
    sandbox.interrupt();
    let stopped = tokio::time::timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
    assert!(matches!(stopped, Err(Stop::Halted(Cause::SwitchThrown(_)))), "{stopped:?}");
}
