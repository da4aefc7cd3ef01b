//! `toolward run`: MCP on standard input and output.
use std::{path::Path, sync::Arc};

use clap::Args;
use tokio::task::JoinSet;

use super::{Context, Failure};
use crate::{authn::Shown, door::mcp_stdio, reload::Reload, wiring};

#[derive(Args)]
pub(super) struct Run {}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let token = token()?;
        let principal =
            wiring::authn(&config)?.identify(token.as_deref().map(Shown::bearer)).await?;
        // Before they are read: what changes after this is noticed.
        let before = wiring::policies_digest(&config.policies);
        let program = Some(super::program()?);
        let (host, policies) =
            wiring::host_and_policies(&config, &context.passphrases(), program).await?;
        let host = Arc::new(host);
        let mut beside = JoinSet::new();
        if let Some(tellers) = wiring::tellers_if_any(&config, &context.passphrases()).await? {
            beside.spawn(tellers.follow());
        }
        tracing::info!(
            tools = host.tools.iter().count(),
            principal.id = principal.id(),
            "serving MCP on standard input and output"
        );
        context.know(&config, &host.tools, &policies.now());
        context.serve_metrics(&config).await?;
        let audit = host.audit.clone();
        let telemetry = context.telemetry.get().cloned();
        // A message is as long as it may be at the other doors.
        let limits = config.listen.as_ref().map(|listen| listen.limits).unwrap_or_default();
        // Where its tasks are.
        let state = wiring::state(&config).await?;
        let page = config.approval.page.clone();
        let reload = Reload::new(config, host.clone(), policies, before).telling(telemetry);
        beside.spawn(reload.follow());
        let served = mcp_stdio::serve(host, principal, state, limits.body_bytes, page).await;
        drop(beside);
        // What fails here is in the log.
        drop(audit.stop().await);
        Ok(served?)
    }
}

/// The caller's token, from the file that `TOOLWARD_TOKEN_FILE` names.
pub(super) fn token() -> Result<Option<String>, Failure> {
    let path = std::env::var_os("TOOLWARD_TOKEN_FILE");
    path.map(|path| token_in(Path::new(&path))).transpose()
}

pub(super) fn token_in(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("the token file `{}` cannot be read: {error}", path.display()))
    })?;
    Ok(text.trim().to_owned())
}
