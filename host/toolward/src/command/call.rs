//! `toolward call`: one call, through the same `perform` as every door.
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;
use toolward_gate::{Progress, ProgressSink, Said, visible_json_lines};

use super::{Context, Failure, approval::visible, run};
use crate::{authn::Shown, tools::ReadError, wiring};

#[derive(Args)]
pub(super) struct Call {
    /// The tool's name.
    tool: String,
    /// Arguments as `key=value`. A value is read as the tool's schema types it.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
    /// All arguments as one JSON object; `-` reads it from standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    args_json: Option<String>,
}

/// What to do about a request that is no call.
pub(super) fn unread(error: &ReadError) -> Failure {
    match error {
        ReadError::NoSuchTool { near: Some(_), .. } => Failure::NotFound(error.to_string()),
        ReadError::NoSuchTool { near: None, .. } => {
            Failure::NotFound(format!("{error}; `toolward tool list` shows all"))
        }
        ReadError::Mismatch { tool, .. } => {
            Failure::Usage(format!("{error}; `toolward tool show {tool}` shows what it takes"))
        }
        ReadError::KeptBack { tool } => Failure::Refused(format!(
            "{error}; see `toolward tool show {tool}`, and `toolward tool accept {tool}`"
        )),
        ReadError::Arguments(_) => Failure::Usage(error.to_string()),
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write `key=value`")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Call {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let token = run::token()?;
        let principal =
            wiring::authn(&config)?.identify(token.as_deref().map(Shown::bearer)).await?;
        let progress = context.terminal.progress();
        progress.step("starting");
        let host =
            wiring::host_for(&config, &context.passphrases(), Some(super::program()?), &self.tool)
                .await?;
        let host = Arc::new(host);
        if config.telemetry.is_some() {
            context.know(&config, &host.tools, &wiring::policies(&config, &host.tools)?);
        }
        let arguments = self.text(&host.tools)?;
        let (sender, mut said) = mpsc::channel(16);
        let read =
            host.tools.read(&principal, "cli", &self.tool, &arguments, ProgressSink::to(sender));
        let call = read.map_err(|error| unread(&error))?;
        progress.step(&format!("calling {}", self.tool));
        let interrupted = async { drop(tokio::signal::ctrl_c().await) };
        let performing = host.perform_unless(call, interrupted);
        tokio::pin!(performing);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(said) = said.recv() => match said {
                    Said::Progress(Progress { done, total, message }) => {
                        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                        progress.step(&visible(&format!("{done}{of} {message}")));
                    }
                    Said::Part(text) => progress.part(&visible(&text)),
                },
                outcome = &mut performing => break outcome,
            }
        };
        drop(progress);
        // What fails here is in the log; the call is over either way.
        drop(host.audit.stop().await);
        if matches!(outcome, Err(toolward_gate::Stop::Held { .. })) {
            let state = wiring::state(&config).await?;
            wiring::tell_once(&config, &context.passphrases(), &state).await;
        }
        let output = outcome.map_err(|stop| Failure::Stopped { stop })?;
        let shown = visible_json_lines(&output.value).map_err(std::io::Error::from)?;
        context.terminal.show(&json!({ "result": output.value }), || shown)?;
        Ok(())
    }

    fn text(&self, tools: &crate::tools::Tools) -> Result<String, Failure> {
        match self.args_json.as_deref() {
            Some("-") => Ok(std::io::read_to_string(std::io::stdin())?),
            Some(json) => Ok(json.to_owned()),
            None => {
                let tool = tools.find(&self.tool);
                Ok(tool
                    .map(|tool| tool.arguments(&self.arguments).to_string())
                    .unwrap_or_else(|| "{}".to_owned()))
            }
        }
    }
}
