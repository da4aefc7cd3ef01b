//! Who is speaking. The only file that makes a principal.
//!
//! ```text
//! text --read--> Unproven --issuer, key, signature--> Claims --mapping--> Identity --> Principal
//! ```
mod claims;
mod development;
mod dpop;
mod jwks;
mod keys;
mod token;

pub use development::{DevelopmentKey, DevelopmentKeyError, MAX_SECONDS, Wanted, write_private};
pub use dpop::Proof;
pub use jwks::FetchKeys;

use std::{fs, sync::Arc};

use jsonwebtoken::{Validation, decode, get_current_timestamp};
use toolward_gate::{Identity, Principal};

use self::{
    claims::Claims,
    dpop::Proofs,
    jwks::{Fetched, Source},
    keys::{Key, Keys},
    token::Unproven,
};
use crate::config::{CallerConfig, Config, Environment, IssuerConfig, KeysConfig};

/// Checks who is speaking.
pub struct Authn {
    issuers: Vec<Issuer>,
    caller: Option<CallerConfig>,
    proofs: Proofs,
    /// Whether a token that is for somebody else besides is refused.
    alone: bool,
}

impl std::fmt::Debug for Authn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authn").finish_non_exhaustive()
    }
}

struct Issuer {
    url: String,
    config: IssuerConfig,
    keys: Source,
}

/// What a caller shows of itself.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a token is not printed")]
pub struct Shown<'a> {
    pub token: &'a str,
    /// That the token is the caller's own. Absent where the token came as a plain bearer.
    pub proof: Option<Proof<'a>>,
}

impl<'a> Shown<'a> {
    /// A token that whoever has it may use (RFC 6750).
    pub fn bearer(token: &'a str) -> Self {
        Self { token, proof: None }
    }
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
    #[error(transparent)]
    Development(#[from] DevelopmentKeyError),
    #[error("the token is not one that a configured issuer signed for this host: {0}")]
    Token(&'static str),
    #[error(
        "the keys of the issuer `{issuer}` cannot be read from {place}: {cause}; it must be a JSON Web Key Set (RFC 7517 section 5)"
    )]
    Keys { issuer: String, place: String, cause: String },
}

impl Authn {
    pub fn from_config(config: &Config, fetch: &Arc<dyn FetchKeys>) -> Result<Self, AuthnError> {
        if config.environment == Environment::Production && config.caller.is_some() {
            return Err(AuthnError::CallerInProduction);
        }
        Self::new(config, fetch, development::AUDIENCE)
    }

    /// For people and their programs: by tokens for this one audience only, and by nothing else.
    ///
    /// A token that is for calls as well is one that an agent may hold: it is refused.
    pub fn for_administration(
        config: &Config,
        fetch: &Arc<dyn FetchKeys>,
        audience: &str,
    ) -> Result<Self, AuthnError> {
        let mut config = config.clone();
        config.caller = None;
        for issuer in config.issuers.values_mut() {
            issuer.audiences = vec![audience.to_owned()];
        }
        Ok(Self { alone: true, ..Self::new(&config, fetch, audience)? })
    }

    fn new(
        config: &Config,
        fetch: &Arc<dyn FetchKeys>,
        audience: &str,
    ) -> Result<Self, AuthnError> {
        let issuers = config.issuers.iter().map(|(url, issuer)| Issuer::new(url, issuer, fetch));
        let mut issuers = issuers.collect::<Result<Vec<_>, _>>()?;
        let own = DevelopmentKey::open(config)?.and_then(|key| key.issuer(audience));
        if let Some(own) = own {
            issuers.push(Issuer::new(development::ISSUER, &own, fetch)?);
        }
        Ok(Self { issuers, caller: config.caller.clone(), proofs: Proofs::default(), alone: false })
    }

    /// The principal of a token; without one, the caller that the configuration names.
    pub async fn identify(&self, shown: Option<Shown<'_>>) -> Result<Principal, AuthnError> {
        match (shown, &self.caller) {
            (Some(shown), _) => self.of_token(shown).await.map(Principal::authenticated),
            (None, Some(caller)) => Ok(of_caller(caller)),
            (None, None) => Err(AuthnError::Nobody),
        }
    }

    async fn of_token(&self, shown: Shown<'_>) -> Result<Identity, AuthnError> {
        let unproven = Unproven::read(shown.token)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.url == unproven.issuer);
        let issuer = issuer.ok_or(AuthnError::Token("its issuer is not configured"))?;
        let claims = issuer.claims(&unproven).await?;
        if self.alone && !claims.is_for_one() {
            return Err(AuthnError::Token("it is for others, too"));
        }
        let now = now();
        self.check_holder(&claims, shown, now)?;
        claims.identity(&issuer.config, now)
    }

    /// A token that is bound to a key is good with a proof of that key only, and no other is good with one
    /// (RFC 9449 section 7.1).
    fn check_holder(&self, claims: &Claims, shown: Shown<'_>, now: i64) -> Result<(), AuthnError> {
        match (&claims.cnf, shown.proof) {
            (None, None) => Ok(()),
            (Some(confirmation), Some(proof)) => {
                self.proofs.check(proof, shown.token, confirmation, now)
            }
            (Some(_), None) => {
                Err(AuthnError::Token("it is bound to a key, and came without a proof of it"))
            }
            (None, Some(_)) => Err(AuthnError::Token("it is not bound to the key of its proof")),
        }
    }
}

impl Issuer {
    fn new(
        url: &str,
        config: &IssuerConfig,
        fetch: &Arc<dyn FetchKeys>,
    ) -> Result<Self, AuthnError> {
        let failed = |place: String, cause: String| AuthnError::Keys {
            issuer: url.to_owned(),
            place,
            cause,
        };
        let parsed = |place: String, text: &str| {
            let keys = Keys::parse(text).map_err(|cause| failed(place, cause))?;
            Ok::<_, AuthnError>(Source::Fixed(Arc::new(keys)))
        };
        let keys = match &config.keys {
            KeysConfig::Url(keys) => Source::Fetched(Fetched::new(keys.clone(), fetch.clone())),
            KeysConfig::Inline(text) => parsed("the configuration".to_owned(), text)?,
            KeysConfig::File(path) => {
                let place = format!("`{}`", path.display());
                let text = fs::read_to_string(path)
                    .map_err(|error| failed(place.clone(), error.to_string()))?;
                parsed(place, &text)?
            }
        };
        Ok(Self { url: url.to_owned(), config: config.clone(), keys })
    }

    /// The claims of a token that this issuer signed for this host, and whose time is now.
    async fn claims(&self, unproven: &Unproven<'_>) -> Result<Claims, AuthnError> {
        let typ = unproven.header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        if !self.config.types.iter().any(|one| one == typ) {
            return Err(AuthnError::Token(
                "its `typ` is not one that is configured for the issuer",
            ));
        }
        let name = unproven.header.kid.as_deref();
        let keys = self.keys.keys(name).await;
        let keys = keys.ok_or(AuthnError::Token("its issuer's keys cannot be had"))?;
        let key = keys.find(name);
        let key = key.ok_or(AuthnError::Token("its key is not one of the issuer's"))?;
        let wrong = |_| AuthnError::Token("its signature, issuer, audience or time does not hold");
        let validation = self.validation(unproven, key)?;
        Ok(decode::<Claims>(unproven.text, &key.decoding, &validation).map_err(wrong)?.claims)
    }

    /// The algorithm comes from the configuration and the key; the token only says which of those.
    fn validation(&self, unproven: &Unproven<'_>, key: &Key) -> Result<Validation, AuthnError> {
        let named = unproven
            .algorithm()
            .filter(|one| self.config.algorithms.contains(one) && key.algorithms.contains(one));
        let mut validation = Validation::new(named.ok_or(AuthnError::Token(
            "its algorithm is not one that is configured for the issuer",
        ))?);
        validation.set_issuer(&[&self.url]);
        validation.set_audience(&self.config.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.unsigned_abs();
        Ok(validation)
    }
}

fn now() -> i64 {
    i64::try_from(get_current_timestamp()).unwrap_or(i64::MAX)
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

/// Seconds that two clocks may differ by.
const LEEWAY: i64 = 30;

#[cfg(test)]
mod tests;
