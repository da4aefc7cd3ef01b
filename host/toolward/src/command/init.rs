//! `toolward init`: a first configuration.
use std::{fs, io::Write as _, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{Context, Failure};
use crate::{
    config::Config,
    wiring::{self, StartError},
};

#[derive(Args)]
pub(super) struct Init {
    /// The folder; it is made where it is missing.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Init {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let files = FILES.map(|(name, text)| (self.folder.join(name), text));
        if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(Failure::Usage(format!(
                "`{}` is there already; nothing was written",
                there.display()
            )));
        }
        fs::create_dir_all(self.folder.join("policies"))?;
        for (path, text) in &files {
            fs::File::create_new(path)?.write_all(text.as_bytes())?;
        }
        let config = Config::load(&self.folder.join("toolward.toml")).map_err(StartError::from)?;
        let key = wiring::audit_key(&config)?;
        let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        context.terminal.show(&json!({ "written": paths, "audit_key": key }), || {
            paths.iter().map(|path| format!("wrote {path}\n")).collect()
        })?;
        context.terminal.say(format_args!(
            "the audit trail's checkpoints are verified with {key}; note it elsewhere"
        ));
        context
            .terminal
            .say("next: `toolward check TOOL.wasm`, then `toolward tool add TOOL.wasm`");
        Ok(())
    }
}

const FILES: [(&str, &str); 3] = [
    ("toolward.toml", include_str!("init/toolward.toml")),
    ("policies/capabilities.toml", include_str!("init/capabilities.toml")),
    ("policies/default.cedar", include_str!("init/default.cedar")),
];
