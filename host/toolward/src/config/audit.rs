//! What is written under `[audit]`: how long records are kept, and where checkpoints go.
//!
//! ```toml
//! [audit]
//! keep = "90d"
//! [audit.checkpoints]
//! file = "/mnt/elsewhere/checkpoints.jsonl"
//! every_records = 1000
//! every = "1m"
//! on_failure = "stop"
//! ```
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use toolward_state::OnFailure;

/// The audit trail, as it was set.
#[derive(Clone, Debug, Default)]
pub struct AuditConfig {
    /// Older records are archived and removed; never, where absent.
    pub keep: Option<Duration>,
    /// The folder that removed records are written to; `audit-archive` in the data directory, where absent.
    pub archive: Option<PathBuf>,
    pub checkpoints: Option<CheckpointsConfig>,
}

/// Where, and how often, is said elsewhere how far the trail goes.
#[derive(Clone, Debug)]
pub struct CheckpointsConfig {
    /// A file that lines are added to.
    pub file: PathBuf,
    pub every_records: u64,
    pub every: Duration,
    pub on_failure: OnFailure,
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    keep: Option<String>,
    archive: Option<PathBuf>,
    checkpoints: Option<Checkpoints>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoints {
    file: PathBuf,
    #[serde(default = "every_records")]
    every_records: u64,
    #[serde(default = "every")]
    every: String,
    #[serde(default)]
    on_failure: Failing,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Failing {
    #[default]
    Stop,
    GoOn,
}

fn every_records() -> u64 {
    1_000
}

fn every() -> String {
    "1m".to_owned()
}

impl Audit {
    /// Fails with what to change.
    pub(super) fn read(self, base: &Path) -> Result<AuditConfig, String> {
        let keep = self.keep.as_deref().map(|text| time("keep", text)).transpose()?;
        if self.archive.is_some() && keep.is_none() {
            return Err("`archive` says where old records go, and `keep` that they go: write `keep`, as in `keep = \"90d\"`".to_owned());
        }
        Ok(AuditConfig {
            keep,
            archive: self.archive.map(|folder| base.join(folder)),
            checkpoints: self.checkpoints.map(|written| written.read(base)).transpose()?,
        })
    }
}

impl Checkpoints {
    fn read(self, base: &Path) -> Result<CheckpointsConfig, String> {
        if self.every_records == 0 {
            return Err("`every_records` is at least 1".to_owned());
        }
        let on_failure = match self.on_failure {
            Failing::Stop => OnFailure::Stop,
            Failing::GoOn => OnFailure::GoOn,
        };
        let (file, every) = (base.join(self.file), time("every", &self.every)?);
        Ok(CheckpointsConfig { file, every_records: self.every_records, every, on_failure })
    }
}

/// Reads a length of time.
pub(super) fn time(name: &str, text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{name}` is a time, as in `30s`, `5m`, `12h` or `90d`, and not `{text}`");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let length = Duration::try_from(length).map_err(|_| wrong())?;
    if length.is_zero() { Err(wrong()) } else { Ok(length) }
}
