//! Who is speaking. The only file that makes a principal.
//!
//! ```text
//! text --read--> Unproven --issuer, key, signature--> Claims --mapping--> Identity --> Principal
//! ```
mod api_key;
mod certificate;
mod claims;
mod development;
mod dpop;
mod error;
mod exchange;
mod jwks;
mod keys;
mod token;

pub use api_key::{IssuedKey, KeyWanted};
pub use development::{DevelopmentKey, DevelopmentKeyError, MAX_SECONDS, Wanted, write_private};
pub use dpop::{PROOF_ALGORITHMS, Proof};
pub use error::AuthnError;
pub use exchange::{ExchangeError, ExchangeKey, Exchanged, Exchanging};
pub use jwks::FetchKeys;

use std::{fs, sync::Arc};

use jsonwebtoken::{Validation, decode, get_current_timestamp};
use rustls::{pki_types::CertificateDer, server::danger::ClientCertVerifier};
use serde_json::Value;
use toolward_gate::{ApiKeys, DenyList, Identity, Principal};

use self::{
    certificate::Certificates,
    claims::Claims,
    dpop::Proofs,
    exchange::Exchange,
    jwks::{Fetched, Source},
    keys::{Key, Keys},
    token::Unproven,
};
use crate::config::{
    AuthenticationConfig, CallerConfig, Config, Environment, IssuerConfig, KeysConfig,
};

/// Checks who is speaking.
pub struct Authn {
    issuers: Vec<Issuer>,
    caller: Option<CallerConfig>,
    proofs: Proofs,
    records: Arc<dyn Records>,
    api_keys: bool,
    certificates: Option<Certificates>,
    exchange: Option<Exchange>,
    /// Whether a token that is for somebody else besides is refused.
    alone: bool,
}

/// What is remembered of tokens and keys. What cannot be read lets nobody in.
pub trait Records: DenyList + ApiKeys {}
impl<T: DenyList + ApiKeys> Records for T {}

impl std::fmt::Debug for Authn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authn").finish_non_exhaustive()
    }
}

struct Issuer {
    url: String,
    config: IssuerConfig,
    keys: Source,
    /// Whether it signs what this host exchanged.
    own: bool,
}

/// A token that an issuer signed for this host.
struct Read {
    principal: Principal,
    /// What its holder has to show besides (RFC 7800 section 3.1).
    bound_to: Option<Value>,
}

/// What a caller shows of itself.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a token is not printed")]
pub struct Shown<'a> {
    pub token: &'a str,
    /// That the token is the caller's own. Absent where the token came as a plain bearer.
    pub proof: Option<Proof<'a>>,
    /// The client's certificates of the connection, its own first. Their handshake was checked.
    pub certificates: &'a [CertificateDer<'a>],
}

impl<'a> Shown<'a> {
    /// A token that whoever has it may use (RFC 6750).
    pub fn bearer(token: &'a str) -> Self {
        Self { token, proof: None, certificates: &[] }
    }
}

impl Authn {
    pub fn from_config(
        config: &Config,
        fetch: &Arc<dyn FetchKeys>,
        records: Arc<dyn Records>,
    ) -> Result<Self, AuthnError> {
        if config.environment == Environment::Production && config.caller.is_some() {
            return Err(AuthnError::CallerInProduction);
        }
        let mut authn = Self::new(config, fetch, records, development::AUDIENCE)?;
        if let Some(key) = ExchangeKey::open(config)? {
            let issuer = Issuer::new(exchange::ISSUER, &key.issuer()?, fetch)?;
            authn.issuers.push(Issuer { own: true, ..issuer });
            authn.exchange = Some(Exchange::new(key, config.authentication.exchange.clone()));
        }
        Ok(authn)
    }

    /// For people and their programs: by tokens for this one audience only, and by nothing else.
    ///
    /// A token that is for calls as well is one that an agent may hold: it is refused.
    pub fn for_administration(
        config: &Config,
        fetch: &Arc<dyn FetchKeys>,
        records: Arc<dyn Records>,
        audience: &str,
    ) -> Result<Self, AuthnError> {
        let mut config = config.clone();
        config.caller = None;
        config.authentication = AuthenticationConfig::default();
        for issuer in config.issuers.values_mut() {
            issuer.audiences = vec![audience.to_owned()];
        }
        Ok(Self { alone: true, ..Self::new(&config, fetch, records, audience)? })
    }

    fn new(
        config: &Config,
        fetch: &Arc<dyn FetchKeys>,
        records: Arc<dyn Records>,
        audience: &str,
    ) -> Result<Self, AuthnError> {
        let issuers = config.issuers.iter().map(|(url, issuer)| Issuer::new(url, issuer, fetch));
        let mut issuers = issuers.collect::<Result<Vec<_>, _>>()?;
        let own = DevelopmentKey::open(config)?.and_then(|key| key.issuer(audience));
        if let Some(own) = own {
            issuers.push(Issuer::new(development::ISSUER, &own, fetch)?);
        }
        Ok(Self {
            issuers,
            caller: config.caller.clone(),
            proofs: Proofs::default(),
            records,
            api_keys: config.authentication.api_keys,
            certificates: Certificates::from_config(&config.authentication)?,
            exchange: None,
            alone: false,
        })
    }

    /// A token that whoever has it may use (RFC 6750), or an API key where the configuration takes them.
    pub async fn bearer(&self, token: &str) -> Result<Principal, AuthnError> {
        self.of_shown(Shown::bearer(token)).await
    }

    /// A token that is bound to a key, with a proof of that key for this request (RFC 9449).
    pub async fn dpop(&self, token: &str, proof: Proof<'_>) -> Result<Principal, AuthnError> {
        self.of_shown(Shown { proof: Some(proof), ..Shown::bearer(token) }).await
    }

    /// A token that is bound to the client's certificate of the connection it comes over (RFC 8705 section 3).
    /// One that is bound to nothing is taken, too.
    pub async fn bearer_over(
        &self,
        token: &str,
        certificates: &[CertificateDer<'_>],
    ) -> Result<Principal, AuthnError> {
        self.of_shown(Shown { certificates, ..Shown::bearer(token) }).await
    }

    /// Whose certificate it is: the peer's chain of a TLS connection, its own first. The handshake proved the
    /// key; roots, time and name are checked here. Never for the administration: a
    /// certificate names no audience.
    pub async fn client_certificate(
        &self,
        chain: &[CertificateDer<'_>],
    ) -> Result<Principal, AuthnError> {
        let certificates = self.certificates.as_ref().ok_or(AuthnError::NoCertificates)?;
        self.undenied(certificates.principal(chain, now())?).await
    }

    /// Asks clients for a certificate in the handshake, and checks it against the configured roots; one who shows
    /// none may still show a token. Absent where the configuration has no `[authentication.certificates]`.
    pub fn client_verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.certificates.as_ref().map(Certificates::verifier)
    }

    /// Whose API key it is. Never for the administration: a key names no audience.
    pub async fn api_key(&self, key: &str) -> Result<Principal, AuthnError> {
        if !self.api_keys {
            return Err(AuthnError::NoApiKeys);
        }
        self.undenied(api_key::principal(key, self.records.as_ref(), now()).await?).await
    }

    /// The principal of what is shown; without it, the caller that the configuration names.
    pub async fn identify(&self, shown: Option<Shown<'_>>) -> Result<Principal, AuthnError> {
        match (shown, &self.caller) {
            (Some(shown), _) => self.of_shown(shown).await,
            (None, Some(caller)) => Ok(of_caller(caller)),
            (None, None) => Err(AuthnError::Nobody),
        }
    }

    async fn of_shown(&self, shown: Shown<'_>) -> Result<Principal, AuthnError> {
        if api_key::is_one(shown.token) {
            return self.api_key(shown.token).await;
        }
        self.undenied(self.of_token(shown).await?).await
    }

    /// Asks each time: what was denied a moment ago is denied now.
    async fn undenied(&self, principal: Principal) -> Result<Principal, AuthnError> {
        match self.records.denials().await?.hit(&principal) {
            None => Ok(principal),
            Some(_) => Err(AuthnError::Denied),
        }
    }

    async fn of_token(&self, shown: Shown<'_>) -> Result<Principal, AuthnError> {
        let read = self.read(shown.token).await?;
        self.check_holder(read.bound_to.as_ref(), shown, now())?;
        Ok(read.principal)
    }

    /// Whose token it is, whoever shows it: to look at it, to revoke it and to exchange it, never to let
    /// somebody in.
    async fn read(&self, token: &str) -> Result<Read, AuthnError> {
        let unproven = Unproven::read(token)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.url == unproven.issuer);
        let issuer = issuer.ok_or(AuthnError::Token("its issuer is not configured"))?;
        let mut claims = issuer.claims(&unproven).await?;
        if self.alone && !claims.is_for_one() {
            return Err(AuthnError::Token("it is for others, too"));
        }
        let bound_to = claims.cnf.take();
        let proven = claims.proven(&issuer.url, unproven.signed())?;
        let principal = if issuer.own {
            claims.of_own(proven, &issuer.config, now())?
        } else {
            Principal::proven(claims.identity(&issuer.config, now())?, vec![proven])
        };
        Ok(Read { principal, bound_to })
    }

    /// Whose token or key it is, to look at it or to revoke it. Also one that was revoked, or that is bound to a
    /// key that is not shown.
    pub async fn examine(&self, token: &str) -> Result<Principal, AuthnError> {
        if api_key::is_one(token) {
            return api_key::principal(token, self.records.as_ref(), now()).await;
        }
        Ok(self.read(token).await?.principal)
    }

    /// A token that is bound to a key is good with a proof of that key only, and no other is good with one
    /// (RFC 9449 section 7.1).
    fn check_holder(
        &self,
        bound_to: Option<&Value>,
        shown: Shown<'_>,
        now: i64,
    ) -> Result<(), AuthnError> {
        match (bound_to, shown.proof) {
            (None, None) => Ok(()),
            (Some(confirmation), Some(proof)) => {
                self.proofs.check(proof, shown.token, confirmation, now)?;
                certificate::check_bound(confirmation, shown.certificates)
            }
            (Some(confirmation), None) if certificate::is_bound_to_one_only(confirmation) => {
                certificate::check_bound(confirmation, shown.certificates)
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
            KeysConfig::Url(keys) => {
                let (url, private) = (keys.clone(), config.allow_private.clone());
                Source::Fetched(Fetched::new(url, private, fetch.clone()))
            }
            KeysConfig::Inline(text) => parsed("the configuration".to_owned(), text)?,
            KeysConfig::File(path) => {
                let place = format!("`{}`", path.display());
                let text = fs::read_to_string(path)
                    .map_err(|error| failed(place.clone(), error.to_string()))?;
                parsed(place, &text)?
            }
        };
        Ok(Self { url: url.to_owned(), config: config.clone(), keys, own: false })
    }

    /// The claims of a token that this issuer signed for this host.
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
        let wrong = |_| AuthnError::Token("its signature, issuer or audience does not hold");
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
        // Times are checked with the claims, against one reading of the clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
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
mod testing;
#[cfg(test)]
mod tests;
