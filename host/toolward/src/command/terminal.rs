//! What commands say: data to standard output, everything else to standard error.
mod fields;

use std::{
    fmt::Display,
    fs,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use toolward_gate::{SourceError, visible, visible_json, visible_lines};
use toolward_vault::{PassphraseSource, Secret, SecretStoreError};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::FilterExt as _, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::Failure;
use crate::{demo::LogTap, heard::heard, wiring::StartError};

/// Where commands speak.
#[derive(Debug)]
pub(super) struct Terminal {
    json: bool,
}

impl Terminal {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Data: JSON where it was asked for, else text.
    pub(super) fn show(
        &self,
        data: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let line = if self.json { visible_json(data)? } else { visible_lines(&text()) };
        let mut out = io::stdout().lock();
        // A reader that has seen enough, as `head`, is not a failure.
        match writeln!(out, "{}", line.trim_end_matches('\n')).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Words beside the data, for people.
    pub(super) fn say(&self, text: impl Display) {
        if !self.json {
            // Standard error may be closed; there is nowhere to say so.
            let _said = writeln!(io::stderr(), "{}", visible_lines(&text.to_string()));
        }
    }

    pub(super) fn fail(&self, failure: &Failure) {
        let mut out = io::stderr().lock();
        let _said = if matches!(failure, Failure::Silent(_)) {
            Ok(())
        } else if self.json {
            let said = as_json(failure);
            writeln!(out, "{}", visible_json(&said).unwrap_or_else(|_| said.to_string()))
        } else if let Failure::Start(StartError::Source(errors)) = failure {
            errors.iter().try_for_each(|error| writeln!(out, "{}", drawn(error)))
        } else {
            writeln!(out, "error: {}", told(failure))
        };
    }

    /// Shows on a terminal what is being done, until it is dropped.
    pub(super) fn progress(&self) -> Progress {
        let shown = !self.json && io::stderr().is_terminal();
        Progress(shown.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        }))
    }
}

/// A spinner, where somebody can see it.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn step(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.to_owned());
        }
    }

    /// Shows a part of the result above the spinner: the result itself is what goes to standard output.
    pub(super) fn part(&self, text: &str) {
        if let Some(bar) = &self.0 {
            bar.println(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What a tool, or a person, said of a call is one line, whatever they wrote.
fn told(failure: &Failure) -> String {
    let text = failure.to_string();
    if matches!(failure, Failure::Stopped { .. }) { visible(&text) } else { visible_lines(&text) }
}

fn as_json(failure: &Failure) -> serde_json::Value {
    let errors = if let Failure::Start(StartError::Source(errors)) = failure {
        errors.as_slice()
    } else {
        &[]
    };
    let places: Vec<_> = errors.iter().map(place).collect();
    json!({ "error": { "code": failure.code(), "message": failure.to_string(), "places": places } })
}

fn place(error: &SourceError) -> serde_json::Value {
    let (line, column) = error.place();
    json!({ "path": error.path(), "line": line, "column": column, "message": error.message(), "help": error.help_text() })
}

/// The line in question, with the place marked.
fn drawn(error: &SourceError) -> String {
    let theme = if io::stderr().is_terminal() {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let drawn = miette::GraphicalReportHandler::new_themed(theme)
        // A terminal breaks lines by itself, and what is not broken here can be copied from it.
        .with_wrap_lines(false)
        .render_report(&mut text, error);
    match drawn {
        Ok(()) => text.trim_end().to_owned(),
        Err(_) => format!("{error:?}"),
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum LogForm {
    Text,
    Json,
}

/// The log on standard error; for the demo, also all of it in memory.
pub(super) fn log(
    (verbose, form): (u8, LogForm),
    tap: bool,
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
) -> Option<LogTap> {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("TOOLWARD_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let shown = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let (text, json) = match form {
        LogForm::Text => {
            let shown = shown.with_ansi(io::stderr().is_terminal());
            (Some(shown.fmt_fields(fields::ForPeople)), None)
        }
        LogForm::Json => (None, Some(shown.json().flatten_event(true))),
    };
    if tap {
        let (tap, kept) = crate::demo::capture();
        // The demo shows what calls say by itself.
        tracing_subscriber::registry().with(kept).init();
        return Some(tap);
    }
    let shown = Layer::and_then(text, json).with_filter(filter.and(heard()));
    // A list without layers would hear nothing, and have nothing heard.
    let layers = (!layers.is_empty()).then_some(layers);
    tracing_subscriber::registry().with(layers).with(shown).init();
    None
}

/// Where passphrases come from: the file that `TOOLWARD_PASSPHRASE_FILE` names, or a prompt.
pub(super) struct Passphrases;

impl PassphraseSource for Passphrases {
    fn ask(&self, prompt: &str) -> Result<Secret, SecretStoreError> {
        if let Some(path) = std::env::var_os(PASSPHRASE_FILE) {
            let failed = |error: io::Error| SecretStoreError::Io {
                path: path.clone().into(),
                cause: error.to_string(),
            };
            let text = fs::read_to_string(&path).map_err(failed)?;
            return Ok(Secret::new(text.trim_end_matches(['\n', '\r'])));
        }
        if !io::stderr().is_terminal() {
            return Err(SecretStoreError::NoPassphrase(prompt.to_owned()));
        }
        ask(prompt).map_err(|_| SecretStoreError::NoPassphrase(prompt.to_owned()))
    }
}

/// Asks for a value without showing it.
pub(super) fn ask(prompt: &str) -> io::Result<Secret> {
    rpassword::prompt_password(format!("{prompt}: ")).map(Secret::new)
}

const PASSPHRASE_FILE: &str = "TOOLWARD_PASSPHRASE_FILE";
