//! `toolward audit`: what happened, and whether the record of it still holds.
use std::collections::BTreeMap;

use clap::Subcommand;
use serde_json::{Value, json};
use toolward_gate::{CallId, Link};
use toolward_state::LinkFilter;
use uuid::Uuid;

use super::{Context, Exit, Failure};
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
    Show {
        /// The call's id.
        call: Uuid,
    },
    /// Check the whole chain.
    Verify,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Tail { lines, call, follow } => tail(context, lines, call, follow).await,
            Self::Show { call } => show(context, CallId::from_uuid(call)).await,
            Self::Verify => verify(context).await,
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
            context.terminal.show(&whole(link), || brief(link))?;
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

/// The tree of a call: each line stands under the call that it was made for.
async fn show(context: &Context, call: CallId) -> Result<(), Failure> {
    let state = wiring::state(&context.config()?).await?;
    let links = state.tree(call).await?;
    if links.is_empty() {
        let missing = format!("there is no call `{call}`; `toolward audit tail` shows the newest");
        return Err(Failure::NotFound(missing));
    }
    let mut depths: BTreeMap<String, usize> = BTreeMap::new();
    for link in &links {
        let record = record(link);
        let named = |name: &str| record.get(name).and_then(Value::as_str);
        let above = named("parent").and_then(|parent| depths.get(parent).copied());
        let call = named("call").unwrap_or_default().to_owned();
        let depth =
            *depths.entry(call).or_insert_with(|| above.map_or(0, |above| above.saturating_add(1)));
        context
            .terminal
            .show(&whole(link), || format!("{}{}", "    ".repeat(depth), brief(link)))?;
    }
    Ok(())
}

fn record(link: &Link) -> Value {
    serde_json::from_str(&link.record).unwrap_or_else(|_| Value::String(link.record.clone()))
}

fn whole(link: &Link) -> Value {
    json!({ "sequence": link.sequence, "at": link.at, "record": record(link), "hash": link.hash })
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

async fn verify(context: &Context) -> Result<(), Failure> {
    let state = wiring::state(&context.config()?).await?;
    let progress = context.terminal.progress();
    let verified = state
        .verify(&mut |done, total| progress.step(&format!("{done} of {total} records")))
        .await?;
    drop(progress);
    let fault = verified
        .fault
        .as_ref()
        .map(|fault| json!({ "sequence": fault.sequence, "what": fault.what }));
    let data = json!({ "records": verified.links, "head": verified.head, "whole": fault.is_none(), "fault": fault, "anchored": 0 });
    context.terminal.show(&data, || match &verified.fault {
        None => format!("{} records, the chain is whole\nhead {}", verified.links, verified.head),
        Some(fault) => format!(
            "{} records, the chain is broken at record {}: {}",
            verified.links, fault.sequence, fault.what
        ),
    })?;
    context.terminal.say("anchored up to record 0: no checkpoint was kept elsewhere, so a tail that was cut off, or a file that was replaced whole, does not show");
    if verified.fault.is_some() { Err(Failure::Silent(Exit::Failure)) } else { Ok(()) }
}

/// How often `--follow` looks for new records.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
