//! One call, or one change, as its records tell it.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use toolward_gate::Link;

/// Everything on record about one call or one change. What a record does not say is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<String>,
    /// The call of the tool that made this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    pub(super) principal: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) acts_for: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) door: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments_digest: Option<String>,
    /// `allow`, `ask` or `refuse`; `unknown` where the host ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) policies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approval: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) approved_by: Vec<String>,
    /// That the tool asked for, whether it got anywhere with it or not.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) capabilities_tried: BTreeSet<String>,
    /// Under which something left the sandbox.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) capabilities_used: BTreeSet<String>,
    /// That no policy permits: people allowed them for a time.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) exceptional: BTreeSet<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) destinations: Vec<Destination>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    /// Every quantity that responses were metered by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) usage: BTreeMap<String, u64>,
    /// Micro-dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) millis: Option<u64>,
    /// `ok`, the code of the stop, or of a change, what was done; absent while a call is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    /// What a change was made to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// The links that tell it.
    pub(super) records: Vec<u64>,
}

/// A request, or an attempt at one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Destination {
    pub(super) capability: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u64>,
    /// Why there is no status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

/// Entries of these links, in the order in which they began.
pub(super) fn entries(links: &[Link]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for link in links {
        let Ok(Value::Object(record)) = serde_json::from_str(&link.record) else { continue };
        let call = text(&record, "call");
        let place = call.as_ref().and_then(|call| calls.get(call)).copied();
        let place = place.unwrap_or(entries.len());
        if place == entries.len() {
            entries.push(Entry { at: link.at, call: call.clone(), ..Entry::default() });
            calls.extend(call.map(|call| (call, place)));
        }
        if let Some(entry) = entries.get_mut(place) {
            entry.records.push(link.sequence);
            entry.take(&record);
        }
    }
    entries
}

impl Entry {
    fn take(&mut self, record: &Map<String, Value>) {
        match text(record, "record").as_deref() {
            Some("opened") => self.opened(record),
            Some("admitted") => {
                self.decision = Some("allow");
                self.basis(record);
                self.approval = text(record, "approval").or(self.approval.take());
            }
            Some("closed") => self.closed(record),
            _ => {
                self.principal = text(record, "by").unwrap_or_default();
                self.end = text(record, "action");
                self.subject = text(record, "subject");
                self.detail = text(record, "reason");
            }
        }
    }

    fn opened(&mut self, record: &Map<String, Value>) {
        self.principal = text(record, "principal").unwrap_or_default();
        self.acts_for = texts(record, "acts-for");
        self.parent = text(record, "parent");
        self.door = text(record, "door");
        self.component = text(record, "component");
        self.tool = text(record, "tool");
        self.tool_digest = text(record, "tool-digest");
        self.arguments_digest = text(record, "arguments-digest");
    }

    fn basis(&mut self, record: &Map<String, Value>) {
        self.policies = texts(record, "policies");
        self.policy_version = text(record, "policy-version");
    }

    fn closed(&mut self, record: &Map<String, Value>) {
        self.end = text(record, "outcome");
        self.detail = text(record, "detail");
        self.cost = record.get("cost").and_then(Value::as_u64);
        self.millis = record.get("millis").and_then(Value::as_u64);
        let undecided = match self.end.as_deref() {
            Some("held") => "ask",
            Some("interrupted" | "unavailable" | "cancelled") => "unknown",
            _ => "refuse",
        };
        self.decision = self.decision.or(Some(undecided));
        let notes = record.get("notes").and_then(Value::as_array);
        for note in notes.into_iter().flatten().filter_map(Value::as_object) {
            self.note(note);
        }
    }

    fn note(&mut self, note: &Map<String, Value>) {
        let kind = text(note, "note").unwrap_or_default();
        match kind.as_str() {
            "allowed" if self.policies.is_empty() => self.basis(note),
            "asked" => self.approval = text(note, "approval"),
            "approved" => self.approved_by = texts(note, "by"),
            "exceptional" => self.exceptional.extend(text(note, "capability")),
            _ => {}
        }
        let Some(capability) = text(note, "capability") else { return };
        self.capabilities_tried.insert(capability.clone());
        if matches!(kind.as_str(), "sent" | "unanswered" | "withheld" | "called") {
            self.capabilities_used.insert(capability.clone());
        }
        self.count(note);
        if note.contains_key("host") || kind == "not-sent" {
            self.destinations.push(Destination {
                capability,
                method: text(note, "method"),
                host: text(note, "host"),
                path_template: text(note, "path-template"),
                status: note.get("status").and_then(Value::as_u64),
                code: text(note, "code").or_else(|| (kind == "withheld").then_some(kind)),
            });
        }
    }

    fn count(&mut self, note: &Map<String, Value>) {
        let number = |name: &str| note.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.bytes_sent = self.bytes_sent.saturating_add(number("sent-bytes"));
        self.bytes_received = self.bytes_received.saturating_add(number("received-bytes"));
        let usage = note.get("usage").and_then(Value::as_object);
        for (name, quantity) in usage.into_iter().flatten() {
            let sum = self.usage.entry(name.clone()).or_default();
            *sum = sum.saturating_add(quantity.as_u64().unwrap_or_default());
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let decision = self.decision.unwrap_or(if self.call.is_some() { "open" } else { "change" });
        let what = self.tool.as_deref().or(self.subject.as_deref()).unwrap_or_default();
        let for_whom = if self.acts_for.is_empty() {
            String::new()
        } else {
            format!(" for {}", self.acts_for.join(", "))
        };
        let names: Vec<&str> = self.exceptional.iter().map(String::as_str).collect();
        let exceptional = if names.is_empty() {
            String::new()
        } else {
            format!(" BY EXCEPTION {}", names.join(", "))
        };
        format!(
            "{:.19} {:<8} {:<16} {}{for_whom}: {what} {}{exceptional}",
            self.at.to_string(),
            decision,
            self.end.as_deref().unwrap_or("running"),
            self.principal,
            self.call.as_deref().unwrap_or_default(),
        )
    }
}

fn text(record: &Map<String, Value>, name: &str) -> Option<String> {
    record.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn texts(record: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = record.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
