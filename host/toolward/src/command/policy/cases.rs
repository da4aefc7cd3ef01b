//! Named decisions, as a file lists them.
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Deserialize;
use toolward_gate::{
    CapabilityName, CredentialName, Explanation, Outcome, Owners, Ownership, Risk, SourceError,
    SourceFile, Supposition,
};

use super::supposed::Supposed;
use crate::{
    authn,
    config::CallerConfig,
    wiring::{self, Plan},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    #[serde(default)]
    case: Vec<Case>,
}

/// One call, and what is to become of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    tool: String,
    #[serde(default)]
    arguments: toml::Table,
    principal: CallerConfig,
    door: Option<String>,
    /// RFC 3339; a Monday noon, where absent.
    at: Option<String>,
    approved_by: Option<BTreeSet<String>>,
    /// The credentials with owners that the caller was granted, and no others; absent, as the command line says.
    granted: Option<BTreeSet<CredentialName>>,
    expect: Word,
    /// Exactly these allowed.
    policies: Option<Vec<String>>,
    /// Exactly these are granted, or asked about.
    capabilities: Option<BTreeSet<CapabilityName>>,
    risk: Option<Risk>,
    /// Of a refusal, as in `not-granted`.
    code: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Allow,
    Ask,
    Refuse,
}

/// The cases of a file. Fails with the line that is not one.
pub(super) fn read(path: &Path) -> Result<Vec<Case>, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        SourceFile::new(path, "").error(0..0, format!("the cases cannot be read: {error}"))
    })?;
    let file = SourceFile::new(path, text);
    let cases: Cases = toml::from_str(&file.text).map_err(|error| file.toml_error(&error))?;
    Ok(cases.case)
}

/// Every `*.toml` of a folder, in the order of their names.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

impl Case {
    /// What the case says of grants; `None` where it says nothing.
    pub(super) async fn not_yours(
        &self,
        owners: &Arc<Owners>,
        plan: &Plan,
    ) -> Result<Option<BTreeSet<CredentialName>>, String> {
        let (Some(granted), Some(tool)) = (&self.granted, plan.tools.find(&self.tool)) else {
            return Ok(None);
        };
        if let Some(open) = granted.iter().find(|name| !owners.contains_key(*name)) {
            return Err(format!("`granted` names `{open}`, which is no credential with `owners`"));
        }
        let principal = authn::supposed(&self.principal);
        let owned = Ownership::without_grants(owners.clone());
        let others = wiring::not_yours(&owned, &principal, &tool.manifest.name).await;
        let others = others.map_err(|error| error.to_string())?;
        Ok(Some(others.difference(granted).cloned().collect()))
    }

    /// Fails with what is wrong about the case itself.
    pub(super) fn supposed(&self) -> Result<Supposed, String> {
        let at = self.at.as_deref().unwrap_or(NOON);
        let now: Timestamp = at.parse().map_err(|error| format!("`at` is no time: {error}"))?;
        let arguments =
            serde_json::to_string(&self.arguments).map_err(|error| error.to_string())?;
        Ok(Supposed {
            caller: self.principal.clone(),
            door: self.door.clone().unwrap_or_else(|| "mcp-stdio".to_owned()),
            tool: self.tool.clone(),
            arguments,
            when: Supposition {
                now,
                approved_by: self.approved_by.clone(),
                remaining: None,
                not_yours: [].into(),
            },
        })
    }

    /// What is not as the case says; empty where all of it is.
    pub(super) fn differences(&self, explanation: &Explanation) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: &str, expected: String, is: String| {
            if expected != is {
                found.push(format!("{what} is {is}, not {expected}"));
            }
        };
        differ("the outcome", self.expect.word().to_owned(), explanation.outcome.word().to_owned());
        let (policies, capabilities, risk, code) = parts(&explanation.outcome);
        if let Some(expected) = &self.policies {
            let mut expected = expected.clone();
            expected.sort();
            differ("`policies`", format!("{expected:?}"), format!("{policies:?}"));
        }
        if let Some(expected) = &self.capabilities {
            let names = |all: &BTreeSet<CapabilityName>| {
                all.iter().map(ToString::to_string).collect::<Vec<_>>()
            };
            differ(
                "`capabilities`",
                format!("{:?}", names(expected)),
                format!("{:?}", names(&capabilities)),
            );
        }
        if let Some(expected) = self.risk {
            differ(
                "`risk`",
                format!("{expected:?}"),
                risk.map_or_else(|| "none".to_owned(), |risk| format!("{risk:?}")),
            );
        }
        if let Some(expected) = &self.code {
            differ("`code`", expected.clone(), code.unwrap_or_else(|| "none".to_owned()));
        }
        found
    }
}

type Parts = (Vec<String>, BTreeSet<CapabilityName>, Option<Risk>, Option<String>);

fn parts(outcome: &Outcome) -> Parts {
    match outcome.clone() {
        Outcome::Allow { policies, capabilities, risk, .. } => {
            (policies, capabilities.into_iter().collect(), Some(risk), None)
        }
        Outcome::Ask { risk, capabilities, .. } => {
            (Vec::new(), capabilities.into_iter().collect(), Some(risk), None)
        }
        Outcome::Refuse { code, .. } => (Vec::new(), BTreeSet::new(), None, Some(code)),
    }
}

impl Word {
    fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

/// A Monday, so that a case means the same on every day.
const NOON: &str = "2026-03-02T12:00:00Z";
