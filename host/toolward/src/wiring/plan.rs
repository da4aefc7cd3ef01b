//! What a host is to be made of: everything is read and checked, nothing is compiled, opened or written.
use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use toolward_gate::{
    Capabilities, CapabilityDefinition, CedarPolicy, ComponentName, Digest, SourceError, SourceFile,
};
use toolward_sandbox::{Inspected, Inspection, Sandbox};

use super::{StartError, called, lent, minting, owners, sessions, slots};
use crate::{
    component_file,
    config::{ComponentConfig, Config, Unlinked},
    tools::Tools,
};

/// What is known before anything is compiled: the tools, and the policies that were checked against them.
#[derive(Debug)]
pub struct Plan {
    pub tools: Tools,
    pub capabilities: Arc<Capabilities>,
    pub policy: CedarPolicy,
    pub(super) components: Vec<Planned>,
}

/// A component as it is to be installed.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) component: Inspected,
    pub(super) unlinked: Unlinked,
}

/// Reads everything that a host needs, and finds everything that is wrong with it. Nothing is compiled, opened
/// or written.
pub fn plan(config: &Config) -> Result<Plan, StartError> {
    planned(config, None)
}

/// The plan as it would be with one more component, or another one under the same name.
pub fn plan_with(
    config: &Config,
    name: &ComponentName,
    inspection: &Inspection,
) -> Result<Plan, StartError> {
    planned(config, Some((name, inspection)))
}

fn planned(
    config: &Config,
    another: Option<(&ComponentName, &Inspection)>,
) -> Result<Plan, StartError> {
    let (mut tools, mut components, mut errors) = (Tools::default(), Vec::new(), Vec::new());
    if let Some((name, inspection)) = another {
        let added = tools.add(name, inspection);
        errors.extend(added.err().map(|error| config.file.error(0..0, error.to_string())));
    }
    let replaced = |name: &ComponentName| another.is_some_and(|(one, _)| one == name);
    for (name, component) in config.components.iter().filter(|(name, _)| !replaced(name)) {
        match read(config, name, component) {
            Ok(inspected) => {
                let added = tools.add(name, inspected.inspection());
                errors.extend(
                    added
                        .err()
                        .map(|error| config.file.error(component.span.clone(), error.to_string())),
                );
                components.push(Planned { component: inspected, unlinked: component.unlinked });
            }
            Err(error) => errors.push(error),
        }
    }
    let capabilities = Arc::new(capabilities(config)?);
    if another.is_none() {
        errors.extend(wrong(config, &tools, &capabilities));
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let policy = checked(config, &tools, capabilities.clone())?;
    Ok(Plan { tools, capabilities, policy, components })
}

/// Reads capabilities and policies anew, for tools that are there. All of it is right, or none of it counts.
pub fn policies(config: &Config, tools: &Tools) -> Result<CedarPolicy, StartError> {
    let capabilities = Arc::new(capabilities(config)?);
    let errors = wrong(config, tools, &capabilities);
    if errors.is_empty() { checked(config, tools, capabilities) } else { Err(errors.into()) }
}

fn checked(
    config: &Config,
    tools: &Tools,
    capabilities: Arc<Capabilities>,
) -> Result<CedarPolicy, StartError> {
    let (files, environment) = (policy_files(&config.policies)?, config.environment.name());
    let policy = CedarPolicy::load(&files, capabilities, &tools.installed(), environment)?;
    Ok(policy.limiting(config.sandbox.limits.clone()).owned_by(owners(config)))
}

/// Names what capabilities and policies say at this moment, whether or not it can be loaded.
pub fn policies_digest(folder: &Path) -> Digest {
    let mut texts: Vec<String> = source(&folder.join(CAPABILITIES))
        .map_or_else(|error| vec![error.to_string()], |file| vec![file.text.to_string()]);
    match policy_files(folder) {
        Ok(files) => texts.extend(
            files.iter().flat_map(|file| [file.path.display().to_string(), file.text.to_string()]),
        ),
        Err(error) => texts.push(error.to_string()),
    }
    Digest::of_parts(&texts.iter().map(String::as_bytes).collect::<Vec<_>>())
}

/// A component whose file is the one that was added.
fn read(
    config: &Config,
    name: &ComponentName,
    component: &ComponentConfig,
) -> Result<Inspected, SourceError> {
    let wrong = |message: String| config.file.error(component.span.clone(), message);
    let path = component.path.display();
    let bytes = component_file::read(&component.path).map_err(|error| {
        wrong(format!("the component `{name}` cannot be read from `{path}`: {error}"))
            .with_help(format!("put the file back, or run `toolward tool rm {name}`"))
    })?;
    let found = Digest::of(&bytes);
    if found != component.digest {
        let message = format!(
            "the component `{name}` is not the one that was added: `{path}` has the digest {found}"
        );
        return Err(wrong(message).with_help(format!(
            "look at it with `toolward check {path}`, then `toolward tool add {path} --name {name}`"
        )));
    }
    Inspected::read(bytes, &component.wants).map_err(|error| {
        wrong(format!("the component `{name}` (`{path}`) cannot be used: {error}"))
    })
}

/// Reads `capabilities.toml`.
fn capabilities(config: &Config) -> Result<Capabilities, StartError> {
    let path = config.policies.join(CAPABILITIES);
    let file = source(&path)?;
    let interfaces: Vec<&str> =
        Sandbox::interfaces().chain(config.own_interfaces.iter().copied()).collect();
    Ok(Capabilities::parse(&file, &interfaces)?)
}

/// Every `*.cedar` of the folder, in the order of their names.
fn policy_files(folder: &Path) -> Result<Vec<SourceFile>, StartError> {
    let failed = |error: std::io::Error| {
        let message = format!("the policies cannot be read: {error}");
        SourceFile::new(folder, "")
            .error(0..0, message)
            .with_help("name their folder with `policies = \"…\"`")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "cedar") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| source(path).map_err(StartError::from)).collect()
}

fn source(path: &Path) -> Result<SourceFile, SourceError> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("the file cannot be read: {error}");
        SourceFile::new(path, "")
            .error(0..0, message)
            .with_help("`toolward init` writes a first one")
    })?;
    Ok(SourceFile::new(path, text))
}

/// Everything about the capabilities that does not fit the rest of the configuration.
fn wrong(config: &Config, tools: &Tools, capabilities: &Capabilities) -> Vec<SourceError> {
    let mut errors = missing(config, tools, capabilities);
    errors.extend(lent::wrong(config, capabilities));
    errors.extend(sessions::wrong(config, capabilities));
    errors.extend(slots::wrong(config, capabilities));
    errors.extend(minting::wrong(config, capabilities));
    errors
}

/// What installed tools want and nobody defined, and what capabilities need and nobody configured.
fn missing(config: &Config, tools: &Tools, capabilities: &Capabilities) -> Vec<SourceError> {
    let (mut errors, mut told) = (Vec::new(), BTreeSet::new());
    for tool in tools.iter() {
        let component = config.components.get(&tool.component);
        let span = component.map_or(0..0, |component| component.span.clone());
        // A tool can do without what it calls optional; a name that the operator wrote is meant to be there.
        let written = component.is_some_and(|component| !component.wants.is_empty());
        for want in tool.manifest.wants.iter() {
            let name = &want.capability;
            for called in called::missing(tools, capabilities, want) {
                let message = format!(
                    "the capability `{name}` names the tool `{called}`, which is not there"
                );
                let help = "add its component, or take it out of `tools`";
                errors.push(config.file.error(span.clone(), message).with_help(help));
            }
            let (message, help) = match capabilities.find(name) {
                None if want.required || written => (
                    format!(
                        "the tool `{}` needs the capability `{name}`, which nobody defined",
                        tool.manifest.name
                    ),
                    format!(
                        "define `[capability.\"{name}\"]` in `{}`",
                        config.policies.join("capabilities.toml").display()
                    ),
                ),
                Some(definition) => match unconfigured(config, definition) {
                    Some(_) if !told.insert((&tool.component, name)) => continue,
                    Some(credential) => (
                        format!(
                            "the capability `{name}` uses the credential `{credential}`, which is not configured"
                        ),
                        format!("add `[credential.{credential}]`"),
                    ),
                    None => continue,
                },
                None => continue,
            };
            errors.push(config.file.error(span.clone(), message).with_help(help));
        }
    }
    errors
}

fn unconfigured(config: &Config, definition: &CapabilityDefinition) -> Option<String> {
    let credential = definition.http.as_ref()?.credential.as_ref()?;
    (!config.credentials.contains_key(credential)).then(|| credential.to_string())
}

const CAPABILITIES: &str = "capabilities.toml";
