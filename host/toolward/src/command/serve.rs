//! `toolward serve`: the tools over MCP and REST, and the administration, on their addresses.
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Context, Failure};
use crate::{
    authn::ExchangeKey,
    door::{
        answers,
        listener::Stopping,
        serving::{Serving, ServingError},
    },
    reload::Reload,
    wiring,
};

#[derive(Args)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        if config.listen.is_none() && config.administration.is_none() {
            return Err(anyhow::Error::from(ServingError::Nothing).into());
        }
        // Before they are read: what changes after this is noticed.
        let before = wiring::policies_digest(&config.policies);
        let program = Some(super::program()?);
        let (host, policies) =
            wiring::host_and_policies(&config, &context.passphrases(), program).await?;
        let host = Arc::new(host);
        // A host that is not ready listens nowhere.
        let mut serving = Serving::new();
        let mut told = serde_json::Map::new();
        let state = wiring::state(&config).await?;
        let tellers = wiring::tellers(&config, &context.passphrases(), &state)?;
        if let Some(listen) = &config.listen {
            // Before it is read: what is signed with it is taken from the beginning.
            ExchangeKey::make(&config)?;
            let authn = Arc::new(wiring::authn(&config)?);
            let state = wiring::state(&config).await?;
            let address = serving.agents(&config, listen, authn, host.clone(), state).await;
            told.insert("listen".to_owned(), json!(address.map_err(anyhow::Error::from)?));
        }
        if let Some(administration) = &config.administration {
            let authn = Arc::new(wiring::administration_authn(&config, administration)?);
            let passphrases = context.passphrases();
            let desk = wiring::answer_desk(&config, &passphrases, &state, authn.clone())?;
            let answers = answers::router(desk);
            let address =
                serving.administration(administration, authn, state.clone(), answers).await;
            told.insert("administration".to_owned(), json!(address.map_err(anyhow::Error::from)?));
        }
        context.terminal.show(&told, || {
            let line = |(name, address): (&String, &serde_json::Value)| {
                format!("{name}: {}\n", address.as_str().unwrap_or_default())
            };
            told.iter().map(line).collect()
        })?;
        let audit = host.audit.clone();
        context.know(&config, &host.tools, &policies.now());
        context.serve_metrics(&config).await?;
        let telemetry = context.telemetry.get().cloned();
        let reload = Reload::new(config, host.clone(), policies, before).telling(telemetry);
        let following = tokio::spawn(reload.follow());
        let telling = tokio::spawn(tellers.follow());
        let stopping = Arc::new(Stopping::new());
        let listening = stopping.clone();
        let told = tokio::spawn(async move {
            asked_to_end().await;
            listening.stop();
        });
        let served = serving.run(&stopping).await;
        told.abort();
        following.abort();
        telling.abort();
        // What fails here is in the log.
        drop(audit.stop().await);
        served.map_err(anyhow::Error::from)?;
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
