//! What is over leaves the database while a host runs, a little at a time.
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use toolward_gate::Switchboard;
use toolward_state::State;

/// Sweeps at once and then again and again, until the host is gone.
pub(super) fn sweep(switches: &Arc<Switchboard>, state: State) {
    let host = Arc::downgrade(switches);
    tokio::spawn(async move {
        while Weak::strong_count(&host) > 0 {
            let pause = match state.sweep().await {
                Ok(swept) if !swept.is_all() => SOON,
                Ok(_) => LATER,
                Err(error) => {
                    tracing::warn!(cause = %error.cause, "old rows cannot be removed");
                    LATER
                }
            };
            tokio::time::sleep(pause).await;
        }
    });
}

/// Between two sweeps, where there is more to do: calls write in between.
const SOON: Duration = Duration::from_secs(1);
/// Where there is not.
const LATER: Duration = Duration::from_secs(60);
