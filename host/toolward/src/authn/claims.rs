//! What proven claims say of their principal, by the mapping of their issuer.
use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toolward_gate::{CapabilityName, Digest, Identity, Kind, Principal, Proven};

use super::AuthnError;
use crate::config::{IssuerConfig, MappedClaim};

/// Claims whose signature holds (RFC 7519 section 4.1). Issuer and audience were checked with it.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: String,
    #[serde(flatten)]
    times: Times,
    jti: Option<String>,
    kind: Option<Kind>,
    /// Who acts for the subject (RFC 8693 section 4.1).
    act: Option<Actor>,
    /// The key that the sender has to show (RFC 7800 section 3.1).
    pub(super) cnf: Option<Value>,
    /// What it was exchanged for, the oldest first. Believed of this host's own tokens only.
    #[serde(rename = "toolward_lineage")]
    lineage: Option<Vec<Proven>>,
    /// The only door that it is good at. As `lineage`.
    #[serde(rename = "toolward_door")]
    door: Option<String>,
    /// Everything that was signed, for the mapping.
    #[serde(flatten)]
    others: Value,
}

/// When a token is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Times {
    pub(super) exp: i64,
    pub(super) iat: i64,
    /// What is there and is no time, also `null`, refuses the token.
    #[serde(default, deserialize_with = "present")]
    pub(super) nbf: Option<i64>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(from).map(Some)
}

impl Times {
    /// A token ends [`LEEWAY`](super::LEEWAY) seconds after its `exp`, to the second, and begins as long before its
    /// `nbf`. One from the future, or that lives too long, is not one that the issuer should have made.
    pub(super) fn check(self, max_lifetime: Duration, now: i64) -> Result<(), AuthnError> {
        if self.exp.saturating_add(super::LEEWAY) <= now {
            return Err(AuthnError::Token("its time is over"));
        }
        let latest = now.saturating_add(super::LEEWAY);
        if self.nbf.is_some_and(|begin| begin > latest) {
            return Err(AuthnError::Token("its time has not begun"));
        }
        if self.iat > latest || self.iat < 0 {
            return Err(AuthnError::Token("it was issued in the future, or at no time"));
        }
        let most = i64::try_from(max_lifetime.as_secs()).unwrap_or(i64::MAX);
        if self.exp.saturating_sub(self.iat) > most {
            return Err(AuthnError::Token("it lives longer than `max_lifetime` of its issuer"));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Actor {
    sub: String,
    act: Option<Box<Self>>,
}

impl Claims {
    /// The principal of a token that this host signed: with what it was exchanged for, and at its door only.
    pub(super) fn of_own(
        mut self,
        proven: Proven,
        issuer: &IssuerConfig,
        now: i64,
    ) -> Result<Principal, AuthnError> {
        let (lineage, door) = (self.lineage.take(), self.door.take());
        let mut by =
            lineage.ok_or(AuthnError::Token("it does not say what it was exchanged for"))?;
        by.push(proven);
        let principal = Principal::proven(self.identity(issuer, now)?, by);
        Ok(match door {
            Some(door) => principal.only_through(&door),
            None => principal,
        })
    }

    /// What names the token. `signed` is what its issuer signed: a signature may have several forms.
    pub(super) fn proven(&self, issuer: &str, signed: &str) -> Result<Proven, AuthnError> {
        let no_time = |_| AuthnError::Token("its `iat` is no time");
        let issued_at = Timestamp::from_second(self.times.iat).map_err(no_time)?;
        let id = match &self.jti {
            None => Digest::of(signed.as_bytes()).to_string(),
            Some(jti) if is_usable(jti) => jti.clone(),
            Some(_) => return Err(AuthnError::Token("its `jti` is no usable name")),
        };
        Ok(Proven { issuer: issuer.to_owned(), id, issued_at })
    }

    /// With actors, the first of them speaks, for all that follow and for the subject.
    pub(super) fn identity(self, issuer: &IssuerConfig, now: i64) -> Result<Identity, AuthnError> {
        self.times.check(issuer.max_lifetime, now)?;
        let (roles, groups) = (self.set(&issuer.roles)?, self.set(&issuer.groups)?);
        let scope = self.scope(issuer)?;
        let ends_at = Timestamp::from_second(self.times.exp)
            .map_err(|_| AuthnError::Token("its end is no time"))?;
        let mut chain = chain(self.act, self.sub)?;
        let id = chain.remove(0);
        let kind = self.kind.unwrap_or(if chain.is_empty() { Kind::User } else { Kind::Agent });
        Ok(Identity { id, kind, roles, groups, acts_for: chain, scope, ends_at: Some(ends_at) })
    }

    /// Whether nobody but the audience it was checked for takes it.
    pub(super) fn is_for_one(&self) -> bool {
        match self.others.get("aud") {
            Some(Value::String(_)) => true,
            Some(Value::Array(several)) => several.len() == 1,
            _ => false,
        }
    }

    fn set(&self, claim: &MappedClaim) -> Result<BTreeSet<String>, AuthnError> {
        let wrong = AuthnError::Token("its roles or groups are not a text or a list of texts");
        let words = self.words(claim).ok_or(wrong)?;
        Ok(claim.mapped(words.unwrap_or_default()).collect())
    }

    /// A scope only narrows: one that names no capability leaves none.
    fn scope(&self, issuer: &IssuerConfig) -> Result<Option<BTreeSet<CapabilityName>>, AuthnError> {
        let wrong = AuthnError::Token("its scope is not a text or a list of texts");
        let Some(words) = self.words(&issuer.scopes).ok_or(wrong)? else { return Ok(None) };
        Ok(Some(issuer.scopes.mapped(words).filter_map(|name| name.parse().ok()).collect()))
    }

    /// The words of a claim: a list of texts, or one text with spaces between them (RFC 8693 section 4.2).
    /// Inside, nothing where the claim is not there; outside, where it is something else.
    fn words(&self, claim: &MappedClaim) -> Option<Option<Vec<String>>> {
        let split = |text: &str| {
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        match self.others.pointer(&claim.claim) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(split(text))),
            Some(Value::Array(list)) => {
                let texts: Option<Vec<_>> =
                    list.iter().map(|word| word.as_str().map(str::to_owned)).collect();
                texts.map(Some)
            }
            Some(_) => None,
        }
    }
}

/// Who speaks, and for whom, nearest first.
fn chain(act: Option<Actor>, subject: String) -> Result<Vec<String>, AuthnError> {
    let (mut chain, mut next) = (Vec::new(), act);
    while let Some(actor) = next {
        if chain.len() >= MAX_CHAIN {
            return Err(AuthnError::Token("its chain of actors is too long"));
        }
        chain.push(actor.sub);
        next = actor.act.map(|actor| *actor);
    }
    chain.push(subject);
    if !chain.iter().all(|id| is_usable(id)) {
        return Err(AuthnError::Token("its subject or an actor has no usable name"));
    }
    Ok(chain)
}

fn is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}

/// Actors between the one who speaks and the subject.
pub(super) const MAX_CHAIN: usize = 8;
/// Bytes of a name of a principal or a token.
const MAX_NAME: usize = 256;
