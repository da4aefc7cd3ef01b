//! `toolward run`: MCP on standard input and output.
use std::{path::Path, sync::Arc};

use clap::Args;

use super::{Context, Failure};
use crate::{authn::Shown, door::mcp_stdio, wiring};

#[derive(Args)]
pub(super) struct Run {}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let token = token()?;
        let principal =
            wiring::authn(&config)?.identify(token.as_deref().map(Shown::bearer)).await?;
        let host =
            Arc::new(wiring::host(&config, &context.passphrases(), Some(super::program()?)).await?);
        tracing::info!(
            tools = host.tools.iter().count(),
            principal.id = principal.id(),
            "serving MCP on standard input and output"
        );
        mcp_stdio::serve(host, principal).await?;
        Ok(())
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
