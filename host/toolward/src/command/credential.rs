//! `toolward credential`: which credentials there are, of which kind and from where. Never a value.
use clap::Subcommand;
use serde_json::{Value, json};
use toolward_gate::{CredentialGrant, CredentialName};

use super::{Context, Failure, secret::grants::told};
use crate::{
    config::{Config, CredentialConfig},
    wiring,
};

#[derive(Subcommand)]
pub(super) enum Credential {
    /// List the credentials with their kinds, and what they are made from.
    List,
}

impl Credential {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::List = self;
        let config = context.config()?;
        let grants = wiring::grants(&config, None).await?;
        let all = config.credentials.iter();
        let all: Vec<Value> = all.map(|(name, one)| data(name, one, &grants)).collect();
        context.terminal.show(&json!({ "credentials": all }), || text(&config, &grants))?;
        Ok(())
    }
}

fn data(name: &CredentialName, credential: &CredentialConfig, all: &[CredentialGrant]) -> Value {
    let CredentialConfig { broker, owner, owners, expires, .. } = credential;
    json!({
        "credential": name, "kind": broker.kind(), "from": broker.origin(), "owner": owner,
        "expires": expires,
        "owners": owners, "grants": of(name, all).collect::<Vec<_>>(),
    })
}

fn of<'a>(
    name: &'a CredentialName,
    all: &'a [CredentialGrant],
) -> impl Iterator<Item = &'a CredentialGrant> {
    all.iter().filter(move |grant| grant.credential == *name)
}

fn text(config: &Config, grants: &[CredentialGrant]) -> String {
    let mut text = String::new();
    for (name, credential) in &config.credentials {
        let CredentialConfig { broker, owner, owners, expires, .. } = credential;
        let until = expires.map_or(String::new(), |end| format!(", until {end}"));
        let (kind, origin) = (broker.kind(), broker.origin());
        text += &format!("{name}  {kind}  {origin}  (owner: {owner}{until})\n");
        if let Some(owners) = owners {
            let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
            text += &format!("    only for {}\n", owners.join(", "));
        }
        of(name, grants).for_each(|grant| text += &format!("    granted {}\n", told(grant)));
    }
    text
}
