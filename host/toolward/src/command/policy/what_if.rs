//! `toolward policy what-if`: which recorded calls would end otherwise under other policies?
//!
//! A call is decided again with what the trail holds of it. Where it holds the arguments only by digest, the
//! call counts where the policies say the same for all arguments, and else it is listed as one that cannot be
//! decided again. A token's scope and the grants of then are not in the trail: none is
//! supposed to be missing, or those count that there are now.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use toolward_gate::{
    CapabilityDefinition, CredentialName, Kind, Link, Outcome, Ownership, Prospect, Prospects,
    Risk, Supposition, WantProspect,
};
use toolward_state::LinkFilter;

use super::{
    super::{Context, Failure},
    supposed::{GrantArgs, Supposed},
};
use crate::{
    authn,
    config::CallerConfig,
    wiring::{self, Plan},
};

#[derive(Args)]
pub(in crate::command) struct WhatIf {
    /// The folder with the other `capabilities.toml` and `*.cedar`.
    folder: PathBuf,
    /// How far back, as in `30m`, `24h` or `7d`.
    #[arg(long, default_value = "24h", value_parser = period)]
    since: Duration,
    #[command(flatten)]
    grants: GrantArgs,
}

fn period(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and `m`, `h` or `d`, as in `24h`".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[derive(Default, Serialize)]
struct Told {
    calls: usize,
    unchanged: usize,
    changed: Vec<Changed>,
    undecided: Vec<Undecided>,
}

#[derive(Serialize)]
struct Changed {
    call: String,
    at: Timestamp,
    principal: String,
    tool: String,
    was: &'static str,
    would_be: &'static str,
    why: String,
}

#[derive(Serialize)]
struct Undecided {
    call: String,
    tool: String,
    why: &'static str,
}

impl WhatIf {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (config, plan) = super::plan(context, Some(self.folder))?;
        let ownership = self.grants.ownership(&config).await?;
        let state = wiring::state(&config).await?;
        let links = state.links(LinkFilter { after: None, last: None, call: None }).await?;
        let from = wiring::clock().now().checked_sub(self.since).unwrap_or(Timestamp::MIN);
        let mut told = Told::default();
        for call in recorded(&links).into_values().filter(|call| call.at >= from) {
            let not_yours = call.not_yours(&plan, ownership.as_ref()).await?;
            told.add(&call, &plan, not_yours);
        }
        context.terminal.show(&told, || told.text())?;
        Ok(())
    }
}

/// What the trail holds of one call.
struct Recorded {
    at: Timestamp,
    opened: Value,
    notes: Vec<Value>,
}

fn recorded(links: &[Link]) -> BTreeMap<String, Recorded> {
    let mut calls = BTreeMap::new();
    for link in links {
        let Ok(mut record) = serde_json::from_str::<Value>(&link.record) else { continue };
        let call = text(&record, "call").to_owned();
        match text(&record, "record") {
            "opened" => {
                calls.insert(call, Recorded { at: link.at, opened: record, notes: Vec::new() });
            }
            "closed" => {
                let notes = record.get_mut("notes").map(Value::take);
                if let (Some(call), Some(Value::Array(notes))) = (calls.get_mut(&call), notes) {
                    call.notes = notes;
                }
            }
            _ => {}
        }
    }
    calls
}

impl Told {
    fn add(&mut self, call: &Recorded, plan: &Plan, not_yours: BTreeSet<CredentialName>) {
        let Some(was) = call.outcome() else { return };
        self.calls = self.calls.saturating_add(1);
        let (id, tool) =
            (text(&call.opened, "call").to_owned(), text(&call.opened, "tool").to_owned());
        match call.decided(plan, not_yours) {
            Err(why) => self.undecided.push(Undecided { call: id, tool, why }),
            Ok((would_be, _)) if would_be == was => {
                self.unchanged = self.unchanged.saturating_add(1);
            }
            Ok((would_be, why)) => {
                let principal = text(&call.opened, "principal").to_owned();
                self.changed.push(Changed {
                    call: id,
                    at: call.at,
                    principal,
                    tool,
                    was,
                    would_be,
                    why,
                });
            }
        }
    }

    fn text(&self) -> String {
        let mut lines = String::new();
        for one in &self.changed {
            let Changed { call, at, principal, tool, was, would_be, why } = one;
            lines += &format!(
                "{at} {call} {tool} by {principal}: was {was}, would be {would_be}{why}\n"
            );
        }
        for Undecided { call, tool, why } in &self.undecided {
            lines += &format!("{call} {tool}: not decided again, {why}\n");
        }
        let (calls, unchanged) = (self.calls, self.unchanged);
        let (changed, undecided) = (self.changed.len(), self.undecided.len());
        lines
            + &format!(
                "{calls} calls: {unchanged} as they were, {changed} otherwise, {undecided} not decided again\n"
            )
    }
}

impl Recorded {
    fn note(&self, name: &str) -> Option<&Value> {
        self.notes.iter().find(|note| note.get("note").is_some_and(|one| one == name))
    }

    /// What the policies of then said; `None` where the call did not come so far.
    fn outcome(&self) -> Option<&'static str> {
        if self.note("allowed").is_some() {
            Some("allow")
        } else if self.note("refused").is_some() {
            Some("refuse")
        } else {
            self.note("asked").map(|_| "ask")
        }
    }

    fn caller(&self) -> Option<CallerConfig> {
        let kind: Kind = serde_json::from_value(self.opened.get("kind")?.clone()).ok()?;
        let names = |name: &str| names::<BTreeSet<String>>(&self.opened, name);
        Some(CallerConfig {
            id: text(&self.opened, "principal").to_owned(),
            kind,
            roles: names("roles"),
            groups: names("groups"),
            acts_for: self::names(&self.opened, "acts-for"),
        })
    }

    /// The credentials that its caller may not use; none where every grant is supposed.
    async fn not_yours(
        &self,
        plan: &Plan,
        ownership: Option<&Ownership>,
    ) -> Result<BTreeSet<CredentialName>, Failure> {
        let found = self.caller().zip(plan.tools.find(text(&self.opened, "tool")));
        let (Some(ownership), Some((caller, tool))) = (ownership, found) else {
            return Ok(BTreeSet::new());
        };
        let principal = authn::supposed(&caller);
        Ok(wiring::not_yours(ownership, &principal, &tool.manifest.name).await?)
    }

    /// What the policies would say, and which it is; fails with why that is not known.
    fn decided(
        &self,
        plan: &Plan,
        not_yours: BTreeSet<CredentialName>,
    ) -> Result<(&'static str, String), &'static str> {
        let caller =
            self.caller().ok_or("its entry says nothing of the caller's kind and roles")?;
        let tool =
            plan.tools.find(text(&self.opened, "tool")).ok_or("its tool is no longer there")?;
        if text(&self.opened, "tool-digest") != tool.digest.to_string() {
            return Err("its tool is another one by now");
        }
        let whole = self.note("arguments").filter(|note| text(note, "recording") == "whole");
        // Where they were too long, a text says so.
        let whole = whole.and_then(|note| note.get("arguments")).filter(|one| one.is_object());
        let Some(arguments) = whole else {
            let prospects = plan.policy.prospects(&authn::supposed(&caller), &tool.installed());
            let certain = certain(&prospects, plan, &not_yours).ok_or(
                "the policies look at its arguments, and the trail holds their digest: `@audit(\"whole\")` would keep them",
            )?;
            return Ok((certain, String::new()));
        };
        let approved_by = self.note("approved").map(|note| names(note, "by"));
        let supposed = Supposed {
            caller,
            door: text(&self.opened, "door").to_owned(),
            tool: text(&self.opened, "tool").to_owned(),
            arguments: arguments.to_string(),
            when: Supposition { now: self.at, approved_by, remaining: None, not_yours },
        };
        let explained =
            supposed.explained(plan).map_err(|_| "its arguments do not fit its tool")?;
        let why = match &explained.outcome {
            Outcome::Refuse { detail, .. } => format!(": {detail}"),
            Outcome::Allow { .. } | Outcome::Ask { .. } => String::new(),
        };
        Ok((explained.outcome.word(), why))
    }
}

/// What is decided whatever the arguments are.
fn certain(
    prospects: &Prospects,
    plan: &Plan,
    not_yours: &BTreeSet<CredentialName>,
) -> Option<&'static str> {
    let required = prospects.capabilities.iter().filter(|want| want.required);
    let closed = |want: &WantProspect| {
        let definition = plan.capabilities.find(&want.capability);
        definition
            .and_then(CapabilityDefinition::credential)
            .is_some_and(|one| not_yours.contains(one))
    };
    if required.clone().any(closed) {
        return Some("refuse");
    }
    let mut needed = required.map(|want| &want.prospect).chain([&prospects.call]);
    if needed.clone().any(|one| matches!(one, Prospect::Refused { .. })) {
        return Some("refuse");
    }
    let granted = needed.all(|one| matches!(one, Prospect::Granted { .. }));
    let asks = prospects.risk > Risk::Low || !prospects.approvals.is_empty();
    (granted && !asks).then_some("allow")
}

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn names<T: FromIterator<String>>(record: &Value, name: &str) -> T {
    let all = record.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}
