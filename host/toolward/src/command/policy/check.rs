//! `toolward policy check`: do the policies load?
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::{Context, Failure};

#[derive(Args)]
pub(in crate::command) struct Check {
    /// Another folder with `capabilities.toml` and `*.cedar`.
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// Print the Cedar schema that the tools and capabilities make.
    #[arg(long)]
    schema: bool,
}

impl Check {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let (_, plan) = super::plan(context, self.policies)?;
        let policy = &plan.policy;
        let data = json!({
            "version": policy.version(), "policies": policy.count(),
            "capabilities": plan.capabilities.0.len(), "tools": plan.tools.iter().count(),
            "unmapped": policy.unmapped(), "schema": self.schema.then(|| policy.schema()),
        });
        context.terminal.show(&data, || {
            let mut text = format!(
                "{} policies and {} capabilities fit {} tools\nversion {}\n",
                policy.count(),
                plan.capabilities.0.len(),
                plan.tools.iter().count(),
                policy.version()
            );
            for one in policy.unmapped() {
                text += &format!(
                    "no policy can speak of `{}` of `{}`: {}\n",
                    one.argument, one.tool, one.why
                );
            }
            if self.schema { text + "\n" + policy.schema() } else { text }
        })?;
        Ok(())
    }
}
