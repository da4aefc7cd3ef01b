//! `toolward openapi`: what can be asked over HTTP, as a document.
use clap::Args;

use super::{Context, Failure};
use crate::door::{administration, agents};

#[derive(Args)]
pub(super) struct OpenApi {
    /// Of the administration's address.
    #[arg(long)]
    administration: bool,
}

impl OpenApi {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let document =
            if self.administration { administration::document() } else { agents::document() };
        let text = serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)?;
        context.terminal.show(&document, || text)?;
        Ok(())
    }
}
