//! What is written under `[audit]`: how long records are kept, and where checkpoints go.
//!
//! ```toml
//! [audit]
//! keep = "90d"
//! [audit.checkpoints]
//! file = "/mnt/elsewhere/checkpoints.jsonl"      # and, or instead, a webhook or a bucket
//! every_records = 1000
//! every = "1m"
//! on_failure = "stop"
//! [audit.checkpoints.webhook]
//! url = "https://audit.example.com/toolward"
//! store = "local"
//! secret = "audit-webhook"
//! [audit.checkpoints.bucket]
//! url = "https://audit.s3.eu-central-1.amazonaws.com/"
//! prefix = "host-1/"
//! region = "eu-central-1"
//! store = "local"
//! access_key_id = "audit-key-id"
//! secret_access_key = "audit-key"
//! ```
use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use toolward_state::OnFailure;
use toolward_vault::{BucketConfig, WebhookConfig};

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
    pub file: Option<PathBuf>,
    pub webhook: Option<WebhookConfig>,
    pub bucket: Option<BucketConfig>,
    /// Where `[audit]` stands in the file.
    pub span: Range<usize>,
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
    file: Option<PathBuf>,
    webhook: Option<WebhookConfig>,
    bucket: Option<BucketConfig>,
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
    pub(super) fn read(self, base: &Path, span: Range<usize>) -> Result<AuditConfig, String> {
        let keep = self.keep.as_deref().map(|text| time("keep", text)).transpose()?;
        if self.archive.is_some() && keep.is_none() {
            return Err("`archive` says where old records go, and `keep` that they go: write `keep`, as in `keep = \"90d\"`".to_owned());
        }
        Ok(AuditConfig {
            keep,
            archive: self.archive.map(|folder| base.join(folder)),
            checkpoints: self.checkpoints.map(|written| written.read(base, span)).transpose()?,
        })
    }
}

impl Checkpoints {
    fn read(self, base: &Path, span: Range<usize>) -> Result<CheckpointsConfig, String> {
        let Self { file, webhook, bucket, .. } = self;
        if file.is_none() && webhook.is_none() && bucket.is_none() {
            return Err("checkpoints go to a `file`, to `[audit.checkpoints.webhook]` or into `[audit.checkpoints.bucket]`: write one of them".to_owned());
        }
        if self.every_records == 0 {
            return Err("`every_records` is at least 1".to_owned());
        }
        let on_failure = match self.on_failure {
            Failing::Stop => OnFailure::Stop,
            Failing::GoOn => OnFailure::GoOn,
        };
        let (file, every) = (file.map(|file| base.join(file)), time("every", &self.every)?);
        let every_records = self.every_records;
        Ok(CheckpointsConfig { file, webhook, bucket, span, every_records, every, on_failure })
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
