//! `toolward audit`: what happened, and whether the record of it still holds.
mod entry;
mod ocsf;
mod search;
mod show;
mod verify;

use clap::Subcommand;
use serde_json::{Value, json};
use toolward_gate::{CallId, Link};
use toolward_state::LinkFilter;
use uuid::Uuid;

use super::{Context, Failure, approval::visible};
use crate::wiring;

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Print the newest records, oldest first; with `--json`, one object a line.
    Tail {
        /// How many records.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u32,
        /// Only records of this call.
        #[arg(long)]
        call: Option<Uuid>,
        /// Go on with new records as they are written.
        #[arg(short, long)]
        follow: bool,
    },
    /// Print everything about one call: its records, those of the calls that its tool made, and those of the call
    /// that it was made for. With `--json`, one object a line.
    Show(show::Show),
    /// Find calls and changes.
    Search(search::Searching),
    /// Write everything, or what a search finds, one JSON object a line.
    Export(search::Export),
    /// Check the whole chain, and against its checkpoints.
    Verify(verify::Verify),
    /// Print what checkpoints of this host are verified with.
    Key,
    /// Remove records whose time is over, as hosts do by themselves.
    Prune,
    /// Go on with a trail that lost records, as after a backup was put back.
    Resume {
        #[arg(long)]
        reason: String,
    },
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Tail { lines, call, follow } => tail(context, lines, call, follow).await,
            Self::Show(show) => show.run(context).await,
            Self::Search(search) => search.run(context).await,
            Self::Export(export) => export.run(context).await,
            Self::Verify(verify) => verify.run(context).await,
            Self::Key => key(context),
            Self::Prune => prune(context).await,
            Self::Resume { reason } => resume(context, &reason).await,
        }
    }
}

async fn tail(
    context: &Context,
    lines: u32,
    call: Option<Uuid>,
    follow: bool,
) -> Result<(), Failure> {
    let state = wiring::state(&context.config()?).await?;
    let call = call.map(CallId::from_uuid);
    let mut filter = LinkFilter { after: None, last: Some(lines), call };
    loop {
        let links = state.links(filter).await?;
        for link in &links {
            context.terminal.show(&whole(link), || visible(&brief(link)))?;
        }
        if !follow {
            return Ok(());
        }
        let last = links.last().map(|link| link.sequence).or(filter.after);
        filter = LinkFilter { after: last.or(Some(0)), last: None, call };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn record(link: &Link) -> Value {
    serde_json::from_str(&link.record).unwrap_or_else(|_| Value::String(link.record.clone()))
}

fn whole(link: &Link) -> Value {
    json!({ "sequence": link.sequence, "at": link.at, "record": record(link), "previous": link.previous, "hash": link.hash })
}

fn brief(link: &Link) -> String {
    let record = record(link);
    let field =
        |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let what = match field("record").as_str() {
        "opened" => {
            let parent = match field("parent") {
                parent if parent.is_empty() => parent,
                parent => format!(" for {}", short(&parent)),
            };
            let (principal, tool, door) = (field("principal"), field("tool"), field("door"));
            format!("{principal} calls {tool} through {door}{parent}")
        }
        "admitted" => format!(
            "admitted by {}",
            record.get("policies").map(Value::to_string).unwrap_or_default()
        ),
        "closed" => format!("{} {}", field("outcome"), field("detail")),
        _ => format!(
            "{} by {}: {} {}",
            field("action"),
            field("by"),
            field("subject"),
            field("reason")
        ),
    };
    let call = short(&field("call"));
    format!(
        "{:>6} {:.19} {:<7} {:<12} {}",
        link.sequence,
        link.at.to_string(),
        field("record"),
        call,
        what.trim_end()
    )
}

/// The end of an id: its beginning is the time, which calls of one moment share.
fn short(id: &str) -> String {
    id.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect()
}

fn key(context: &Context) -> Result<(), Failure> {
    let key = wiring::audit_key(&context.config()?)?;
    context.terminal.show(&json!({ "key": key }), || key.to_string())?;
    Ok(())
}

async fn resume(context: &Context, reason: &str) -> Result<(), Failure> {
    let config = context.config()?;
    let state = wiring::state(&config).await?;
    let places = wiring::checkpoint_places(&config, &context.passphrases())?;
    let resumed = state.resume(&places, &config.operator_id(), reason).await?;
    context.terminal.show(&json!({ "resumed": resumed }), || {
        let told = if resumed {
            "the trail goes on from here; what its checkpoints stood for beyond is given up"
        } else {
            "nothing is missing: the trail agrees with its checkpoints"
        };
        told.to_owned()
    })?;
    Ok(())
}

async fn prune(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let retention = wiring::retention(&config).ok_or_else(|| {
        Failure::Usage(
            "records are kept for ever: write `[audit]` and how long, as in `keep = \"90d\"`"
                .to_owned(),
        )
    })?;
    let state = wiring::state(&config).await?;
    let removed = state.retain(&retention, &config.operator_id()).await?;
    context.terminal.show(&json!({ "removed": removed, "archive": retention.archive }), || {
        format!("{removed} records were archived and removed")
    })?;
    Ok(())
}

/// How often `--follow` looks for new records.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
