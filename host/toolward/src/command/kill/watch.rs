//! `toolward kill watch`: the switches, and each change of them.
use std::time::Duration;

use serde::Serialize;
use toolward_gate::{Clock as _, Switch, SwitchFeed as _, SwitchSet, SwitchTarget, SystemClock};
use toolward_state::State;

use super::{
    super::{Context, Failure, approval::visible},
    line,
};

/// One change, and what is thrown at the beginning.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Seen<'a> {
    On(&'a Switch),
    Off(Off<'a>),
}

#[derive(Serialize)]
struct Off<'a> {
    target: &'a SwitchTarget,
    /// It went off by itself; else somebody lifted it, and the trail says who and why.
    expired: bool,
}

/// Looks until it is interrupted. Fails when the switches cannot be read.
pub(super) async fn watch(context: &Context, state: &State) -> Result<(), Failure> {
    let mut known = SwitchSet::default();
    loop {
        let now = state.read().await?;
        for seen in changes(&known, &now) {
            context.terminal.show(&seen, || seen.line())?;
        }
        known = now;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn changes<'a>(before: &'a SwitchSet, after: &'a SwitchSet) -> impl Iterator<Item = Seen<'a>> {
    let over = |switch: &Switch| switch.expires_at.is_some_and(|end| end <= SystemClock.now());
    let off = before.thrown.iter().filter(|switch| !after.names(&switch.target));
    let off =
        off.map(move |switch| Seen::Off(Off { target: &switch.target, expired: over(switch) }));
    // One that is thrown again has a new reason or another end.
    let on = after.thrown.iter().filter(|switch| !before.thrown.contains(switch));
    off.chain(on.map(Seen::On))
}

impl Seen<'_> {
    fn line(&self) -> String {
        match self {
            Self::On(switch) => format!("on: {}", line(switch)),
            Self::Off(Off { target, expired: true }) => {
                visible(&format!("off: {target}, by itself"))
            }
            Self::Off(Off { target, expired: false }) => visible(&format!("off: {target}")),
        }
    }
}

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
