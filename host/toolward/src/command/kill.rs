//! `toolward kill`: the switches that stop what runs and keep it stopped.
mod confirm;
mod named;
mod watch;

use clap::Subcommand;
use jiff::SignedDuration;
use serde_json::json;
use toolward_gate::{Clock as _, Switch, SwitchFeed as _, SwitchTarget, SystemClock};

use super::{
    Context, Failure,
    approval::visible,
    time::{ANY, within},
};
use crate::wiring;

#[derive(Subcommand)]
pub(super) enum Kill {
    /// Throw a switch: `everything`, `tool|digest|capability|provider|credential|principal NAME`, or `use DIGEST
    /// CAPABILITY`, which the host throws itself after three responses that held a credential.
    On {
        #[arg(required = true, num_args = 1..=3, value_name = "WHAT")]
        target: Vec<String>,
        #[arg(long)]
        reason: String,
        /// When it goes off by itself, as in `30m` or `2h`; never, where absent.
        #[arg(long = "for", value_name = "TIME", value_parser = within(ANY, "write a time, as in `30m` or `2h`"))]
        time: Option<SignedDuration>,
        /// Also where nothing of this host has that name yet.
        #[arg(long)]
        anyway: bool,
        /// Do not ask again before everything is stopped, which is asked on a terminal only.
        #[arg(long)]
        yes: bool,
    },
    /// Lift a switch.
    Off {
        #[arg(required = true, num_args = 1..=3, value_name = "WHAT")]
        target: Vec<String>,
        #[arg(long)]
        reason: String,
        /// Do not ask again before `everything` runs again. Without a terminal, this has to be said.
        #[arg(long)]
        yes: bool,
    },
    /// List the switches that are thrown.
    List,
    /// Print the switches that are thrown, and each change as it is made, until it is interrupted; with `--json`, one
    /// object a line.
    Watch,
}

impl Kill {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        // Words that name no switch fail before anything is opened.
        if let Self::On { target, .. } | Self::Off { target, .. } = &self {
            read(target)?;
        }
        let config = context.config()?;
        let state = wiring::state(&config).await?;
        let by = config.operator_id();
        match self {
            Self::On { target, reason, time, anyway, yes } => {
                let (target, since) = (read(&target)?, SystemClock.now());
                // A script that stops everything in an emergency is not held up.
                confirm::before(
                    yes || !confirm::can_ask(),
                    &target,
                    "stops every call of every tool",
                )?;
                let expires_at = time.map(|time| since.checked_add(time)).transpose();
                let expires_at = expires_at.map_err(|error| Failure::Usage(error.to_string()))?;
                let named = named::check(&config, &target, anyway)?;
                let switch = Switch { target, reason, by, since, expires_at };
                state.throw(switch.clone()).await?;
                context.terminal.show(&switch, || format!("on: {}", switch.target))?;
                context.terminal.say(named);
            }
            Self::Off { target, reason, yes } => {
                let target = read(&target)?;
                confirm::before(yes, &target, "lets every tool run again")?;
                if !state.lift(&target, &by, &reason).await? {
                    return Err(Failure::NotFound(format!(
                        "the switch `{target}` is not on; `toolward kill list` shows those that are"
                    )));
                }
                context.terminal.show(&json!({ "off": target }), || format!("off: {target}"))?;
            }
            Self::List => return list(context, &state.read().await?.thrown),
            Self::Watch => return watch::watch(context, &state).await,
        }
        Ok(())
    }
}

fn list(context: &Context, switches: &[Switch]) -> Result<(), Failure> {
    let lines = || switches.iter().map(|switch| line(switch) + "\n").collect();
    context.terminal.show(&json!({ "switches": switches }), lines)?;
    if switches.is_empty() {
        context.terminal.say("no switch is on");
    }
    Ok(())
}

fn line(switch: &Switch) -> String {
    let Switch { target, reason, by, since, expires_at } = switch;
    let until = expires_at.map_or(String::new(), |end| format!(" until {end:.0}"));
    visible(&format!("{target} by {by} since {since:.0}{until}: {reason}"))
}

fn read(words: &[String]) -> Result<SwitchTarget, Failure> {
    words
        .join(" ")
        .parse()
        .map_err(|error: toolward_gate::SwitchTargetError| Failure::Usage(error.to_string()))
}
