//! `toolward secret`: values come in through a prompt or standard input, and never go out.
pub(super) mod grants;

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use clap::Subcommand;
use serde_json::json;
use toolward_vault::{Secret as Value, SecretName, SecretStore};

use super::{Context, Failure, terminal, tool::recorded};
use crate::{config::Config, wiring};

#[derive(Subcommand)]
pub(super) enum Secret {
    /// Keep a value under a name. It is asked for, or read from standard input.
    Set {
        name: SecretName,
        #[arg(long)]
        store: Option<String>,
    },
    /// List the names.
    List {
        #[arg(long)]
        store: Option<String>,
    },
    /// Print what the audit trail calls a value: the fingerprint under this host's key.
    Fingerprint {
        name: SecretName,
        #[arg(long)]
        store: Option<String>,
    },
    /// Let somebody use a credential whose owner you are, for a time.
    Grant(grants::Grant),
    /// Take a grant back.
    Revoke(grants::Revoke),
    /// List the grants that have not ended.
    Grants(grants::Grants),
    /// Remove a value.
    Rm {
        name: SecretName,
        #[arg(long)]
        store: Option<String>,
    },
}

impl Secret {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Grant(grant) => return grant.run(context).await,
            Self::Revoke(revoke) => return revoke.run(context).await,
            Self::Grants(grants) => return grants.run(context).await,
            Self::Set { .. } | Self::List { .. } | Self::Fingerprint { .. } | Self::Rm { .. } => {}
        }
        let config = context.config()?;
        match self {
            Self::Grant(_) | Self::Revoke(_) | Self::Grants(_) => {}
            Self::Set { name, store } => {
                let store = find(context, &config, store)?;
                let value = value(&name)?;
                let state = wiring::state(&config).await?;
                let written = async { Ok(store.write(&name, value).await?) };
                recorded(&state, &config, "secret-set", &name.to_string(), written).await?;
                context.terminal.show(&json!({ "set": name }), || format!("set {name}"))?;
            }
            Self::List { store } => {
                let names = find(context, &config, store)?.list().await?;
                context.terminal.show(&json!({ "secrets": names }), || {
                    names.iter().map(|name| format!("{name}\n")).collect()
                })?;
            }
            Self::Fingerprint { name, store } => {
                let store = find(context, &config, store)?;
                if !store.list().await?.contains(&name) {
                    return Err(absent(&name));
                }
                let value = store.read(&name).await?;
                let all = wiring::fingerprint_key(&config)?.fingerprints(&value);
                context.terminal.show(&json!({ "secret": name, "fingerprints": all }), || {
                    all.iter().map(|one| format!("{one}\n")).collect()
                })?;
            }
            Self::Rm { name, store } => {
                let store = find(context, &config, store)?;
                let state = wiring::state(&config).await?;
                if !store.list().await?.contains(&name) {
                    return Err(absent(&name));
                }
                let removed = async { Ok(store.remove(&name).await.map(drop)?) };
                recorded(&state, &config, "secret-rm", &name.to_string(), removed).await?;
                context.terminal.show(&json!({ "removed": name }), || format!("removed {name}"))?;
            }
        }
        Ok(())
    }
}

fn absent(name: &SecretName) -> Failure {
    Failure::NotFound(format!("there is no secret `{name}`; `toolward secret list` shows all"))
}

/// The store that is named, or the only one.
fn find(
    context: &Context,
    config: &Config,
    name: Option<String>,
) -> Result<Arc<dyn SecretStore>, Failure> {
    let mut stores = wiring::stores(config, &context.passphrases())?;
    let names = stores.keys().cloned().collect::<Vec<_>>().join("`, `");
    match name {
        Some(name) => stores.remove(&name).ok_or_else(|| {
            Failure::NotFound(format!("there is no secret store `{name}`; there are `{names}`"))
        }),
        None if stores.len() == 1 => {
            stores.pop_first().map(|(_, store)| store).ok_or(Failure::NoConfig)
        }
        None if stores.is_empty() => Err(Failure::NotFound(
            "there is no secret store; add `[secret_store.local]` to the configuration".to_owned(),
        )),
        None => Err(Failure::Usage(format!(
            "there are several secret stores; name one with `--store`: `{names}`"
        ))),
    }
}

fn value(name: &SecretName) -> Result<Value, Failure> {
    if io::stdin().is_terminal() {
        return Ok(terminal::ask(&format!("Value of {name}"))?);
    }
    let text = io::read_to_string(io::stdin())?;
    let text = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Value::new(text))
}
