//! What is written under `[approval]`: who is asked, in which order, and how people hear of it.
//!
//! ```toml
//! [approval]
//! most_open = 20
//! access = ["owner"]
//! page = "https://desk.example.com/approvals/{id}"
//! [[approval.chain]]
//! approvers = ["oncall"]
//! patience = "5m"
//! [approval.person.ana]
//! roles = ["oncall", "payer"]
//! slack = "U0123ABCD"
//! email = "ana@example.com"
//! [approval.tell.desk]
//! kind = "webhook"
//! url = "https://desk.example.com/toolward"
//! store = "local"
//! key = "desk-key"
//! ```
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use toolward_gate::{ApprovalId, Asking, Step};
use url::Url;

use crate::telling::TellerConfig;

/// How people are asked, as it was set.
#[derive(Clone, Debug, Default)]
pub struct ApprovalConfig {
    pub asking: Asking,
    /// Who may agree that somebody gets a capability for a time; empty: anybody else.
    pub access: BTreeSet<String>,
    /// Those who answer from elsewhere than the command line, by their names here.
    pub people: BTreeMap<String, PersonConfig>,
    pub tellers: BTreeMap<String, TellerConfig>,
    pub page: Option<ApprovalPage>,
}

/// Where people see a question, as in `https://desk.example.com/approvals/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalPage {
    before: String,
    after: String,
}

impl ApprovalPage {
    /// The page of this question.
    pub fn of(&self, approval: ApprovalId) -> String {
        format!("{}{approval}{}", self.before, self.after)
    }

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`page` is an address with `https` and one `{{id}}` in its path, as in `https://desk.example.com/approvals/{{id}}`, and not `{text}`"
            )
        };
        let (before, after) = text.split_once("{id}").ok_or_else(wrong)?;
        let page = Self { before: before.to_owned(), after: after.to_owned() };
        // What comes after the host's name does not change where it leads.
        let host = Url::parse(before).ok().filter(|url| url.scheme() == "https");
        let has_path = before.get("https://".len()..).is_some_and(|rest| rest.contains('/'));
        if host.is_some() && has_path && !after.contains(['{', '}']) {
            Ok(page)
        } else {
            Err(wrong())
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonConfig {
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// A member's id, as in `U0123ABCD`. Names there can be changed by whoever has them.
    pub slack: Option<String>,
    pub email: Option<String>,
}

impl ApprovalConfig {
    /// Who has this id at Slack.
    pub fn slack_member(&self, id: &str) -> Option<(&str, &PersonConfig)> {
        let mut people = self.people.iter();
        let found = people.find(|(_, person)| person.slack.as_deref() == Some(id));
        found.map(|(name, person)| (name.as_str(), person))
    }
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Approval {
    most_open: Option<u32>,
    access: BTreeSet<String>,
    chain: Vec<WrittenStep>,
    person: BTreeMap<String, PersonConfig>,
    tell: BTreeMap<String, TellerConfig>,
    page: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    #[serde(default)]
    approvers: BTreeSet<String>,
    patience: String,
}

impl Approval {
    /// Fails with what to change.
    pub(super) fn read(self) -> Result<ApprovalConfig, String> {
        let usual = Asking::default();
        let most_open = self.most_open.unwrap_or(usual.most_open);
        if most_open == 0 {
            return Err("`most_open` is at least 1: with none, nobody could ask".to_owned());
        }
        let chain = self.chain.into_iter().map(WrittenStep::read).collect::<Result<_, _>>()?;
        let mut asking = Asking { chain, most_open, ..usual };
        let (access, people, tellers) = (self.access, self.person, self.tell);
        let of = |(name, person): (&String, &PersonConfig)| (name.clone(), person.roles.clone());
        asking.roles.people = people.iter().map(of).collect();
        let page = self.page.as_deref().map(ApprovalPage::read).transpose()?;
        let config = ApprovalConfig { asking, access, people, tellers, page };
        config.check_people()?;
        for (name, teller) in &config.tellers {
            teller.check(&config).map_err(|why| format!("`[approval.tell.{name}]`: {why}"))?;
        }
        Ok(config)
    }
}

impl ApprovalConfig {
    /// Two who share an address would be one person who answers twice.
    fn check_people(&self) -> Result<(), String> {
        let mut known = BTreeMap::new();
        for (name, person) in &self.people {
            for address in [&person.slack, &person.email].into_iter().flatten() {
                if let Some(other) = known.insert(address.as_str(), name) {
                    return Err(format!(
                        "`{address}` is the address of `{other}` and of `{name}`: give each their own"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl WrittenStep {
    fn read(self) -> Result<Step, String> {
        Ok(Step { approvers: self.approvers, patience: patience(&self.patience)? })
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`patience` is a time of at most 7 days, as in `5m` or `2h`, and not `{text}`");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let length = Duration::try_from(length).map_err(|_| wrong())?;
    if length.is_zero() || length > LONGEST { Err(wrong()) } else { Ok(length) }
}

const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ApprovalConfig, String> {
        toml::from_str::<Approval>(text).map_err(|error| error.message().to_owned())?.read()
    }

    const TELLERS: &str = r#"
[person.ana]
roles = ["payer"]
email = "ana@example.com"
slack = "U1"
[tell.desk]
kind = "webhook"
url = "https://desk.example.com/in"
store = "local"
key = "desk-key"
[tell.chat]
kind = "slack"
channel = "C1"
store = "local"
token = "slack-token"
signing_secret = "slack-signing"
arguments = "whole"
[tell.mail]
kind = "email"
server = "smtps://mail.example.com"
from = "toolward@example.com"
to = ["ana"]
links = "https://desk.example.com"
"#;

    #[test]
    fn steps_and_tellers_are_read() {
        let steps = "most_open = 3\n[[chain]]\napprovers = [\"oncall\"]\npatience = \"5m\"\n[[chain]]\npatience = \"2h\"\n";
        let config = read(&format!("{steps}{TELLERS}")).unwrap();
        assert_eq!(config.asking.most_open, 3);
        assert_eq!(config.asking.chain[0].patience, Duration::from_secs(300));
        assert!(config.asking.chain[1].approvers.is_empty());
        assert_eq!(config.tellers.len(), 3);
        assert_eq!(config.slack_member("U1").unwrap().0, "ana");
        assert_eq!(read("").unwrap().asking, Asking::default());
        let page = read(r#"page = "https://desk.example.com/a/{id}?from=agent""#).unwrap().page;
        let id = ApprovalId::generate();
        let expected = format!("https://desk.example.com/a/{id}?from=agent");
        assert_eq!(page.unwrap().of(id), expected);
    }

    #[test]
    fn every_mistake_is_told_with_what_to_change() {
        let cases = [
            ("most_open = 0", "at least 1"),
            ("[[chain]]\npatience = \"0s\"", "at most 7 days"),
            ("[[chain]]\npatience = \"8d\"", "at most 7 days"),
            ("[[chain]]\npatience = \"soon\"", "as in `5m`"),
            ("[[chain]]\napprovers = [\"a\"]", "missing field `patience`"),
            ("[[chain]]\npatience = \"5m\"\nroles = []", "unknown field"),
            ("[person.a]\nslack = \"U1\"\n[person.b]\nslack = \"U1\"", "address of `a` and of `b`"),
            ("page = \"https://desk.example.com/approvals\"", "one `{id}`"),
            ("page = \"http://desk.example.com/{id}\"", "with `https`"),
            ("page = \"https://{id}.example.com/\"", "in its path"),
            ("page = \"https://desk.example.com/{id}/{id}\"", "one `{id}`"),
            ("page = \"javascript:alert(1)//{id}\"", "with `https`"),
            ("[tell.x]\nkind = \"pigeon\"", "unknown variant"),
        ];
        for (text, expected) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let wrong = [
            ("to = [\"ana\"]", "to = [\"bob\"]", "no person `bob`"),
            ("to = [\"ana\"]", "to = []", "nobody"),
            ("email = \"ana@example.com\"\n", "", "has no `email`"),
            ("https://desk.example.com/in", "http://desk.example.com/in", "https"),
            ("https://desk.example.com\"", "http://desk.example.com\"", "https"),
            ("smtps://", "smtp://", "smtps"),
            ("arguments = \"whole\"", "arguments = \"all\"", "unknown variant"),
            ("key = \"desk-key\"", "key = \"desk-key\"\nother = 1", "unknown field"),
        ];
        for (from, to, expected) in wrong {
            assert!(TELLERS.contains(from), "{from}");
            let error = read(&TELLERS.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
