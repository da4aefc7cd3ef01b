//! `toolward demo`: the product, shown.
use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Context, Exit, Failure};
use crate::demo::{LogTap, Settings, Stage, play};

#[derive(Args)]
pub(super) struct Demo {
    /// Keep everything up afterwards, and say how to connect a client.
    #[arg(long)]
    stay: bool,
    /// The workspace of the example tools.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../example-tools"), value_name = "FOLDER")]
    tools: PathBuf,
}

impl Demo {
    pub(super) async fn run(self, context: &Context, log: Option<LogTap>) -> Result<(), Failure> {
        let log = log.context("the demo has no log to look into")?;
        let progress = context.terminal.progress();
        let mut stage =
            Stage::set(Settings { tools: self.tools, log }, &mut |step| progress.step(step))
                .await?;
        drop(progress);
        let mut out: Box<dyn std::io::Write + Send> = if context.terminal.is_json() {
            Box::new(std::io::sink())
        } else {
            Box::new(std::io::stdout())
        };
        let steps = play(&stage, &mut out).await?;
        out.flush()?;
        let failed: usize = steps.iter().filter(|step| !step.holds()).count();
        let summary = || match failed {
            0 => format!("\nAll {} steps did what they say.", steps.len()),
            _ => format!("\n{failed} of {} steps did not do what they say.", steps.len()),
        };
        context.terminal.show(&json!({ "steps": steps, "held": failed == 0 }), summary)?;
        if self.stay {
            stage.keep();
            stay(context, &stage).await?;
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Silent(Exit::Failure)) }
    }
}

async fn stay(context: &Context, stage: &Stage) -> Result<(), Failure> {
    let config = stage.directory().join("toolward.toml");
    let program = std::env::current_exe()?;
    let client = json!({ "mcpServers": { "toolward": { "command": program, "args": ["--config", config, "run"] } } });
    context.terminal.show(&client, || {
        format!(
            "\nThe stand-ins stay up. Put this into an MCP client's configuration:\n{}\n\nOr call a tool:\n  {} --config {} call get_forecast city=Berlin\n\nEnd with Ctrl-C.",
            serde_json::to_string_pretty(&client).unwrap_or_default(),
            program.display(),
            config.display()
        )
    })?;
    tokio::signal::ctrl_c().await?;
    std::fs::remove_dir_all(stage.directory())?;
    Ok(())
}
