//! The audit trail as it was set: anchored elsewhere, and kept for a time.
use std::{sync::Arc, time::Duration};

use toolward_gate::Audit;
use toolward_state::{
    AnchoredLog, Anchoring, CheckpointPlace, FilePlace, OnFailure, Retention, State, StateError,
};

use crate::config::Config;

/// Where checkpoints of this host go.
pub fn checkpoint_places(config: &Config) -> Vec<Arc<dyn CheckpointPlace>> {
    let file = config.audit.checkpoints.as_ref().map(|set| FilePlace::new(&set.file));
    file.into_iter().map(|file| Arc::new(file) as Arc<dyn CheckpointPlace>).collect()
}

/// Says elsewhere how far the trail goes after a command has changed something. What fails stays in the log: the
/// change is made and recorded, and the next host says it.
pub async fn anchor(config: &Config, state: &State) {
    if let Err(error) = state.anchor(&checkpoint_places(config)).await {
        tracing::error!(cause = %error.cause, "a checkpoint of the audit trail cannot be written");
    }
}

/// How long this host keeps records, and where they go then.
pub fn retention(config: &Config) -> Option<Retention> {
    let archive = config.audit.archive.clone();
    let archive = archive.unwrap_or_else(|| config.data.join("audit-archive"));
    config.audit.keep.map(|keep| Retention { keep, archive: Some(archive) })
}

pub(super) async fn audit(config: &Config, state: State) -> Result<Audit, StateError> {
    let (places, retention) = (checkpoint_places(config), retention(config));
    if places.is_empty() && retention.is_none() {
        return Ok(Audit::new(Arc::new(state)));
    }
    let set = config.audit.checkpoints.as_ref();
    let anchoring = Anchoring {
        places,
        every_records: set.map_or(u64::MAX, |set| set.every_records),
        every: set.map_or(WITHOUT, |set| set.every),
        on_failure: set.map_or(OnFailure::Stop, |set| set.on_failure),
        retention,
    };
    Ok(Audit::new(Arc::new(AnchoredLog::start(state, anchoring).await?)))
}

/// How often old records are looked for where there are no checkpoints.
const WITHOUT: Duration = Duration::from_secs(60);
