//! Which tokens, keys and certificates are taken back before they end? The port, and what a denial hits.
use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Principal, Unavailable};

/// One token, key or certificate that proved an identity. It names it, and nobody can speak with the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Who vouches for it.
    pub issuer: String,
    /// Its name there: for a token its `jti`, or its digest where it has none.
    pub id: String,
    pub issued_at: Timestamp,
}

/// What is denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "denied", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DenialTarget {
    /// One token, key or certificate.
    Token {
        issuer: String,
        id: String,
        /// And every token that was exchanged for it, and for those.
        tree: bool,
    },
    /// Whoever speaks as this principal, or for it, with something that was issued before a time.
    Subject {
        id: String,
        /// Of any issuer, where absent.
        issuer: Option<String>,
        before: Timestamp,
    },
    /// Everything that one issuer vouches for.
    Issuer { issuer: String },
}

impl fmt::Display for DenialTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { issuer, id, tree: false } => write!(f, "token {id} of {issuer}"),
            Self::Token { issuer, id, tree: true } => {
                write!(f, "token {id} of {issuer}, and what it was exchanged for")
            }
            Self::Subject { id, issuer: None, before } => {
                write!(f, "subject {id}, issued before {before}")
            }
            Self::Subject { id, issuer: Some(issuer), before } => {
                write!(f, "subject {id} of {issuer}, issued before {before}")
            }
            Self::Issuer { issuer } => write!(f, "issuer {issuer}"),
        }
    }
}

/// Something that is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    #[serde(flatten)]
    pub target: DenialTarget,
    pub reason: String,
    pub by: String,
    pub since: Timestamp,
    /// When it is forgotten: what it denies has ended by then. Never, where absent.
    pub expires_at: Option<Timestamp>,
}

/// Every denial in force. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denials(Arc<Index>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Index {
    all: Vec<Denial>,
    /// Places in `all`, by the id of a token.
    tokens: HashMap<String, Vec<usize>>,
    /// Places in `all` of the others, of which there are few.
    others: Vec<usize>,
}

impl Denials {
    pub fn of(all: Vec<Denial>) -> Self {
        let (mut tokens, mut others) = (HashMap::<String, Vec<usize>>::new(), Vec::new());
        for (place, denial) in all.iter().enumerate() {
            match &denial.target {
                DenialTarget::Token { id, .. } => tokens.entry(id.clone()).or_default().push(place),
                DenialTarget::Subject { .. } | DenialTarget::Issuer { .. } => others.push(place),
            }
        }
        Self(Arc::new(Index { all, tokens, others }))
    }

    pub fn all(&self) -> &[Denial] {
        &self.0.all
    }

    /// The first denial that hits this principal. One that nothing proved is hit by its name only.
    pub fn hit(&self, principal: &Principal) -> Option<&Denial> {
        let index = &self.0;
        let named = principal.proven_by().iter().filter_map(|one| index.tokens.get(&one.id));
        let mut places = named.flatten().chain(&index.others);
        places.find_map(|place| index.all.get(*place).filter(|one| one.target.hits(principal)))
    }
}

impl DenialTarget {
    fn hits(&self, principal: &Principal) -> bool {
        let proven = principal.proven_by();
        match self {
            Self::Token { issuer, id, tree } => {
                let shown = if *tree { 0 } else { proven.len().saturating_sub(1) };
                let is = |one: &Proven| one.issuer == *issuer && one.id == *id;
                proven.iter().skip(shown).any(is)
            }
            // What was exchanged is as old as the oldest that it was exchanged for.
            Self::Subject { id, issuer, before } => {
                let of_issuer = |one: &Proven| issuer.as_ref().is_none_or(|is| one.issuer == *is);
                principal.is_or_acts_for(id)
                    && proven.iter().any(of_issuer)
                    && proven.iter().any(|one| one.issued_at < *before)
            }
            Self::Issuer { issuer } => proven.iter().any(|one| one.issuer == *issuer),
        }
    }
}

/// Where denials are kept, so that they hold across restarts and reach every host.
#[async_trait]
pub trait DenyList: Send + Sync {
    /// Every denial in force. It is asked for each time that somebody says who they are.
    async fn denials(&self) -> Result<Denials, Unavailable>;
    /// Denies, and records it in the audit trail in the same transaction.
    async fn deny(&self, denial: Denial) -> Result<(), Unavailable>;
    /// Takes a denial back, and records it in the same transaction; `false` when there is none of this target.
    async fn allow(
        &self,
        target: &DenialTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable>;
}

#[cfg(test)]
mod tests;
