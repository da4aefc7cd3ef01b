//! `toolward check`: what a component is, wants, and would get. Nothing of it runs.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use toolward_gate::{
    CapabilityName, Digest, InstalledTool, Kind, Principal, Prospect, WantProspect,
};
use toolward_sandbox::{Import, Inspection, ToolManifest, inspect_wanting};

use super::{
    Context, Failure,
    tool::{WantedArgs, bytes_of, named_after, optional},
};
use crate::{
    authn,
    config::{CallerConfig, Config, Unlinked},
    wiring::{self, Called, Callee, Sent},
};

#[derive(Args)]
pub(super) struct Check {
    /// The component.
    file: PathBuf,
    /// For whom to ask the policies; the configured caller, where absent.
    #[arg(long)]
    principal: Option<String>,
    #[arg(long, value_enum, default_value = "agent")]
    kind: PrincipalKind,
    /// A role of the principal; may stand several times.
    #[arg(long = "role")]
    roles: Vec<String>,
    #[command(flatten)]
    wanted: WantedArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrincipalKind {
    Agent,
    User,
    Service,
}

impl From<PrincipalKind> for Kind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::Agent => Self::Agent,
            PrincipalKind::User => Self::User,
            PrincipalKind::Service => Self::Service,
        }
    }
}

impl Check {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let bytes = bytes_of(&self.file)?;
        let config = match context.config() {
            Ok(config) => Some(config),
            // A component can be looked at anywhere.
            Err(Failure::NoConfig) => None,
            Err(failure) => return Err(failure),
        };
        let digest = Digest::of(&bytes);
        let installed = config.iter().flat_map(|config| config.components.values());
        let installed = { installed }.find(|one| one.digest == digest);
        let mut wants = self.wanted.wants();
        if let (true, Some(installed)) = (wants.is_empty(), installed) {
            wants = installed.wants.clone();
        }
        let unlinked = installed.map(|one| one.unlinked).unwrap_or_default();
        let inspection = inspect_wanting(&bytes, &wants)
            .map_err(|error| Failure::Usage(format!("`{}`: {error}", self.file.display())))?;
        let outlook =
            config.as_ref().map(|config| self.outlook(config, &inspection)).transpose()?;
        let data = json!({
            "path": self.file, "digest": inspection.digest, "bytes": inspection.bytes,
            "manifest": inspection.has_manifest(), "unlinked": unlinked_word(unlinked),
            "imports": inspection.imports.iter().map(import).collect::<Vec<_>>(),
            "tools": inspection.manifest.tools.iter().map(|tool| tool_data(tool, outlook.as_ref())).collect::<Vec<_>>(),
            "principal": outlook.as_ref().map(|outlook| outlook.principal.id().to_owned()),
        });
        context
            .terminal
            .show(&data, || text(&self.file, &inspection, unlinked, outlook.as_ref()))?;
        if outlook.is_none() {
            context.terminal.say("no configuration was found: what it would get is not known");
        }
        Ok(())
    }

    fn outlook(&self, config: &Config, inspection: &Inspection) -> Result<Outlook, Failure> {
        let principal = self.principal(config)?;
        let name = config
            .components
            .iter()
            .find(|(_, one)| one.digest == inspection.digest)
            .map_or_else(|| named_after(&self.file), |(name, _)| Ok(name.clone()));
        let component = name.map_err(|error| Failure::Usage(error.to_string()))?;
        let plan = wiring::plan_with(config, &component, inspection)?;
        let prospects = |tool: &ToolManifest| {
            let installed = InstalledTool {
                name: tool.name.clone(),
                component: component.clone(),
                digest: inspection.digest,
                wants: tool.wants.clone(),
                input_schema: tool.input_schema.clone(),
            };
            plan.policy.prospects(&principal, &installed)
        };
        let prospects = inspection.manifest.tools.iter().map(prospects).collect();
        let wants = || inspection.manifest.tools.iter().flat_map(|tool| tool.wants.iter());
        let called = wants().filter_map(|want| {
            Some((want.capability.clone(), plan.called_under(&want.capability)?))
        });
        let sent = wants().filter_map(|want| {
            Some((want.capability.clone(), plan.sent_under(config, &want.capability)?))
        });
        let (called, sent) = (called.collect(), sent.collect());
        Ok(Outlook { principal, prospects, called, sent })
    }

    fn principal(&self, config: &Config) -> Result<Principal, Failure> {
        let named = self.principal.as_ref().map(|id| CallerConfig {
            id: id.clone(),
            kind: self.kind.into(),
            roles: self.roles.iter().cloned().collect::<BTreeSet<_>>(),
            groups: BTreeSet::new(),
            acts_for: Vec::new(),
        });
        let caller = named.or_else(|| config.caller.clone());
        let caller = caller.ok_or_else(|| {
            Failure::Usage("say for whom: `--principal NAME --role ROLE`".to_owned())
        })?;
        Ok(authn::supposed(&caller))
    }
}

/// What a principal could do with each tool of the component.
struct Outlook {
    principal: Principal,
    prospects: Vec<toolward_gate::Prospects>,
    /// Under those of its capabilities that open `tools`.
    called: BTreeMap<CapabilityName, Called>,
    /// Under those that open `http`.
    sent: BTreeMap<CapabilityName, Sent>,
}

fn import(import: &Import) -> Value {
    json!({
        "import": import.name, "interface": import.interface.as_ref().map(|one| &one.0),
        "inert": import.is_inert(), "functions": import.functions,
    })
}

fn tool_data(tool: &ToolManifest, outlook: Option<&Outlook>) -> Value {
    let calls = outlook.map(|outlook| {
        let of_tool = tool.wants.iter().map(|want| &want.capability);
        let calls = of_tool.filter_map(|name| Some((name, outlook.called.get(name)?)));
        calls.collect::<BTreeMap<_, _>>()
    });
    let requests = outlook.map(|outlook| {
        let of_tool = tool.wants.iter().map(|want| &want.capability);
        let requests = of_tool.filter_map(|name| Some((name, outlook.sent.get(name)?)));
        requests.collect::<BTreeMap<_, _>>()
    });
    json!({
        "tool": tool.name, "description": tool.description, "wants": *tool.wants, "calls": calls,
        "requests": requests,
        "annotations": {
            "read_only": tool.annotations.read_only, "destructive": tool.annotations.destructive,
            "idempotent": tool.annotations.idempotent, "open_world": tool.annotations.open_world,
        },
        "would_get": outlook.and_then(|outlook| prospects_of(outlook, tool)).map(|prospects| json!({
            "call": prospects.call, "capabilities": prospects.capabilities, "risk": prospects.risk,
        })),
    })
}

fn prospects_of<'a>(
    outlook: &'a Outlook,
    tool: &ToolManifest,
) -> Option<&'a toolward_gate::Prospects> {
    let wanted = |prospects: &&toolward_gate::Prospects| prospects.tool == tool.name;
    outlook.prospects.iter().find(wanted)
}

fn unlinked_word(unlinked: Unlinked) -> &'static str {
    match unlinked {
        Unlinked::RefuseCall => "refuse-call",
        Unlinked::Refuse => "refuse",
    }
}

/// What becomes of an import, where its name alone does not say so.
fn fate(import: &Import, unlinked: Unlinked) -> String {
    match import.interface.as_ref().map(|interface| interface.0.as_str()) {
        _ if import.is_inert() => "   empty, and linked without a capability".to_owned(),
        Some("wasi-http") => "   linked if a capability opens `http` or `wasi-http`".to_owned(),
        Some("wasi-config") => {
            "   linked if a granted capability leaves a stand-in in it".to_owned()
        }
        Some(part) if part.starts_with("wasi-") => {
            format!("   linked if a capability opens `{part}`")
        }
        Some(_) => String::new(),
        None if unlinked == Unlinked::Refuse => {
            "   not an interface of this host: it ends the tool when it is used".to_owned()
        }
        None => "   not an interface of this host: it will not be linked".to_owned(),
    }
}

/// What an operator has to know of a component that was not built for this host.
fn of_another_host(inspection: &Inspection, unlinked: Unlinked) -> String {
    let mut text = String::new();
    if !inspection.has_manifest() {
        text.push_str(
            "\nno manifest: its exported functions are its tools, and they want what the operator says\n  \
             with `toolward tool add --capability NAME`, or `capabilities` in its configuration\n",
        );
    }
    if unlinked == Unlinked::Refuse {
        text.push_str(
            "\n`unlinked = \"refuse\"` is on: it runs even where an import is not opened by any capability,\n  \
             and a call ends when it uses one\n",
        );
    }
    text
}

fn text(
    file: &std::path::Path,
    inspection: &Inspection,
    unlinked: Unlinked,
    outlook: Option<&Outlook>,
) -> String {
    let mut text = format!(
        "{}\n{} ({} bytes)\n\nimports\n",
        file.display(),
        inspection.digest,
        inspection.bytes
    );
    for import in &inspection.imports {
        let fate = fate(import, unlinked);
        text.push_str(&format!("  {}  {}{fate}\n", import.name, import.functions.join(", ")));
    }
    if inspection.imports.is_empty() {
        text.push_str("  nothing: it can compute, and answer\n");
    }
    text.push_str(&of_another_host(inspection, unlinked));
    for tool in &inspection.manifest.tools {
        text.push_str(&format!(
            "\ntool {}\n  {}\n",
            tool.name,
            tool.description.replace('\n', "\n  ")
        ));
        match outlook
            .and_then(|outlook| prospects_of(outlook, tool).map(|prospects| (outlook, prospects)))
        {
            None => tool.wants.iter().for_each(|want| {
                text.push_str(&format!("  wants {}{}\n", want.capability, optional(want.required)));
            }),
            Some((outlook, prospects)) => {
                text.push_str(&format!(
                    "  {} calling it: {}\n",
                    outlook.principal.id(),
                    told(&prospects.call)
                ));
                for want in &prospects.capabilities {
                    text.push_str(&wanted(want));
                    text.push_str(
                        &outlook.called.get(&want.capability).map_or_else(String::new, calls),
                    );
                    text.push_str(
                        &outlook
                            .sent
                            .get(&want.capability)
                            .map_or_else(String::new, Sent::to_string),
                    );
                }
                text.push_str(&format!("  risk at most {:?}\n", prospects.risk).to_lowercase());
            }
        }
    }
    text
}

fn wanted(want: &WantProspect) -> String {
    let interface =
        want.interface.as_ref().map(|name| format!(" opens {name}")).unwrap_or_default();
    format!(
        "  wants {}{}{interface}: {}\n",
        want.capability,
        optional(want.required),
        told(&want.prospect)
    )
}

/// Which tools it could call, and what those could use besides what it was granted.
fn calls(called: &Called) -> String {
    let tool = |one: &Callee| {
        format!("{}{}", one.tool, if one.installed { "" } else { " (NOT INSTALLED)" })
    };
    let tools: Vec<String> = called.tools.iter().map(tool).collect();
    let lends: Vec<&str> = called.lends.iter().map(CapabilityName::as_str).collect();
    let lends = if lends.is_empty() { "nothing".to_owned() } else { lends.join(", ") };
    format!("    may call {}\n    and lends them {lends}\n", tools.join(", "))
}

fn told(prospect: &Prospect) -> String {
    match prospect {
        Prospect::Granted { policies } => format!("granted by {}", policies.join(", ")),
        Prospect::Depends { policies, forbids } if forbids.is_empty() => {
            format!("depends on the call; see {}", policies.join(", "))
        }
        Prospect::Depends { policies, forbids } => {
            format!(
                "depends on the call; see {} and the forbids {}",
                policies.join(", "),
                forbids.join(", ")
            )
        }
        Prospect::Refused { why } => format!("REFUSED: {why}"),
    }
}
