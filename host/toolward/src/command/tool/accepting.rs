//! `toolward tool accept`: what was kept back, and now is what a person saw and agreed to.
use serde_json::{Value, json};
use toolward_gate::{
    AcceptanceBook as _, Acceptances, ComponentName, Definition, DefinitionDifference, ToolName,
};
use toolward_state::State;

use super::super::{Context, Failure, approval::visible, call};
use crate::{
    acceptance::{FirstUse, Standing, definition},
    config::Config,
    tools::{Tool, Tools},
    wiring,
};

/// What was accepted so far. Nothing is made by looking: where there is no database, nothing was.
pub(super) async fn known(config: &Config) -> Result<Acceptances, Failure> {
    if !config.database().exists() {
        return Ok(Acceptances::default());
    }
    let state = wiring::state(config).await?;
    let known = state.acceptances().await;
    state.shut().await;
    Ok(known?)
}

/// What a person reads beside a tool that is not served.
pub(super) fn mark(tool: &Tool, config: &Config, known: &Acceptances) -> &'static str {
    let standing = Standing::of(&definition(tool), known);
    if standing.serves(config.first_use) { "" } else { "KEPT BACK " }
}

/// How a tool stands to what was accepted, as data.
pub(super) fn standing(
    tool: &Tool,
    config: &Config,
    known: &Acceptances,
) -> Result<Value, Failure> {
    let definition = definition(tool);
    let standing = Standing::of(&definition, known);
    let (word, differences) = match &standing {
        Standing::Accepted => ("accepted", Vec::new()),
        Standing::New => ("new", Vec::new()),
        Standing::Changed(differences) => ("changed", differences.clone()),
    };
    let accepted = known.accepted.get(&definition.tool);
    Ok(json!({
        "definition": definition.name()?, "standing": word, "kept_back": !standing.serves(config.first_use),
        "accepted": accepted.map(|one| json!({ "by": one.by, "at": one.at, "digest": one.definition.digest })),
        "differences": differences,
    }))
}

/// The same for people: nothing, where there is nothing to do.
pub(super) fn told(tool: &Tool, config: &Config, known: &Acceptances) -> String {
    let definition = definition(tool);
    let name = &definition.tool;
    match (Standing::of(&definition, known), known.accepted.get(name)) {
        (Standing::Changed(differences), Some(accepted)) => {
            let (by, at) = (visible(&accepted.by), accepted.at);
            let lines: String = differences.iter().map(line).collect();
            format!(
                "\nKEPT BACK: it is not what {by} accepted at {at}\n{lines}accept it with `toolward tool accept {name}`\n"
            )
        }
        (Standing::New, _) if config.first_use == FirstUse::KeepBack => {
            format!(
                "\nKEPT BACK: nothing was accepted under this name\naccept it with `toolward tool accept {name}`\n"
            )
        }
        (Standing::Accepted | Standing::New | Standing::Changed(_), _) => String::new(),
    }
}

/// One difference, as two lines that a screen shows as they are.
fn line(difference: &DefinitionDifference) -> String {
    let side = |sign: char, value: &Option<Value>| {
        value.as_ref().map(|value| format!("    {sign} {}\n", visible(&value.to_string())))
    };
    let (accepted, now) = (side('-', &difference.accepted), side('+', &difference.now));
    let at = visible(&difference.at);
    format!("  {at}\n{}{}", accepted.unwrap_or_default(), now.unwrap_or_default())
}

/// Accepts these tools as they are in the files of this host.
pub(super) async fn accept(
    context: &Context,
    config: &Config,
    names: &[String],
    reason: &str,
) -> Result<(), Failure> {
    let plan = wiring::plan(config)?;
    let find = |name: &String| {
        plan.tools.find(name).ok_or_else(|| call::unread(&plan.tools.unknown(name)))
    };
    let tools: Vec<&Tool> = names.iter().map(find).collect::<Result<_, _>>()?;
    let state = wiring::state(config).await?;
    let known = state.acceptances().await?;
    let mut rows = Vec::new();
    for tool in tools {
        let differs = told(tool, config, &known);
        let definition = definition(tool);
        if Standing::of(&definition, &known) != Standing::Accepted {
            state.accept(&definition, &config.operator_id(), reason).await?;
        }
        context.terminal.say(differs.trim_end());
        rows.push(json!({ "tool": definition.tool, "digest": definition.digest, "definition": definition.name()? }));
    }
    state.shut().await;
    context
        .terminal
        .show(&json!({ "accepted": rows }), || format!("accepted {}", names.join(", ")))?;
    Ok(())
}

/// What becomes of the tools of a component that was just added: those that are kept back.
pub(super) async fn added(
    state: &State,
    config: &Config,
    (component, tools): (&ComponentName, &Tools),
    accepts: bool,
) -> Result<Vec<ToolName>, Failure> {
    let (known, by) = (state.acceptances().await?, config.operator_id());
    let (mut first, mut kept_back): (Vec<Definition>, Vec<ToolName>) = (Vec::new(), Vec::new());
    for tool in tools.iter().filter(|tool| tool.component == *component) {
        let definition = definition(tool);
        match Standing::of(&definition, &known) {
            Standing::Accepted => {}
            Standing::New | Standing::Changed(_) if accepts => {
                state.accept(&definition, &by, "as it was added").await?;
            }
            Standing::New if config.first_use == FirstUse::Accept => first.push(definition),
            Standing::New | Standing::Changed(_) => kept_back.push(definition.tool),
        }
    }
    if !first.is_empty() {
        state.accept_first(&first, &by).await?;
    }
    Ok(kept_back)
}
