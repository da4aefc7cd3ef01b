//! `toolward tool`: which components this host has.
mod accepting;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use toolward_gate::{CapabilityName, Change, ComponentName, NameError, ToolName, Want};
use toolward_sandbox::{inspect, inspect_wanting};
use toolward_state::State;

use super::{Context, Failure, call};
use crate::{
    component_file,
    config::{Config, Edit, Wanted},
    tools::Tool as Installed,
    wiring,
};

#[derive(Subcommand)]
pub(super) enum Tool {
    /// Add a component, or replace one: its file is copied, and pinned by its digest.
    Add {
        file: PathBuf,
        /// What to call it; the file's name, where absent.
        #[arg(long)]
        name: Option<ComponentName>,
        #[command(flatten)]
        wanted: WantedArgs,
        /// Accept its tools as they are, also where they were accepted as something else.
        #[arg(long)]
        accept: bool,
    },
    /// List the tools.
    List,
    /// Show one tool: what it says, takes, returns and wants, and how that differs from what was accepted.
    Show { tool: String },
    /// Accept tools as they are now: those that are kept back serve again, within a second where a host runs.
    Accept {
        #[arg(required = true)]
        tools: Vec<String>,
        /// Why, for the audit trail.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Remove a component and its file.
    Rm { component: ComponentName },
}

/// What tools want whose component has no manifest that says so.
#[derive(Args)]
pub(super) struct WantedArgs {
    /// A capability that the tools of a component without a manifest need; may stand several times.
    #[arg(long = "capability", value_name = "CAPABILITY")]
    capabilities: Vec<CapabilityName>,
    /// A capability that they use where they have it; may stand several times.
    #[arg(long, value_name = "CAPABILITY")]
    optional: Vec<CapabilityName>,
}

impl WantedArgs {
    pub(super) fn wants(&self) -> Arc<[Want]> {
        let want =
            |required| move |name: &CapabilityName| Want { capability: name.clone(), required };
        let required = self.capabilities.iter().map(want(true));
        required.chain(self.optional.iter().map(want(false))).collect()
    }

    /// What is said now; where nothing is, what was said of the component that is replaced.
    fn or_as_before(&self, config: &Config, name: &ComponentName, bytes: &[u8]) -> Wanted {
        let before = config.components.get(name);
        let unlinked = before.map(|before| before.unlinked).unwrap_or_default();
        let said = self.wants();
        let plain = inspect(bytes).is_ok_and(|inspection| !inspection.has_manifest());
        let wants = match before {
            Some(before) if said.is_empty() && plain => before.wants.clone(),
            _ => said,
        };
        Wanted { wants, unlinked }
    }
}

impl Tool {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        match self {
            Self::Add { file, name, wanted, accept } => {
                add(context, &config, &file, name, (&wanted, accept)).await
            }
            Self::List => list(context, &config).await,
            Self::Show { tool } => show(context, &config, &tool).await,
            Self::Accept { tools, reason } => {
                accepting::accept(context, &config, &tools, &reason).await
            }
            Self::Rm { component } => remove(context, &config, &component).await,
        }
    }
}

async fn add(
    context: &Context,
    config: &Config,
    file: &Path,
    name: Option<ComponentName>,
    (said, accepts): (&WantedArgs, bool),
) -> Result<(), Failure> {
    let bytes = bytes_of(file)?;
    let unnamed = |error| Failure::Usage(format!("{error}; give it a name with `--name`"));
    let name = name.map_or_else(|| named_after(file), Ok).map_err(unnamed)?;
    let wanted = said.or_as_before(config, &name, &bytes);
    let inspection = inspect_wanting(&bytes, &wanted.wants)
        .map_err(|error| Failure::Usage(format!("`{}`: {error}", file.display())))?;
    let place = PathBuf::from("tools").join(format!("{name}.wasm"));
    let copy = config.base.join(&place);
    let before = fs::read(&copy).ok();
    let edit = Edit::begin(&config.file.path)?;
    let folder = config.base.join("tools");
    let is_new = !folder.exists();
    fs::create_dir_all(&folder)?;
    fs::write(&copy, &bytes)?;
    edit.put_component(&name, &place, inspection.digest, &wanted)?;
    let subject = format!("{name} {}", inspection.digest);
    let settled = async {
        let changed = context.config_at(&config.file.path)?;
        // A change holds when the whole configuration still makes a host.
        let plan = wiring::plan(&changed)?;
        let state = wiring::state(config).await?;
        record(state.clone(), config, "tool-add", subject).await?;
        let state = wiring::state(config).await?;
        let kept_back = accepting::added(&state, config, (&name, &plan.tools), accepts).await?;
        state.shut().await;
        Ok(kept_back)
    };
    let settled: Result<Vec<ToolName>, Failure> = settled.await;
    let kept_back = match settled {
        Ok(kept_back) => kept_back,
        Err(failure) => {
            edit.undo()?;
            before.map_or_else(|| fs::remove_file(&copy), |before| fs::write(&copy, before))?;
            if is_new {
                fs::remove_dir(&folder)?;
            }
            context.terminal.say("nothing was changed: with this change, the host would not start");
            return Err(failure);
        }
    };
    let tools: Vec<&str> =
        inspection.manifest.tools.iter().map(|tool| tool.name.as_str()).collect();
    let data = json!({ "component": name, "digest": inspection.digest, "tools": tools, "kept_back": kept_back });
    context
        .terminal
        .show(&data, || format!("added {name}: {}\n{}", tools.join(", "), inspection.digest))?;
    for tool in kept_back {
        context.terminal.say(format_args!(
            "`{tool}` is kept back: it is not what was accepted; `toolward tool show {tool}` says how, and `toolward tool accept {tool}` accepts it"
        ));
    }
    Ok(())
}

/// The component in a file that a person named.
pub(super) fn bytes_of(file: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |error| {
        format!(
            "`{}` cannot be read: {error}; give the path of a `.wasm` component",
            file.display()
        )
    };
    component_file::read(file).map_err(|error| Failure::NotFound(unread(error)))
}

/// What a component is called where nobody says otherwise.
pub(super) fn named_after(file: &Path) -> Result<ComponentName, NameError> {
    let stem = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    stem.trim_end_matches(".wasm").trim_end_matches(".component").replace('_', "-").parse()
}

/// A tool can do without it.
pub(super) fn optional(required: bool) -> &'static str {
    if required { "" } else { " (optional)" }
}

async fn list(context: &Context, config: &Config) -> Result<(), Failure> {
    let (plan, known) = (wiring::plan(config)?, accepting::known(config).await?);
    let row = |tool: &Installed| -> Result<Value, Failure> {
        let mut row = summary(tool);
        let standing = accepting::standing(tool, config, &known)?;
        if let (Some(row), Value::Object(standing)) = (row.as_object_mut(), standing) {
            let kept = standing.into_iter().filter(|(key, _)| IN_LIST.contains(&key.as_str()));
            row.extend(kept);
        }
        Ok(row)
    };
    let rows: Vec<Value> = plan.tools.iter().map(row).collect::<Result<_, _>>()?;
    let line = |tool: &Installed| {
        let first = tool.manifest.description.lines().next().unwrap_or_default();
        let mark = accepting::mark(tool, config, &known);
        let (name, component) = (tool.manifest.name.as_str(), tool.component.as_str());
        format!("{name:<24} {component:<16} {mark}{first}\n")
    };
    context.terminal.show(&json!({ "tools": rows }), || plan.tools.iter().map(line).collect())?;
    if rows.is_empty() {
        context.terminal.say("there are no tools yet; `toolward tool add TOOL.wasm` adds one");
    }
    Ok(())
}

fn summary(tool: &Installed) -> Value {
    json!({
        "tool": tool.manifest.name, "component": tool.component, "digest": tool.digest,
        "title": tool.manifest.title, "description": tool.manifest.description,
        "wants": *tool.manifest.wants,
    })
}

async fn show(context: &Context, config: &Config, name: &str) -> Result<(), Failure> {
    let (plan, known) = (wiring::plan(config)?, accepting::known(config).await?);
    let tool = plan.tools.find(name).ok_or_else(|| call::unread(&plan.tools.unknown(name)))?;
    let mut data = summary(tool);
    if let Some(data) = data.as_object_mut() {
        data.insert("input".to_owned(), tool.manifest.input_schema.clone());
        data.insert("output".to_owned(), tool.manifest.output_schema.clone());
        if let Value::Object(standing) = accepting::standing(tool, config, &known)? {
            data.extend(standing);
        }
    }
    let pretty = |schema: &Value| serde_json::to_string_pretty(schema).unwrap_or_default();
    let wants = || -> String {
        tool.manifest
            .wants
            .iter()
            .map(|want| format!("  {}{}\n", want.capability, optional(want.required)))
            .collect()
    };
    context.terminal.show(&data, || {
        let manifest = &tool.manifest;
        format!(
            "{} in {} ({})\n{}\n{}\nwants\n{}\ninput {}\noutput {}",
            manifest.name,
            tool.component,
            tool.digest,
            manifest.description,
            accepting::told(tool, config, &known),
            wants(),
            pretty(&manifest.input_schema),
            pretty(&manifest.output_schema)
        )
    })?;
    Ok(())
}

async fn remove(context: &Context, config: &Config, name: &ComponentName) -> Result<(), Failure> {
    let Some(component) = config.components.get(name) else {
        return Err(Failure::NotFound(format!(
            "there is no component `{name}`; `toolward tool list` shows all"
        )));
    };
    let state = wiring::state(config).await?;
    let edit = Edit::begin(&config.file.path)?;
    if !edit.remove_component(name)? {
        return Err(Failure::Usage(format!(
            "`{name}` does not stand in a table `[component.{name}]` of its own; take it out by hand"
        )));
    }
    // Other components may not load either: taking one out is how that is mended, so nothing else is asked.
    record(state, config, "tool-rm", name.to_string()).await?;
    let ours = config.base.join("tools");
    if component.path.parent().is_some_and(|folder| folder == ours) && component.path.exists() {
        fs::remove_file(&component.path)?;
    }
    context.terminal.show(&json!({ "removed": name }), || format!("removed {name}"))?;
    Ok(())
}

/// Does what is on record first. What then fails is on record as well.
pub(super) async fn recorded<T>(
    state: &State,
    config: &Config,
    action: &str,
    subject: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let change = |action: String, reason: String| {
        let (by, subject) = (config.operator_id(), subject.to_owned());
        state.record_change(Change { by, action, subject, reason })
    };
    change(action.to_owned(), String::new()).await?;
    let done = work.await;
    if done.is_err() {
        change(format!("{action}-failed"), String::new()).await?;
    }
    done
}

/// Notes in the audit trail who changed what. The trail is opened before anything is changed.
pub(super) async fn record(
    state: State,
    config: &Config,
    action: &str,
    subject: String,
) -> Result<(), Failure> {
    let change = Change {
        by: config.operator_id(),
        action: action.to_owned(),
        subject,
        reason: String::new(),
    };
    state.record_change(change).await?;
    state.shut().await;
    Ok(())
}

/// What a list says of how a tool stands to what was accepted.
const IN_LIST: [&str; 2] = ["standing", "kept_back"];
