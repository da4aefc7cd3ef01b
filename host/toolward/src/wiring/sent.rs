//! What carries a request under a capability, and how much of its response does a tool see?
use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use toolward_gate::{BodyShape, CapabilityName, CredentialName, HttpScope, Party, Usage};

use super::Plan;
use crate::config::Config;

/// What a capability over `http` says, besides where its requests go.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    pub credential: Option<Carried>,
    pub shows: Shown,
    /// Set aside before a request leaves; absent where requests cost what the call costs.
    pub sets_aside: Option<Usage>,
}

/// The credential of a request.
#[derive(Clone, Debug, Serialize)]
pub struct Carried {
    pub name: CredentialName,
    /// Absent where the configuration has no such credential.
    pub kind: Option<&'static str>,
    /// Absent where whoever the policies allow may use it.
    pub owners: Option<BTreeSet<Party>>,
}

/// How much of a response a tool sees.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    Whole,
    Streamed,
    /// Each with what it may hold.
    Fields(Vec<String>),
    StatusOnly,
}

impl Plan {
    /// What goes out and comes back under a capability; absent where it opens something else.
    pub fn sent_under(&self, config: &Config, capability: &CapabilityName) -> Option<Sent> {
        let scope = self.capabilities.find(capability)?.http.as_ref()?;
        let credential = scope.credential.as_ref().map(|name| Carried {
            name: name.clone(),
            kind: config.credentials.get(name).map(|credential| credential.broker.kind()),
            owners: config.credentials.get(name).and_then(|credential| credential.owners.clone()),
        });
        let sets_aside = scope.meter.as_ref().map(|meter| meter.most);
        Some(Sent { credential, shows: shown(scope), sets_aside })
    }
}

fn shown(scope: &HttpScope) -> Shown {
    match &scope.response.body {
        BodyShape::Whole => Shown::Whole,
        BodyShape::Streamed => Shown::Streamed,
        BodyShape::Fields(fields) => Shown::Fields(fields.described()),
        BodyShape::StatusOnly => Shown::StatusOnly,
    }
}

/// Lines for an operator; what goes without saying has none.
impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Carried { name, kind, owners }) = &self.credential {
            let kind = kind.unwrap_or("NOT CONFIGURED");
            writeln!(f, "    with the credential {name} ({kind})")?;
            if let Some(owners) = owners {
                let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
                let owners = owners.join(", ");
                writeln!(f, "    which only {owners} may use, and whom they grant it")?;
            }
        }
        match &self.shows {
            Shown::Whole => {}
            Shown::Streamed => writeln!(f, "    and shows responses as they come in")?,
            Shown::StatusOnly => writeln!(f, "    and shows of a response its status only")?,
            Shown::Fields(fields) => {
                writeln!(f, "    and shows of a response only {}", fields.join(", "))?;
            }
        }
        match self.sets_aside {
            None => Ok(()),
            Some(Usage { cost, tokens, .. }) => {
                writeln!(f, "    and sets aside {cost} and {tokens} tokens for each request")
            }
        }
    }
}
