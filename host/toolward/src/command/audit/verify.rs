//! `toolward audit verify`: does the trail hold, and how far do others vouch for it?
use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::{Value, json};
use toolward_state::{Evidence, Fault, PublicKey, Verified};

use super::super::{Context, Exit, Failure};
use crate::{config::Config, wiring};

#[derive(Args)]
pub(in super::super) struct Verify {
    /// Checkpoints, one a line, as they came to a place elsewhere or as a webhook was told of them; those of the
    /// configuration, where absent.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// What they must be signed with, as `toolward audit key` printed it when the host was new.
    #[arg(long, value_name = "KEY")]
    key: Option<PublicKey>,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        // Read before the trail: one that is written meanwhile is not missed there.
        let checkpoints = self.checkpoints(&config, context).await?;
        let state = wiring::state(&config).await?;
        let progress = context.terminal.progress();
        let evidence = Evidence { checkpoints, key: self.key };
        let verified = state
            .verify_with(&evidence, &mut |done, total| {
                progress.step(&format!("{done} of {total} records"));
            })
            .await?;
        drop(progress);
        context.terminal.show(&data(&verified), || told(&verified))?;
        context.terminal.say(anchoring(&verified));
        if verified.holds() { Ok(()) } else { Err(Failure::Silent(Exit::Failure)) }
    }

    async fn checkpoints(
        &self,
        config: &Config,
        context: &Context,
    ) -> Result<Vec<String>, Failure> {
        let Some(file) = &self.checkpoints else {
            let mut lines = Vec::new();
            for place in wiring::checkpoint_places(config, &context.passphrases())? {
                lines.extend(place.lines().await?.unwrap_or_default());
            }
            return Ok(lines);
        };
        let text = fs::read(file).map_err(|error| {
            Failure::NotFound(format!("`{}` cannot be read: {error}", file.display()))
        })?;
        Ok(String::from_utf8_lossy(&text).lines().map(unwrapped).collect())
    }
}

/// A checkpoint as it stands in a file or a bucket, or as a webhook was told of it.
fn unwrapped(line: &str) -> String {
    let told: Option<Value> = serde_json::from_str(line).ok();
    let data = told.as_ref().and_then(|told| told.get("data")).map(Value::to_string);
    data.unwrap_or_else(|| line.to_owned())
}

fn data(verified: &Verified) -> Value {
    let fault = |fault: &Fault| json!({ "sequence": fault.sequence, "what": fault.what });
    let refuted = |fault: &Fault| json!({ "line": fault.sequence, "what": fault.what });
    let removed = verified.removed.as_ref();
    json!({
        "records": verified.links,
        "last": verified.last,
        "head": verified.head,
        "whole": verified.holds(),
        "fault": verified.fault.as_ref().map(fault),
        "anchored": verified.anchored,
        "unanchored": verified.last.saturating_sub(verified.anchored),
        "checkpoints": verified.checkpoints,
        "refuted": verified.refuted.iter().map(refuted).collect::<Vec<_>>(),
        "unread": verified.unread,
        "given_up": verified.given_up,
        "stepped_back": verified.stepped_back,
        "removed": removed.map(|removed| json!({ "through": removed.through, "at": removed.at, "head": removed.head })),
    })
}

fn told(verified: &Verified) -> String {
    let mut lines = vec![match &verified.fault {
        None => format!("{} records, the chain is whole\nhead {}", verified.links, verified.head),
        Some(fault) => format!(
            "{} records, the chain is broken at record {}: {}",
            verified.links, fault.sequence, fault.what
        ),
    }];
    if let Some(removed) = &verified.removed {
        lines.push(format!(
            "records 1 to {} were removed after their time, last at {:.0}; a signed checkpoint stands for them",
            removed.through, removed.at
        ));
    }
    lines.extend(verified.refuted.iter().map(|fault| {
        format!("the checkpoint in line {} is not genuine: {}", fault.sequence, fault.what)
    }));
    if verified.unread > 0 {
        lines.push(format!("{} lines of the checkpoints cannot be read", verified.unread));
    }
    if verified.given_up > 0 {
        lines.push(format!(
            "{} checkpoints stand for records that were lost; the host went on without them on an operator's word",
            verified.given_up
        ));
    }
    if verified.stepped_back > 0 {
        lines.push(format!(
            "{} records are older than the one before them: the clock was set back",
            verified.stepped_back
        ));
    }
    lines.join("\n")
}

fn anchoring(verified: &Verified) -> String {
    let after = verified.last.saturating_sub(verified.anchored);
    match (verified.checkpoints, after) {
        (0, _) => "anchored up to record 0: no checkpoint was kept elsewhere, so a tail that was cut off, or a file that was replaced whole, does not show".to_owned(),
        (count, 0) => format!("anchored up to record {}, the last: {count} checkpoints fit", verified.anchored),
        (count, after) => format!(
            "anchored up to record {}: {count} checkpoints fit; unanchored after: {after} records, of which a cut-off tail would not show",
            verified.anchored
        ),
    }
}
