//! `toolward backup`: a copy of what the host remembers, to start again from.
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use toolward_gate::{Clock as _, SystemClock};

use super::{Context, Failure, tool::record};
use crate::wiring;

#[derive(Args)]
pub(super) struct Backup {
    /// The folder to write to; a folder of its own, named after the time, is made in it.
    folder: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let state = wiring::state(&config).await?;
        let name = SystemClock.now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
        let folder = self.folder.join(name);
        wiring::private_folder(&self.folder)?;
        wiring::private_folder(&folder)?;
        let file = config.database();
        let file = folder.join(file.file_name().unwrap_or_default());
        let progress = context.terminal.progress();
        progress.step("copying the database");
        state.backup(&file).await?;
        drop(progress);
        record(state, &config, "backup", folder.display().to_string()).await?;
        context.terminal.show(&json!({ "backup": folder }), || folder.display().to_string())?;
        context.terminal.say(
            "it holds the key of the audit trail: keep it as safe as the data directory. To go back, end every host and copy both files over those in the data directory. Configuration, policies, tools and secret stores are not in it.",
        );
        Ok(())
    }
}
