//! A token for a narrower one: for another agent, for one door, for less time (RFC 8693).
//!
//! ```text
//! caller --authenticated--> Principal --its token, who is to act, how little--> Exchanged
//! ```
use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde::Serialize;
use serde_json::{Value, json};
use toolward_gate::{CapabilityName, Change, Kind, Principal, Proven};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Authn, AuthnError, Read, api_key,
    claims::MAX_CHAIN,
    development::{AUDIENCE, check_mode, nested, words, write_private},
};
use crate::config::{Config, Environment, ExchangeConfig, IssuerConfig, KeysConfig};

/// The key of this host that signs what it exchanges. Only its owner reads it.
#[expect(missing_debug_implementations, reason = "a key is not printed")]
pub struct ExchangeKey(EncodingKey);

/// Signs narrower tokens.
pub(super) struct Exchange {
    key: ExchangeKey,
    config: ExchangeConfig,
}

/// What somebody asks for. Whatever is absent stays as it is in the token that is exchanged.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "a token is not printed")]
pub struct Exchanging<'a> {
    /// The caller's own token or API key: it is what becomes narrower.
    pub subject: &'a str,
    /// The token of the one who is to act for the caller; the caller itself, where absent.
    pub actor: Option<&'a str>,
    pub scope: Option<&'a str>,
    /// The only door that it is to be good at.
    pub door: Option<&'a str>,
    pub seconds: Option<i64>,
}

/// A narrower token.
pub struct Exchanged {
    pub token: String,
    /// Whether it is good with a proof of its holder's key only.
    pub is_bound: bool,
    pub seconds: i64,
    pub scope: Option<BTreeSet<CapabilityName>>,
    /// For the audit trail. A token that is not recorded is not handed out.
    pub change: Change,
}

impl fmt::Debug for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanged").field("change", &self.change).finish_non_exhaustive()
    }
}

/// Why there is no narrower token; each with its code (RFC 6749 section 5.2).
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("this host exchanges no tokens: name a `key` under `[authentication.exchange]`")]
    Off,
    #[error("`subject_token` is not the token that the request was made with")]
    NotTheCallers,
    #[error("the token of `actor_token` is not taken here")]
    Actor,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("a token is only exchanged for one that allows less: `{0}` is not in its scope")]
    Wider(String),
    #[error(transparent)]
    Unavailable(toolward_gate::Unavailable),
}

impl ExchangeError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off => "unsupported_grant_type",
            Self::NotTheCallers | Self::Actor | Self::Invalid(_) => "invalid_request",
            Self::Wider(_) => "invalid_scope",
            Self::Unavailable(_) => "temporarily_unavailable",
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'static str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Value>,
    kind: Kind,
    roles: &'a BTreeSet<String>,
    groups: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Value>,
    iat: i64,
    exp: i64,
    jti: &'a str,
    #[serde(rename = "toolward_lineage")]
    lineage: &'a [Proven],
    #[serde(rename = "toolward_door", skip_serializing_if = "Option::is_none")]
    door: Option<&'a str>,
}

impl Authn {
    /// A narrower token for the one who speaks as `caller`. The caller holds the token that is exchanged: it is
    /// the one that the request was made with.
    pub async fn exchange(
        &self,
        caller: &Principal,
        asked: Exchanging<'_>,
    ) -> Result<Exchanged, ExchangeError> {
        let exchange = self.exchange.as_ref().ok_or(ExchangeError::Off)?;
        let subject = self.readable(asked.subject).await;
        let subject = subject.map_err(|error| of(error, ExchangeError::NotTheCallers))?;
        if subject.principal.proven_by() != caller.proven_by() {
            return Err(ExchangeError::NotTheCallers);
        }
        let actor = match asked.actor {
            None => None,
            Some(token) => {
                let actor = self.readable(token).await;
                Some(actor.map_err(|error| of(error, ExchangeError::Actor))?)
            }
        };
        exchange.narrower(&subject, actor.as_ref(), asked, super::now())
    }

    /// As [`Self::read`], where it was not denied.
    async fn readable(&self, token: &str) -> Result<Read, AuthnError> {
        if api_key::is_one(token) {
            return Ok(Read { principal: self.api_key(token).await?, bound_to: None });
        }
        let Read { principal, bound_to } = self.read(token).await?;
        Ok(Read { principal: self.undenied(principal).await?, bound_to })
    }
}

/// The caller's fault has one answer, whatever it is; a fault of the host's is its own.
fn of(error: AuthnError, fault: ExchangeError) -> ExchangeError {
    if let AuthnError::Unavailable(error) = error {
        return ExchangeError::Unavailable(error);
    }
    fault
}

impl Exchange {
    pub(super) fn new(key: ExchangeKey, config: ExchangeConfig) -> Self {
        Self { key, config }
    }

    fn narrower(
        &self,
        subject: &Read,
        actor: Option<&Read>,
        asked: Exchanging<'_>,
        now: i64,
    ) -> Result<Exchanged, ExchangeError> {
        let speaker = Speaker::of(&subject.principal, actor.map(|actor| &actor.principal))?;
        let lineage = self.lineage(&subject.principal, actor.map(|actor| &actor.principal))?;
        let scope = narrowed(&subject.principal, actor.map(|one| &one.principal), asked.scope)?;
        let door = door(&subject.principal, asked.door)?;
        let seconds = self.seconds(&subject.principal, actor, asked.seconds, now)?;
        let bound_to = bound(subject, actor)?;
        let jti = Uuid::new_v4().to_string();
        let (sub, actors) =
            speaker.chain.split_last().ok_or(ExchangeError::Invalid("nobody speaks"))?;
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub,
            act: nested(actors),
            kind: speaker.kind,
            roles: subject.principal.roles(),
            groups: subject.principal.groups(),
            scope: scope.as_ref().map(words),
            cnf: bound_to,
            iat: now,
            exp: now.saturating_add(seconds),
            jti: &jti,
            lineage: &lineage,
            door,
        };
        let token =
            self.key.sign(&claims).ok_or(ExchangeError::Invalid("the key does not sign"))?;
        let change = Change {
            by: subject.principal.id().to_owned(),
            action: "token-exchange".to_owned(),
            subject: format!("token {jti} of {ISSUER}"),
            reason: format!("for {} for {seconds} s", speaker.chain.join(", which acts for ")),
        };
        Ok(Exchanged { token, is_bound: bound_to.is_some(), seconds, scope, change })
    }

    /// What it is denied with: everything that the caller and the one who is to act were proven by.
    fn lineage(
        &self,
        subject: &Principal,
        actor: Option<&Principal>,
    ) -> Result<Vec<Proven>, ExchangeError> {
        let mut lineage = subject.proven_by().to_vec();
        for one in actor.into_iter().flat_map(Principal::proven_by) {
            if !lineage.contains(one) {
                lineage.push(one.clone());
            }
        }
        let depth = lineage.iter().filter(|one| one.issuer == ISSUER).count();
        if depth >= self.config.max_depth {
            return Err(ExchangeError::Invalid("it was exchanged too often already"));
        }
        Ok(lineage)
    }

    /// No longer than the caller's token, the actor's, what was asked for, and what is configured.
    fn seconds(
        &self,
        subject: &Principal,
        actor: Option<&Read>,
        asked: Option<i64>,
        now: i64,
    ) -> Result<i64, ExchangeError> {
        let most = i64::try_from(self.config.max_lifetime.as_secs()).unwrap_or(i64::MAX);
        let ends = [subject.ends_at(), actor.and_then(|actor| actor.principal.ends_at())];
        let left = ends.iter().flatten().map(|end| end.as_second().saturating_sub(now)).min();
        let seconds = most.min(left.unwrap_or(most)).min(asked.unwrap_or(most));
        if seconds < 1 { Err(ExchangeError::Invalid("it would end at once")) } else { Ok(seconds) }
    }
}

/// Who speaks with the new token, and for whom, nearest first.
struct Speaker<'a> {
    chain: Vec<&'a str>,
    kind: Kind,
}

impl<'a> Speaker<'a> {
    /// An actor speaks for the caller, and for all that the caller acts for. One that acts for somebody itself
    /// would leave them out.
    fn of(subject: &'a Principal, actor: Option<&'a Principal>) -> Result<Self, ExchangeError> {
        let caller = std::iter::once(subject.id());
        let mut chain: Vec<&str> =
            caller.chain(subject.acts_for().iter().map(String::as_str)).collect();
        let Some(actor) = actor.filter(|actor| actor.id() != subject.id()) else {
            return Ok(Self { chain, kind: subject.kind() });
        };
        if !actor.acts_for().is_empty() {
            return Err(ExchangeError::Invalid("the actor acts for somebody else already"));
        }
        if subject.is_or_acts_for(actor.id()) {
            return Err(ExchangeError::Invalid("the caller acts for the actor already"));
        }
        chain.insert(0, actor.id());
        if chain.len() > MAX_CHAIN {
            return Err(ExchangeError::Invalid("the chain of those who act would be too long"));
        }
        Ok(Self { chain, kind: actor.kind() })
    }
}

/// What is asked for, of what the caller's token and the actor's leave.
fn narrowed(
    subject: &Principal,
    actor: Option<&Principal>,
    asked: Option<&str>,
) -> Result<Option<BTreeSet<CapabilityName>>, ExchangeError> {
    let left = |name: &CapabilityName| {
        subject.in_scope(name) && actor.is_none_or(|actor| actor.in_scope(name))
    };
    let Some(asked) = asked else {
        let scopes = [subject.scope(), actor.and_then(Principal::scope)];
        let held = scopes.into_iter().flatten().next();
        return Ok(held.map(|scope| scope.iter().filter(|name| left(name)).cloned().collect()));
    };
    let mut scope = BTreeSet::new();
    for word in asked.split(' ').filter(|word| !word.is_empty()) {
        let no_name = || ExchangeError::Invalid("`scope` is a list of capabilities");
        let name: CapabilityName = word.parse().map_err(|_| no_name())?;
        if !left(&name) {
            return Err(ExchangeError::Wider(name.to_string()));
        }
        scope.insert(name);
    }
    Ok(Some(scope))
}

fn door<'a>(
    subject: &'a Principal,
    asked: Option<&'a str>,
) -> Result<Option<&'a str>, ExchangeError> {
    match (subject.door(), asked) {
        (Some(held), Some(asked)) if held != asked => {
            Err(ExchangeError::Invalid("the token is for another door"))
        }
        (held, asked) => Ok(asked.or(held)),
    }
}

/// To whose key the new token is bound: the actor's, or the caller's. One that was bound to a key does not become
/// one that whoever has it may use.
fn bound<'a>(
    subject: &'a Read,
    actor: Option<&'a Read>,
) -> Result<Option<&'a Value>, ExchangeError> {
    match (subject.bound_to.as_ref(), actor) {
        (held, None) => Ok(held),
        (Some(_), Some(Read { bound_to: None, .. })) => {
            Err(ExchangeError::Invalid("the token is bound to a key, and the actor's is not"))
        }
        (_, Some(actor)) => Ok(actor.bound_to.as_ref()),
    }
}

impl ExchangeKey {
    /// The key that is configured; in `development` also the one beside the database.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, AuthnError> {
        if let Some(path) = &config.authentication.exchange.key {
            return Self::read(path).map(Some).map_err(|cause| failed(path, cause));
        }
        let path = path(config);
        if config.environment == Environment::Production || !path.exists() {
            return Ok(None);
        }
        Self::read(&path).map(Some).map_err(|cause| failed(&path, cause))
    }

    /// Makes the key beside the database, in `development` and where none is configured.
    pub fn make(config: &Config) -> Result<(), AuthnError> {
        let path = path(config);
        let is_named = config.authentication.exchange.key.is_some();
        if is_named || config.environment == Environment::Production || path.exists() {
            return Ok(());
        }
        let made = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
        let bytes = made.map_err(|_| failed(&path, "there are no random bytes".to_owned()))?;
        match write_private(&path, bytes.as_ref()) {
            // Another host was as quick.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            written => written.map_err(|error| failed(&path, error.to_string())),
        }
    }

    fn read(path: &Path) -> Result<Self, String> {
        let found = fs::metadata(path).map_err(|error| error.to_string())?;
        check_mode(path, &found).map_err(|error| error.to_string())?;
        let bytes = fs::read(path).map(Zeroizing::new).map_err(|error| error.to_string())?;
        let of_pem = PrivatePkcs8KeyDer::from_pem_slice(&bytes);
        let der = of_pem.as_ref().map_or(bytes.as_slice(), PrivatePkcs8KeyDer::secret_pkcs8_der);
        let no_key = |_| "it is no Ed25519 key in PKCS #8".to_owned();
        Ed25519KeyPair::from_pkcs8(der).map_err(no_key)?;
        Ok(Self(EncodingKey::from_ed_der(der)))
    }

    fn sign(&self, claims: &Claims<'_>) -> Option<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        encode(&header, claims, &self.0).ok()
    }

    /// The issuer whose only key this is.
    pub(super) fn issuer(&self) -> Result<IssuerConfig, AuthnError> {
        let no_key = |error: jsonwebtoken::errors::Error| AuthnError::ExchangeKey {
            place: ISSUER.to_owned(),
            cause: error.to_string(),
        };
        let key = Jwk::from_encoding_key(&self.0, Algorithm::EdDSA).map_err(no_key)?;
        let text = json!({ "keys": [key] }).to_string();
        Ok(IssuerConfig::usual(KeysConfig::Inline(text), vec![AUDIENCE.to_owned()]))
    }
}

fn failed(path: &Path, cause: String) -> AuthnError {
    AuthnError::ExchangeKey { place: path.display().to_string(), cause }
}

fn path(config: &Config) -> PathBuf {
    config.data.join("exchange-token.key")
}

/// `iss` of these tokens.
pub(super) const ISSUER: &str = "urn:toolward:exchange";

#[cfg(test)]
mod tests;
