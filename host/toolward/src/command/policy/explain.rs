//! `toolward policy explain`: what would become of a call, and why?
use std::path::PathBuf;

use clap::Args;
use toolward_gate::{Action, Explanation, Outcome};

use super::{
    super::{Context, Failure, call},
    supposed::SupposedArgs,
};
use crate::wiring;

#[derive(Args)]
pub(in crate::command) struct Explain {
    /// The tool's name.
    tool: String,
    /// Arguments as `key=value`. A value is read as the tool's schema types it.
    #[arg(value_name = "KEY=VALUE", value_parser = call::pair)]
    arguments: Vec<(String, String)>,
    /// All arguments as one JSON object.
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    args_json: Option<String>,
    /// Another folder with `capabilities.toml` and `*.cedar`.
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    supposed: SupposedArgs,
}

impl Explain {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (config, plan) = super::plan(context, self.policies)?;
        let words = || {
            let tool = plan.tools.find(&self.tool);
            tool.map_or_else(|| "{}".to_owned(), |tool| tool.arguments(&self.arguments).to_string())
        };
        let arguments = self.args_json.clone().unwrap_or_else(words);
        let supposed = self.supposed.with(&config, self.tool.clone(), arguments)?;
        let supposed = supposed.owning(&wiring::ownership(&config).await?, &plan).await?;
        let explanation = supposed.explained(&plan)?;
        context.terminal.show(&explanation, || told(&explanation))?;
        Ok(())
    }
}

fn told(explanation: &Explanation) -> String {
    let mut text = outcome(&explanation.outcome);
    explanation.actions.iter().for_each(|one| text += &action(one));
    if !explanation.obligations.is_empty() {
        text += "obligations:\n";
    }
    for one in &explanation.obligations {
        let beaten = if one.applies { "" } else { ", and something stricter applies" };
        text += &format!("  {} {} from `{}`{beaten}\n", one.name, one.value, one.from);
    }
    text + &format!("version {}\n", explanation.policy_version)
}

pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Allow { risk, millis, cost, .. } => {
            format!("allow: risk {risk:?}, {millis} ms at most, {cost}\n").to_lowercase()
        }
        Outcome::Ask { count, roles, .. } => {
            let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
            let roles = if roles.is_empty() { "any role".to_owned() } else { roles.join(" or ") };
            format!(
                "ask: {count} in {roles} must say yes; `--approved-by NAME` shows what follows\n"
            )
        }
        Outcome::Refuse { code, detail } => format!("refuse: {detail} ({code})\n"),
    }
}

fn action(action: &Action) -> String {
    let word = match (action.allowed, action.policies.is_empty()) {
        (true, _) => "allowed by",
        (false, false) => "forbidden by",
        (false, true) => "not allowed",
    };
    let optional = if action.required { "" } else { " (optional)" };
    let policies: Vec<String> = action.policies.iter().map(|id| format!("`{id}`")).collect();
    let mut text = format!("{}{optional}: {word} {}", action.action, policies.join(", "));
    text = text.trim_end().to_owned() + "\n";
    action.errors.iter().for_each(|error| text += &format!("  fails: {error}\n"));
    action.changes.iter().for_each(|change| text += &format!("  {change}\n"));
    text
}
