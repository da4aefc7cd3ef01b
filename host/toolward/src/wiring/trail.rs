//! The audit trail as it was set: anchored elsewhere, and kept for a time.
use std::{sync::Arc, time::Duration};

use toolward_gate::Audit;
use toolward_state::{AnchoredLog, Anchoring, OnFailure, Retention, State, StateError};
use toolward_vault::PassphraseSource;

use super::{StartError, checkpoint_places};
use crate::config::Config;

/// Says in every place how far the trail goes, after what was changed at the command line. Who changed it is told
/// in the log when that fails: the change itself is made.
pub async fn anchor(config: &Config, state: &State, passphrases: &Arc<dyn PassphraseSource>) {
    let anchored = async {
        let places = checkpoint_places(config, passphrases)?;
        Ok::<(), StartError>(state.checkpoint(&places).await?)
    };
    if let Err(error) = anchored.await {
        tracing::warn!(%error, "the change is recorded, and no checkpoint was written of it");
    }
}

/// How long this host keeps records, and where they go then.
pub fn retention(config: &Config) -> Option<Retention> {
    let archive = config.audit.archive.clone();
    let archive = archive.unwrap_or_else(|| config.data.join("audit-archive"));
    config.audit.keep.map(|keep| Retention { keep, archive: Some(archive) })
}

pub(super) async fn audit(
    config: &Config,
    state: State,
    passphrases: &Arc<dyn PassphraseSource>,
) -> Result<Audit, StartError> {
    let (places, retention) = (checkpoint_places(config, passphrases)?, retention(config));
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
    let log = AnchoredLog::start(state, anchoring).await.map_err(|error| {
        // What a place said is for the operator, who starts the host.
        if let StateError::Unavailable(error) = error {
            error.into()
        } else {
            StartError::from(error)
        }
    })?;
    Ok(Audit::new(Arc::new(log)))
}

/// How often old records are looked for where there are no checkpoints.
const WITHOUT: Duration = Duration::from_secs(60);
