//! `toolward serve`: the tools over MCP and REST, and the administration, on their addresses.
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use toolward_state::State;

use super::{Context, Failure};
use crate::{
    authn::ExchangeKey,
    config::Config,
    door::{
        answers,
        listener::Stopping,
        serving::{Serving, ServingError},
    },
    host::Host,
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
        let (program, passphrases) = (Some(super::program()?), context.passphrases());
        let (host, policies) = wiring::host_and_policies(&config, &passphrases, program).await?;
        let host = Arc::new(host);
        let state = wiring::state(&config).await?;
        let tellers = wiring::tellers(&config, &passphrases, &state)?;
        // A host that is not ready listens nowhere.
        let serving = listening(context, &config, &host, &state).await?;
        context.know(&config, &host.tools, &policies.now());
        context.serve_metrics(&config).await?;
        let (audit, telemetry) = (host.audit.clone(), context.telemetry.get().cloned());
        let reload = Reload::new(config, host, policies, before).telling(telemetry);
        let stopping = Arc::new(Stopping::new());
        let mut beside = JoinSet::new();
        beside.spawn(reload.follow());
        beside.spawn(tellers.follow());
        beside.spawn(until_asked(stopping.clone()));
        let served = serving.run(&stopping).await;
        drop(beside);
        // What fails here is in the log.
        drop(audit.stop().await);
        Ok(served.map_err(anyhow::Error::from)?)
    }
}

/// Listens on every address of the configuration, and says on which.
async fn listening(
    context: &Context,
    config: &Config,
    host: &Arc<Host>,
    state: &State,
) -> Result<Serving, Failure> {
    let (mut serving, mut told) = (Serving::new(), Map::new());
    if let Some(listen) = &config.listen {
        // Before it is read: what is signed with it is taken from the beginning.
        ExchangeKey::make(config)?;
        let authn = Arc::new(wiring::authn_in(config, state)?);
        let (host, state) = (host.clone(), state.clone());
        let address = serving.agents(config, listen, authn, host, state).await;
        told.insert("listen".to_owned(), json!(address.map_err(anyhow::Error::from)?));
    }
    if let Some(administration) = &config.administration {
        let authn = Arc::new(wiring::administration_authn(config, administration, state)?);
        let desk = wiring::answer_desk(config, &context.passphrases(), state, authn.clone())?;
        let answers = answers::router(desk);
        let (state, telemetry) = (state.clone(), context.telemetry.get().cloned());
        let address = serving.administration(administration, authn, state, answers, telemetry);
        let address = address.await;
        told.insert("administration".to_owned(), json!(address.map_err(anyhow::Error::from)?));
    }
    context.terminal.show(&told, || told.iter().map(line).collect())?;
    Ok(serving)
}

fn line((name, address): (&String, &Value)) -> String {
    format!("{name}: {}\n", address.as_str().unwrap_or_default())
}

/// Says that it is time to end, when somebody asks for it.
async fn until_asked(stopping: Arc<Stopping>) {
    asked_to_end().await;
    stopping.stop();
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
