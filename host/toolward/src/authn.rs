//! Who is speaking. The only file that makes a principal.
use std::{collections::BTreeSet, fs};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde::Deserialize;
use toolward_gate::{CapabilityName, Identity, Kind, Principal};

use crate::config::{CallerConfig, Config, Environment, IssuerConfig};

/// Checks who is speaking.
pub struct Authn {
    issuers: Vec<Issuer>,
    caller: Option<CallerConfig>,
}

impl std::fmt::Debug for Authn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authn").finish_non_exhaustive()
    }
}

struct Issuer {
    url: String,
    config: IssuerConfig,
    keys: JwkSet,
}

/// Why a caller is not known. It says nothing of the token but what its sender may know.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    #[error(
        "nobody is named as the caller: add `[caller]` to the configuration, or set `TOOLWARD_TOKEN_FILE` to a file with a token"
    )]
    Nobody,
    #[error(
        "`[caller]` is for development; in `production`, set `TOOLWARD_TOKEN_FILE` to a file with a token"
    )]
    CallerInProduction,
    #[error("the token is not one that a configured issuer signed for this host: {0}")]
    Token(&'static str),
    #[error(
        "the keys of the issuer `{issuer}` cannot be read from `{path}`: {cause}; it must be a JSON Web Key Set (RFC 7517 section 5)"
    )]
    Keys { issuer: String, path: String, cause: String },
}

impl Authn {
    pub fn from_config(config: &Config) -> Result<Self, AuthnError> {
        if config.environment == Environment::Production && config.caller.is_some() {
            return Err(AuthnError::CallerInProduction);
        }
        let issuer = |(url, issuer): (&String, &IssuerConfig)| {
            let keys = |cause: String| AuthnError::Keys {
                issuer: url.clone(),
                path: issuer.jwks.display().to_string(),
                cause,
            };
            let text = fs::read_to_string(&issuer.jwks).map_err(|error| keys(error.to_string()))?;
            let set: JwkSet =
                serde_json::from_str(&text).map_err(|error| keys(error.to_string()))?;
            Ok(Issuer { url: url.clone(), config: issuer.clone(), keys: set })
        };
        let issuers = config.issuers.iter().map(issuer).collect::<Result<_, _>>()?;
        Ok(Self { issuers, caller: config.caller.clone() })
    }

    /// The principal of a token; without one, the caller that the configuration names.
    pub fn identify(&self, token: Option<&str>) -> Result<Principal, AuthnError> {
        match (token, &self.caller) {
            (Some(token), _) => self.of_token(token),
            (None, Some(caller)) => Ok(of_caller(caller)),
            (None, None) => Err(AuthnError::Nobody),
        }
    }

    fn of_token(&self, token: &str) -> Result<Principal, AuthnError> {
        if token.len() > MAX_TOKEN {
            return Err(AuthnError::Token("it is longer than 16 KiB"));
        }
        let wrong = |_| AuthnError::Token("its signature, issuer, audience or time does not hold");
        let header = decode_header(token).map_err(wrong)?;
        let claimed: Issued =
            jsonwebtoken::dangerous::insecure_decode(token).map_err(wrong)?.claims;
        let issuer = self.issuers.iter().find(|issuer| issuer.url == claimed.iss);
        let issuer = issuer.ok_or(AuthnError::Token("its issuer is not configured"))?;
        let key = header.kid.as_deref().and_then(|kid| issuer.keys.find(kid));
        let key = key.ok_or(AuthnError::Token("its key is not one of the issuer's"))?;
        // The algorithm comes from the configuration and the key, never from the token alone.
        let algorithm: Algorithm = header.alg;
        if !issuer.config.algorithms.contains(&algorithm) || !fits(key, algorithm) {
            return Err(AuthnError::Token(
                "its algorithm is not one that is configured for the issuer",
            ));
        }
        let key = DecodingKey::from_jwk(key).map_err(wrong)?;
        let claims =
            decode::<Claims>(token, &key, &issuer.validation(algorithm)).map_err(wrong)?.claims;
        claims.principal()
    }
}

fn fits(key: &jsonwebtoken::jwk::Jwk, algorithm: Algorithm) -> bool {
    let named = key.common.key_algorithm.map(|named| named.to_string());
    named.is_none_or(|named| named == format!("{algorithm:?}"))
}

impl Issuer {
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.url]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        validation
    }
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    kind: Option<Kind>,
    #[serde(default)]
    roles: BTreeSet<String>,
    #[serde(default)]
    groups: BTreeSet<String>,
    /// Capabilities, with spaces between them (RFC 8693 section 4.2).
    scope: Option<String>,
    /// Who acts for the subject (RFC 8693 section 4.1).
    act: Option<Actor>,
}

#[derive(Deserialize)]
struct Actor {
    sub: String,
    act: Option<Box<Self>>,
}

impl Claims {
    /// With actors, the first of them speaks, for all that follow and for the subject.
    fn principal(self) -> Result<Principal, AuthnError> {
        let mut chain = Vec::new();
        let mut next = self.act;
        while let Some(actor) = next {
            if chain.len() >= MAX_CHAIN {
                return Err(AuthnError::Token("its chain of actors is too long"));
            }
            chain.push(actor.sub);
            next = actor.act.map(|actor| *actor);
        }
        chain.push(self.sub);
        if chain
            .iter()
            .any(|id| id.is_empty() || id.len() > 256 || id.chars().any(char::is_control))
        {
            return Err(AuthnError::Token("its subject or an actor has no usable name"));
        }
        let ends_at = Timestamp::from_second(self.exp)
            .map_err(|_| AuthnError::Token("its end is no time"))?;
        let scope = self.scope.map(|scope| {
            scope.split(' ').filter_map(|word| word.parse::<CapabilityName>().ok()).collect()
        });
        let id = chain.remove(0);
        let kind = self.kind.unwrap_or(if chain.is_empty() { Kind::User } else { Kind::Agent });
        Ok(Principal::authenticated(Identity {
            id,
            kind,
            roles: self.roles,
            groups: self.groups,
            acts_for: chain,
            scope,
            ends_at: Some(ends_at),
        }))
    }
}

/// Somebody who is only supposed, to ask what they could do. No call is made in their name.
pub fn supposed(caller: &CallerConfig) -> Principal {
    of_caller(caller)
}

fn of_caller(caller: &CallerConfig) -> Principal {
    Principal::authenticated(Identity {
        id: caller.id.clone(),
        kind: caller.kind,
        roles: caller.roles.clone(),
        groups: caller.groups.clone(),
        acts_for: caller.acts_for.clone(),
        scope: None,
        ends_at: None,
    })
}

/// Bytes of a token.
const MAX_TOKEN: usize = 16 << 10;
/// Seconds that two clocks may differ by.
const LEEWAY: u64 = 30;
const MAX_CHAIN: usize = 8;

#[cfg(test)]
mod tests;
