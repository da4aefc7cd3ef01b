//! `toolward audit search` and `export`: what is on record about somebody or something.
use clap::{Args, ValueEnum};
use jiff::{Span, Timestamp};
use serde_json::Value;
use toolward_gate::{CallId, Clock as _, SystemClock};
use toolward_state::{Decided, Search};
use uuid::Uuid;

use super::{
    super::{Context, Failure, approval::visible},
    cef, entry, ocsf, whole,
};
use crate::wiring;

/// What to look for; everything that is given must fit.
#[derive(Args)]
pub(in super::super) struct Looking {
    #[arg(long)]
    call: Option<Uuid>,
    /// Who called, or for whom; of a change, who made it.
    #[arg(long)]
    principal: Option<String>,
    #[arg(long)]
    tool: Option<String>,
    /// A capability that the tool tried.
    #[arg(long)]
    capability: Option<String>,
    #[arg(long, value_enum)]
    decision: Option<Decision>,
    /// What a call ended with, as in `ok` or `over-budget`; of a change, as in `kill-on`.
    #[arg(long)]
    code: Option<String>,
    /// From this time on: `2026-03-02T12:00:00Z`, or how long ago, as in `2h` or `7d`.
    #[arg(long, value_parser = time)]
    since: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_parser = time)]
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Decision {
    Allow,
    Ask,
    Refuse,
}

#[derive(Args)]
pub(in super::super) struct Searching {
    #[command(flatten)]
    looking: Looking,
}

#[derive(Args)]
pub(in super::super) struct Export {
    #[command(flatten)]
    looking: Looking,
    #[arg(long, value_enum, default_value = "records")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The links of the chain, with their hashes.
    Records,
    /// One object for each call and change.
    Entries,
    /// Events of the Open Cybersecurity Schema Framework: API Activity (6003).
    Ocsf,
    /// Lines of the Common Event Format, version 0; with `--json`, each as a text.
    Cef,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let wrong =
        || format!("`{text}` is no time: write one as in `2026-03-02T12:00:00Z`, `2h` or `7d`");
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago: Span = text.parse().map_err(|_| wrong())?;
    let ago = ago.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    SystemClock.now().checked_sub(ago).map_err(|_| wrong())
}

impl Looking {
    fn search(self) -> Search {
        let decision = |decision| match decision {
            Decision::Allow => Decided::Allow,
            Decision::Ask => Decided::Ask,
            Decision::Refuse => Decided::Refuse,
        };
        Search {
            call: self.call.map(CallId::from_uuid),
            principal: self.principal,
            tool: self.tool,
            capability: self.capability,
            decision: self.decision.map(decision),
            code: self.code,
            since: self.since,
            until: self.until,
            after: None,
            most: None,
        }
    }
}

impl Searching {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let state = wiring::state(&context.config()?).await?;
        let found = entry::entries(&state.search(&self.looking.search()).await?);
        for entry in &found {
            context.terminal.show(entry, || visible(&entry.line()))?;
        }
        if found.is_empty() {
            context.terminal.say("nothing on record fits");
        }
        Ok(())
    }
}

impl Export {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let state = wiring::state(&context.config()?).await?;
        let links = state.search(&self.looking.search()).await?;
        let lines: Vec<Value> = match self.format {
            Format::Records => links.iter().map(whole).collect(),
            Format::Entries => {
                let entries = entry::entries(&links);
                entries
                    .iter()
                    .map(serde_json::to_value)
                    .collect::<Result<_, _>>()
                    .map_err(anyhow::Error::from)?
            }
            Format::Ocsf => entry::entries(&links).iter().map(ocsf::event).collect(),
            Format::Cef => {
                entry::entries(&links).iter().map(|entry| cef::line(entry).into()).collect()
            }
        };
        for line in &lines {
            context
                .terminal
                .show(line, || line.as_str().map_or(line.to_string(), str::to_owned))?;
        }
        Ok(())
    }
}
