//! `toolward serve`: the tools over MCP and REST, and the administration, on their addresses.
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Context, Failure};
use crate::{
    door::{listener::Stopping, serving::Serving},
    reload::Reload,
    wiring,
};

#[derive(Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        // Before they are read: what changes after this is noticed.
        let before = wiring::policies_digest(&config.policies);
        let program = Some(super::program()?);
        let (host, policies) =
            wiring::host_and_policies(&config, &context.passphrases(), program).await?;
        let host = Arc::new(host);
        // A host that is not ready listens nowhere.
        let mut serving = Serving::new();
        let mut told = serde_json::Map::new();
        if let Some(listen) = &config.listen {
            let authn = Arc::new(wiring::authn(&config)?);
            let address = serving.agents(&config, listen, authn, host.clone()).await;
            told.insert("listen".to_owned(), json!(address.map_err(anyhow::Error::from)?));
        }
        if let Some(administration) = &config.administration {
            let authn = Arc::new(wiring::administration_authn(&config, administration)?);
            let state = wiring::state(&config).await?;
            let address = serving.administration(administration, authn, state).await;
            told.insert("administration".to_owned(), json!(address.map_err(anyhow::Error::from)?));
        }
        context.terminal.show(&told, || {
            let line = |(name, address): (&String, &serde_json::Value)| {
                format!("{name}: {}\n", address.as_str().unwrap_or_default())
            };
            told.iter().map(line).collect()
        })?;
        let audit = host.audit.clone();
        let following = tokio::spawn(Reload::new(config, host.clone(), policies, before).follow());
        let stopping = Stopping::new();
        let served = tokio::join!(serving.run(&stopping), async {
            asked_to_end().await;
            stopping.stop();
        });
        following.abort();
        // What fails here is in the log.
        drop(audit.stop().await);
        served.0.map_err(anyhow::Error::from)?;
        Ok(())
    }
}

/// SIGINT or SIGTERM.
async fn asked_to_end() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    drop(interrupted.await);
}
