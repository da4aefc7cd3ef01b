//! `toolward credential`: which credentials there are, of which kind and from where. Never a value.
use clap::Subcommand;
use serde_json::{Value, json};
use toolward_gate::CredentialName;

use super::{Context, Failure};
use crate::config::{Config, CredentialConfig};

#[derive(Subcommand)]
pub(super) enum Credential {
    /// List the credentials with their kinds, and what they are made from.
    List,
}

impl Credential {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::List = self;
        let config = context.config()?;
        let all: Vec<Value> = config.credentials.iter().map(data).collect();
        context.terminal.show(&json!({ "credentials": all }), || text(&config))?;
        Ok(())
    }
}

fn data((name, credential): (&CredentialName, &CredentialConfig)) -> Value {
    let CredentialConfig { broker, owner, expires, .. } = credential;
    json!({ "credential": name, "kind": broker.kind(), "from": broker.origin(), "owner": owner, "expires": expires })
}

fn text(config: &Config) -> String {
    let line = |(name, credential): (&CredentialName, &CredentialConfig)| {
        let CredentialConfig { broker, owner, expires, .. } = credential;
        let until = expires.map_or(String::new(), |end| format!(", until {end}"));
        format!("{name}  {}  {}  (owner: {owner}{until})\n", broker.kind(), broker.origin())
    };
    config.credentials.iter().map(line).collect()
}
