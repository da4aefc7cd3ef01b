//! Does a yes still count: has the one who gave it the role yet?
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answer, ApprovalState, Filing, Request, Verdict};
use crate::{DenialTarget, Denials};

/// Where the roles of an answer come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolesFrom {
    /// A token named them. They hold until the token's subject is denied.
    #[default]
    Token,
    /// The configuration names them, of whoever runs the command line.
    Operator,
    /// The configuration names them, of a person who answers from elsewhere.
    Person,
}

impl RolesFrom {
    pub(super) fn is_token(&self) -> bool {
        *self == Self::Token
    }
}

/// The roles that this host's configuration gives people by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub operator: Option<(String, BTreeSet<String>)>,
    pub people: BTreeMap<String, BTreeSet<String>>,
}

impl Roles {
    /// What is left of the roles of an answer. An operator whom this host does not know has them all.
    fn left(&self, answer: &Answer) -> Option<BTreeSet<String>> {
        let now = match answer.roles_from {
            RolesFrom::Token => return Some(answer.roles.clone()),
            RolesFrom::Operator => match &self.operator {
                Some((id, roles)) if *id == answer.by => roles,
                Some(_) | None => return Some(answer.roles.clone()),
            },
            RolesFrom::Person => self.people.get(&answer.by)?,
        };
        Some(answer.roles.intersection(now).cloned().collect())
    }
}

impl Request {
    /// The same question, where a yes of somebody who has lost the role, or was denied since, does not count. One
    /// that lacks a yes by that waits for another. A no stands.
    #[must_use]
    pub fn as_of(mut self, roles: &Roles, denials: &Denials) -> Self {
        let filing = &self.filing;
        let lapsed = self.answers.iter().filter(|answer| answer.verdict == Verdict::Approve);
        let lapsed =
            lapsed.filter(|answer| !holds(filing, answer, roles) || is_denied(answer, denials));
        self.lapsed = lapsed.map(|answer| answer.by.clone()).collect();
        if self.state == ApprovalState::Approved && !self.has_enough() {
            self.state = ApprovalState::Open;
        }
        self
    }

    /// Whether as many said yes as have to.
    pub(super) fn has_enough(&self) -> bool {
        let counts = |answer: &&Answer| {
            answer.verdict == Verdict::Approve && !self.lapsed.contains(&answer.by)
        };
        self.answers.iter().filter(counts).count()
            >= usize::from(self.filing.approvers.count.max(1))
    }
}

fn holds(filing: &Filing, answer: &Answer, roles: &Roles) -> bool {
    let left = roles.left(answer);
    left.is_some_and(|left| filing.may_answer(&left) && filing.is_asked(&left, answer.at))
}

/// Whether whoever stands behind it was denied after it.
fn is_denied(answer: &Answer, denials: &Denials) -> bool {
    denials.all().iter().any(|denial| match &denial.target {
        DenialTarget::Subject { id, before, .. } => {
            answer.at < *before && answer.people().any(|one| one == id)
        }
        DenialTarget::Token { .. } | DenialTarget::Issuer { .. } => false,
    })
}
