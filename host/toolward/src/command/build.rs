//! `toolward build`: a tool's crate becomes a component.
use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{Context, Failure};
use crate::build::build_tool;

#[derive(Args)]
pub(super) struct Build {
    /// The folder of the crate.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to write the component; beside the module that the compiler wrote, where absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let progress = context.terminal.progress();
        let built = build_tool(&self.folder, &mut |step| progress.step(step))?;
        drop(progress);
        let output = self.output.unwrap_or_else(|| built.module.with_extension("component.wasm"));
        fs::write(&output, &built.bytes)?;
        let data = json!({ "path": output, "digest": built.digest, "bytes": built.bytes.len(), "tools": built.tools });
        context.terminal.show(&data, || {
            format!(
                "{} ({} bytes, {} tools)\n{}",
                output.display(),
                built.bytes.len(),
                built.tools,
                built.digest
            )
        })?;
        Ok(())
    }
}
