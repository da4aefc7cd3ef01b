//! What is changed at the command line is said elsewhere as well: a checkpoint follows the record of it.
use toolward_state::LinkFilter;

use super::{Context, Failure};
use crate::{config::Config, wiring};

/// Does the work; where the trail is longer after it, every place is told how far it goes.
pub(super) async fn anchored(
    context: &Context,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    // What is wrong with the configuration is told by the work.
    let config = context.config().ok().filter(|config| config.audit.checkpoints.is_some());
    let Some(config) = config else { return work.await };
    let before = last(&config).await.ok();
    let done = work.await;
    if last(&config).await.ok() != before {
        let state = wiring::state(&config).await?;
        wiring::anchor(&config, &state, &context.passphrases()).await;
    }
    done
}

/// The sequence of the last record.
async fn last(config: &Config) -> Result<Option<u64>, Failure> {
    let state = wiring::state(config).await?;
    let newest = LinkFilter { last: Some(1), ..LinkFilter::default() };
    Ok(state.links(newest).await?.last().map(|link| link.sequence))
}
