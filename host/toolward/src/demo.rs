//! `toolward demo`: the whole product on one machine, with every claim checked as it is made.
//!
//! It builds the example tools, starts stand-ins for the three APIs on loopback, writes a throw-away
//! configuration with fresh secrets, and walks through the steps of [`acts`]. A step that does not do what
//! it says fails the run.
mod acts;
mod log;
mod stage;
mod standins;
mod sweep;

pub use log::{LogTap, capture};
pub use stage::{Settings, Stage};

use std::io::Write;

use serde::Serialize;

/// What one step claimed, and whether it held.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub title: &'static str,
    /// What was seen, line by line.
    pub seen: Vec<String>,
    /// What did not hold; empty when everything did.
    pub failed: Vec<String>,
}

impl Step {
    fn new(title: &'static str) -> Self {
        Self { title, seen: Vec::new(), failed: Vec::new() }
    }

    /// Notes a fact that the step shows.
    fn show(&mut self, fact: impl Into<String>) {
        self.seen.push(fact.into());
    }

    /// Notes a claim, and whether it holds.
    fn claim(&mut self, claim: impl Into<String>, holds: bool) {
        let claim = claim.into();
        if holds { self.seen.push(claim) } else { self.failed.push(claim) }
    }

    pub fn holds(&self) -> bool {
        self.failed.is_empty()
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "\n{} {}", if self.holds() { "✓" } else { "✗" }, self.title)?;
        for line in &self.seen {
            writeln!(out, "    {line}")?;
        }
        for line in &self.failed {
            writeln!(out, "  ✗ {line}")?;
        }
        Ok(())
    }
}

/// Runs every step, printing each as it ends; the steps, for `--json`.
pub async fn play(stage: &Stage, out: &mut dyn Write) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for act in acts::ALL {
        let step = act(stage).await?;
        step.print(out)?;
        steps.push(step);
    }
    Ok(steps)
}
