//! Where do checkpoints of this host go? To a file, to a webhook, into a bucket, or to several of them.
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use toolward_gate::{Clock, Unavailable};
use toolward_state::{Checkpoint, CheckpointPlace, FilePlace};
use toolward_vault::{Bucket, Courier, DeliveryError, PassphraseSource, SecretStore, Webhook};

use super::{StartError, egress_settings, stores};
use crate::config::Config;

/// Every place that is set. Nothing is asked of it yet.
pub fn checkpoint_places(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
) -> Result<Vec<Arc<dyn CheckpointPlace>>, StartError> {
    let Some(set) = &config.audit.checkpoints else { return Ok(Vec::new()) };
    let mut places: Vec<Arc<dyn CheckpointPlace>> = Vec::new();
    places.extend(set.file.as_ref().map(|file| Arc::new(FilePlace::new(file)) as _));
    if set.webhook.is_none() && set.bucket.is_none() {
        return Ok(places);
    }
    let stores = stores(config, passphrases)?;
    let store = |name: &str| -> Result<Arc<dyn SecretStore>, StartError> {
        let message =
            format!("`[audit.checkpoints]` names the store `{name}`, which is not configured");
        let help = format!("add `[secret_store.{name}]`");
        let unknown = || config.file.error(set.span.clone(), message).with_help(help);
        Ok(stores.get(name).cloned().ok_or_else(unknown)?)
    };
    let courier = Arc::new(Courier::new(egress_settings(config)?)?);
    if let Some(written) = &set.webhook {
        let store = store(&written.store)?;
        places.push(Arc::new(WebhookPlace(Webhook::new(written.clone(), store, courier.clone()))));
    }
    if let Some(written) = &set.bucket {
        let bucket = Bucket::new(written.clone(), store(&written.store)?, courier);
        places.push(Arc::new(BucketPlace { bucket, clock: super::clock() }));
    }
    Ok(places)
}

/// Who is told of each checkpoint, and keeps it.
struct WebhookPlace(Webhook);

#[async_trait]
impl CheckpointPlace for WebhookPlace {
    fn name(&self) -> String {
        self.0.name()
    }

    async fn put(&self, checkpoint: &Checkpoint) -> Result<(), Unavailable> {
        let told = json!({
            "type": "toolward.audit.checkpoint",
            "timestamp": checkpoint.at,
            "data": checkpoint,
        });
        self.0.tell(&named(checkpoint), &told.to_string()).await.map_err(|error| failed(&error))
    }

    /// What was told is not there to be asked for.
    async fn lines(&self) -> Result<Option<Vec<String>>, Unavailable> {
        Ok(None)
    }
}

/// An object for each checkpoint, in the order of their times.
struct BucketPlace {
    bucket: Bucket,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl CheckpointPlace for BucketPlace {
    fn name(&self) -> String {
        self.bucket.name()
    }

    async fn put(&self, checkpoint: &Checkpoint) -> Result<(), Unavailable> {
        let name = format!("{}.json", named(checkpoint));
        self.bucket.put(&name, &checkpoint.line()).await.map_err(|error| failed(&error))
    }

    /// The newest [`READ`]: each stands for all before it, and after one that gave others up only it counts.
    async fn lines(&self) -> Result<Option<Vec<String>>, Unavailable> {
        let newest = self.newest().await.map_err(|error| failed(&error))?;
        let reading = stream::iter(newest).map(|name| async move { self.bucket.read(&name).await });
        let lines: Vec<String> =
            reading.buffered(READ).try_collect().await.map_err(|error| failed(&error))?;
        Ok(Some(lines))
    }
}

impl BucketPlace {
    /// Looked for in the last hour first, and further back where there is nothing.
    async fn newest(&self) -> Result<Vec<String>, DeliveryError> {
        for hours in [1, 24, 24 * 31] {
            let since = self.clock.now().checked_sub(SignedDuration::from_hours(hours));
            let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
            let names = self.bucket.names_after(&moment(since)).await?;
            if !names.is_empty() {
                return Ok(last(names));
            }
        }
        Ok(last(self.bucket.names_after("").await?))
    }
}

fn last(names: Vec<String>) -> Vec<String> {
    let before = names.len().saturating_sub(READ);
    names.into_iter().skip(before).collect()
}

/// Names the checkpoint: those of a later time come later in the order of letters.
fn named(checkpoint: &Checkpoint) -> String {
    let head = checkpoint.head.short();
    format!("{}-{:020}-{head}", moment(checkpoint.at), checkpoint.sequence)
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
}

fn failed(error: &DeliveryError) -> Unavailable {
    Unavailable::new("the checkpoints", error)
}

/// Checkpoints that are read back.
const READ: usize = 16;
