//! Is what a capability lends of this machine something that can be lent?
use std::{
    fs,
    path::{Path, PathBuf},
};

use toolward_gate::{Capabilities, CapabilityDefinition, SourceError, SourceFile, WasiScope};
use toolward_vault::SecretStoreConfig;

use crate::config::Config;

/// Directories and variables that a tool must not have, or that are not there.
pub(super) fn wrong(config: &Config, capabilities: &Capabilities) -> Vec<SourceError> {
    capabilities.0.values().filter_map(|definition| check(config, definition).err()).collect()
}

fn check(config: &Config, definition: &CapabilityDefinition) -> Result<(), SourceError> {
    let wrong = |why: String, help: &str| {
        let message = format!("the capability `{}` {why}", definition.name);
        let path = config.policies.join("capabilities.toml");
        SourceFile::new(path, "").error(0..0, message).with_help(help)
    };
    match definition.wasi.as_deref() {
        Some(WasiScope::Directory { path, .. }) => directory(config, path).map_err(|why| {
            wrong(format!("lends `{}`, {why}", path.display()), "name another directory")
        }),
        Some(WasiScope::Variables { names, .. }) => match secret(config, names) {
            Some((name, store)) => Err(wrong(
                format!("lends the variable `{name}`, which the secret store `{store}` reads"),
                "use the secret as a credential, with a stand-in",
            )),
            None => Ok(()),
        },
        Some(WasiScope::StandIn(_)) | None => Ok(()),
    }
}

/// A tool that could write here would give itself whatever it wants.
fn directory(config: &Config, path: &Path) -> Result<(), String> {
    let found = fs::canonicalize(path).map_err(|error| format!("which cannot be used: {error}"))?;
    if !found.is_dir() {
        return Err("which is no directory".to_owned());
    }
    let ours = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let inside = [&config.data, &config.policies, &config.base.join("tools")];
    let files = [&config.base, &config.file.path];
    let holds_ours = inside.into_iter().chain(files).any(|path| ours(path).starts_with(&found));
    if holds_ours || inside.into_iter().any(|path| found.starts_with(ours(path))) {
        return Err("where this host keeps its own files".to_owned());
    }
    let components = config.components.values().map(|component| ours(&component.path));
    if components.into_iter().any(|path: PathBuf| path.starts_with(&found)) {
        return Err("where a component of this host is".to_owned());
    }
    Ok(())
}

fn secret<'a>(
    config: &'a Config,
    names: &'a std::collections::BTreeSet<String>,
) -> Option<(&'a str, &'a str)> {
    let prefixes = config.stores.iter().filter_map(|(name, store)| match &store.store {
        SecretStoreConfig::Env(env) => Some((name.as_str(), env.prefix.as_str())),
        SecretStoreConfig::File(_) => None,
    });
    let read = |(store, prefix): (&'a str, &'a str)| {
        let name = names.iter().find(|name| name.starts_with(prefix))?;
        Some((name.as_str(), store))
    };
    prefixes.into_iter().find_map(read)
}
