//! `toolward budget`: how much is used up, set aside and left, and when it comes back.
use clap::Subcommand;
use serde_json::json;
use toolward_gate::{BudgetLedger as _, Standing, ToolName};

use super::{Context, Failure};
use crate::wiring;

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
        let mut all = state.standings(principal.as_deref(), now).await?;
        all.retain(|one| tool.as_ref().is_none_or(|tool| *tool == one.tool));
        let data: Vec<_> = all.iter().map(data).collect();
        context.terminal.show(&json!({ "at": now, "budgets": data }), || text(&all))?;
        if all.is_empty() {
            context.terminal.say("no call was held to a rate or a budget yet");
        }
        Ok(())
    }
}

fn data(standing: &Standing) -> serde_json::Value {
    let Standing { principal, tool, limit, used, reserved, left, frees_at, resets_at, held_at } =
        standing;
    json!({
        "principal": principal, "tool": tool, "limit": limit.to_string(), "unit": limit.unit(),
        "used": used, "reserved": reserved, "left": left,
        "frees_at": frees_at, "resets_at": resets_at, "since": held_at,
    })
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
