//! `toolward policy`: what the policies say, before they are relied on.
mod cases;
mod check;
mod explain;
mod prove;
mod supposed;
mod test;
mod what_if;

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Failure};
use crate::{
    config::Config,
    wiring::{self, Plan},
};

#[derive(Subcommand)]
pub(super) enum Policy {
    /// Read policies and capabilities as a host does at its start, and say what they cannot speak of.
    Check(check::Check),
    /// Say what would become of a call: which policies decide, which obligation comes from where, and what would
    /// have to change.
    Explain(Box<explain::Explain>),
    /// Run the named cases of `cases/*.toml` beside the policies.
    Test(test::Test),
    /// Decide the recorded calls again under other policies, and list what changes.
    WhatIf(what_if::WhatIf),
    /// Prove a claim about every call there can be, or find one for which it does not hold. Needs cvc5.
    #[command(subcommand)]
    Prove(prove::Prove),
}

impl Policy {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Check(check) => check.run(context),
            Self::Explain(explain) => explain.run(context).await,
            Self::Test(test) => test.run(context).await,
            Self::WhatIf(what_if) => what_if.run(context).await,
            Self::Prove(prove) => prove.run(context).await,
        }
    }
}

/// The tools of this host under the policies of a folder; those that are configured, where none is named.
fn plan(context: &Context, folder: Option<PathBuf>) -> Result<(Config, Plan), Failure> {
    let mut config = context.config()?;
    if let Some(folder) = folder {
        config.policies = folder;
    }
    let plan = wiring::plan(&config)?;
    Ok((config, plan))
}
