//! `toolward budget`: how much is used up, set aside and left, and when it comes back.
use clap::Subcommand;
use serde_json::json;
use toolward_gate::{Standing, ToolName};
use toolward_state::AccountFilter;

use super::{Context, Failure};
use crate::{door::budgets::Limit, wiring};

#[derive(Subcommand)]
pub(super) enum Budget {
    /// Show the limits that calls were last held to, by principal and tool, and what is left of each.
    Show {
        /// Only of this principal.
        #[arg(long)]
        principal: Option<String>,
        /// Only of this tool.
        #[arg(long)]
        tool: Option<ToolName>,
    },
}

impl Budget {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Show { principal, tool } = self;
        let state = wiring::state(&context.config()?).await?;
        let now = wiring::clock().now();
        let wanted = AccountFilter { principal, tool, ..AccountFilter::default() };
        let (all, _) = state.standings_of(&wanted, now).await?;
        let data: Vec<Limit> = all.iter().map(Limit::from).collect();
        context.terminal.show(&json!({ "at": now, "budgets": data }), || text(&all))?;
        if all.is_empty() {
            context.terminal.say("no call was held to a rate or a budget yet");
        }
        Ok(())
    }
}

fn text(all: &[Standing]) -> String {
    let (mut text, mut before) = (String::new(), None);
    for one in all {
        let of = (&one.principal, &one.tool);
        if before != Some(of) {
            text += &format!("{} with {}\n", one.principal, one.tool);
            before = Some(of);
        }
        text += &line(one);
    }
    text
}

fn line(one: &Standing) -> String {
    let amount = |number| one.limit.amount(number);
    let mut line = format!("  {}: {} used", one.limit, amount(one.used));
    if one.reserved > 0 {
        line += &format!(", {} reserved", amount(one.reserved));
    }
    line += &format!(", {} left", amount(one.left));
    match (one.frees_at, one.resets_at) {
        (Some(frees), Some(resets)) if frees < resets => {
            line += &format!("; some comes back at {frees:.0}, all by {resets:.0}");
        }
        (_, Some(resets)) => line += &format!("; all comes back at {resets:.0}"),
        _ if one.used > 0 => line += "; it does not come back",
        _ => {}
    }
    line + "\n"
}
