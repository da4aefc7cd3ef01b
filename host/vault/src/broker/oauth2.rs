//! An access token for the host itself, by the OAuth 2.0 client credentials grant (RFC 6749 section 4.4).
mod answer;
mod assertion;

use std::{collections::BTreeSet, iter, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use toolward_gate::{CredentialName, PrivateRanges};
use zeroize::Zeroizing;

use super::{
    AskError, Broker, Credential, House, MintError, Minted, Purpose, Revocation, Serial,
    cache::{Cache, Fresh, Recipe},
    ingredient::Ingredient,
};
use crate::{
    SecretName, SecretStore,
    host_request::{Endpoint, Post, escaped, form},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Written")]
pub struct OAuth2Config {
    token_endpoint: Endpoint,
    revocation_endpoint: Option<Endpoint>,
    allow_private: PrivateRanges,
    client_id: Visible,
    pub(super) store: String,
    proof: Proof,
    scope: Vec<ScopeToken>,
    audience: Option<Visible>,
    resource: Vec<Resource>,
}

/// By what the client proves who it is: the name of a secret, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Proof {
    Basic(SecretName),
    Post(SecretName),
    Signed { key: SecretName, key_id: Option<Visible> },
}

/// As it stands in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The only place that the client's secret is sent to.
    token_endpoint: Endpoint,
    /// Where a token is revoked when a switch withdraws it (RFC 7009); the client proves there who it is as it does for
    /// a token.
    revocation_endpoint: Option<Endpoint>,
    /// Where the endpoints may be although they are not globally reachable.
    #[serde(default)]
    allow_private: PrivateRanges,
    client_id: Visible,
    /// The secret store that holds the client's secret.
    store: String,
    /// The name of the client's secret there.
    client_secret: Option<SecretName>,
    /// The name of its private key there, and what the server calls that one.
    client_key: Option<SecretName>,
    key_id: Option<Visible>,
    #[serde(default)]
    authentication: Authentication,
    /// What is asked for (RFC 6749 section 3.3); what is granted may be less, and not more. A capability may ask for a
    /// part of it.
    #[serde(default)]
    scope: Vec<ScopeToken>,
    /// For servers that take one beside `resource`.
    audience: Option<Visible>,
    /// Whom the token is for (RFC 8707 section 2).
    #[serde(default)]
    resource: Vec<Resource>,
}

/// How the client proves who it is (RFC 6749 section 2.3.1, RFC 7523 section 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Authentication {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

impl TryFrom<Written> for OAuth2Config {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { client_secret, client_key, key_id, .. } = written;
        let proof = match (written.authentication, client_secret, client_key, key_id) {
            (Authentication::ClientSecretBasic, Some(secret), None, None) => Proof::Basic(secret),
            (Authentication::ClientSecretPost, Some(secret), None, None) => Proof::Post(secret),
            (Authentication::PrivateKeyJwt, None, Some(key), key_id) => {
                Proof::Signed { key, key_id }
            }
            (Authentication::PrivateKeyJwt, ..) => return Err(NO_KEY),
            (Authentication::ClientSecretBasic | Authentication::ClientSecretPost, ..) => {
                return Err(NO_SECRET);
            }
        };
        Ok(Self {
            token_endpoint: written.token_endpoint,
            revocation_endpoint: written.revocation_endpoint,
            allow_private: written.allow_private,
            client_id: written.client_id,
            store: written.store,
            proof,
            scope: written.scope,
            audience: written.audience,
            resource: written.resource,
        })
    }
}

const NO_KEY: &str = "`private-key-jwt` signs with a key: name it in `client_key`, with the server's `key_id` for it if there is one, and take `client_secret` out";
const NO_SECRET: &str = "the client shows a secret: name it in `client_secret` and take `client_key` and `key_id` out, or write `authentication = \"private-key-jwt\"` and name a key";

impl OAuth2Config {
    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        let config = Arc::new(self.clone());
        Arc::new(OAuth2 { config, store, cache: Cache::default() })
    }

    /// Where the client's secret goes.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        iter::once(&self.token_endpoint).chain(&self.revocation_endpoint)
    }

    /// What is asked for at most.
    pub(super) fn scope(&self) -> impl Iterator<Item = &str> {
        self.scope.iter().map(|one| one.0.as_str())
    }

    fn secret(&self) -> &SecretName {
        match &self.proof {
            Proof::Basic(secret) | Proof::Post(secret) | Proof::Signed { key: secret, .. } => {
                secret
            }
        }
    }

    pub(super) fn origin(&self) -> String {
        let scope = self.scope().collect::<Vec<_>>().join(" ");
        let scope =
            if scope.is_empty() { String::new() } else { format!(" with the scope `{scope}`") };
        format!("{} for the client `{}`{scope}", self.token_endpoint, self.client_id.0)
    }
}

struct OAuth2 {
    config: Arc<OAuth2Config>,
    store: Arc<dyn SecretStore>,
    cache: Cache<Request>,
}

#[async_trait]
impl Broker for OAuth2 {
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        let secret = Ingredient::of(&self.store.read(self.config.secret()).await?);
        let (config, credential) = (self.config.clone(), purpose.credential.clone());
        let asked = &purpose.scope.oauth_scope;
        let scope = if asked.is_empty() {
            config.scope().map(str::to_owned).collect()
        } else {
            asked.clone()
        };
        let request = Request { config, credential, secret, scope };
        Ok(self.cache.fetch(request, purpose).await?)
    }

    fn answered(&self, serial: Serial, status: StatusCode) {
        if status == StatusCode::UNAUTHORIZED {
            self.cache.refused(serial);
        }
    }

    fn forget(&self) {
        self.cache.clear();
    }

    fn withdraw(&self, provider: Option<&str>, house: &Arc<House>) -> Vec<Revocation> {
        self.cache.withdraw(provider, house)
    }
}

/// A request for a token: all that it is made from.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Request {
    config: Arc<OAuth2Config>,
    credential: CredentialName,
    secret: Ingredient,
    /// Of the capability, or all of the credential's.
    scope: BTreeSet<String>,
}

impl Recipe for Request {
    fn ask(self, house: Arc<House>) -> BoxFuture<'static, Result<Fresh, AskError>> {
        async move {
            let signed = self.signed(&house)?;
            // Nothing else tells it apart from a secret: who has it is the client, for a minute.
            let _known = house.know(&self.credential, signed.as_slice());
            let answer = house.requests.post(self.post(signed.as_ref())?).await?;
            answer::read(&answer, &self.asked())
        }
        .boxed()
    }

    /// The client's secret, and how it goes out: escaped. What holds it in Base64 is a form of it, and the
    /// client's identifier before it is none of its business. A key does not go out.
    fn shown(&self) -> Vec<Zeroizing<String>> {
        if matches!(self.config.proof, Proof::Signed { .. }) {
            return Vec::new();
        }
        let secret = Zeroizing::new(self.secret.expose().to_owned());
        let escaped = Zeroizing::new(escaped(&secret).to_string());
        if escaped == secret { vec![secret] } else { vec![secret, escaped] }
    }

    fn is_revocable(&self) -> bool {
        self.config.revocation_endpoint.is_some()
    }

    fn revoke(self, value: Credential, house: Arc<House>) -> Revocation {
        async move {
            let none = AskError::Request("there is no `revocation_endpoint`");
            let to = self.config.revocation_endpoint.as_ref().ok_or(none)?;
            let signed = self.signed(&house)?;
            let _known = house.know(&self.credential, signed.as_slice());
            let values = value.values();
            let token = values.first().ok_or(AskError::Request("there is no token"))?;
            let pairs = vec![("token", token.as_str()), ("token_type_hint", "access_token")];
            answer::revoked(&house.requests.post(self.shown_to(to, pairs, signed.as_ref())?).await?)
        }
        .boxed()
    }
}

impl Request {
    /// What the client signs, where it does.
    fn signed(&self, house: &House) -> Result<Option<Zeroizing<String>>, AskError> {
        let Proof::Signed { key_id, .. } = &self.config.proof else { return Ok(None) };
        let (key, key_id) = (self.secret.expose(), key_id.as_ref().map(|id| id.0.as_str()));
        let (client, endpoint) = (&self.config.client_id.0, self.config.token_endpoint.to_string());
        assertion::signed(key, key_id, client, &endpoint, house.requests.clock.now()).map(Some)
    }

    fn post(&self, signed: Option<&Zeroizing<String>>) -> Result<Post<'_>, AskError> {
        let config = &*self.config;
        let scope = self.asked().join(" ");
        let mut pairs = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        pairs.extend(config.audience.iter().map(|audience| ("audience", audience.0.as_str())));
        pairs.extend(config.resource.iter().map(|resource| ("resource", resource.0.as_str())));
        self.shown_to(&config.token_endpoint, pairs, signed)
    }

    /// A form in which the client proves who it is.
    fn shown_to<'a>(
        &'a self,
        to: &'a Endpoint,
        pairs: Vec<(&str, &str)>,
        signed: Option<&Zeroizing<String>>,
    ) -> Result<Post<'a>, AskError> {
        let mut pairs = pairs;
        let config = &*self.config;
        let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
        let client = ("client_id", config.client_id.0.as_str());
        match &config.proof {
            Proof::Basic(_) => headers.push(self.authorization()?),
            Proof::Post(_) => pairs.extend([client, ("client_secret", self.secret.expose())]),
            Proof::Signed { .. } => {
                pairs.extend([client, ("client_assertion_type", assertion::TYPE)]);
                pairs.extend(signed.map(|signed| ("client_assertion", signed.as_str())));
            }
        }
        let form = form(&pairs);
        Ok(Post { to, allow_private: &config.allow_private, headers, form })
    }

    fn asked(&self) -> Vec<&str> {
        self.scope.iter().map(String::as_str).collect()
    }

    fn authorization(&self) -> Result<(HeaderName, HeaderValue), AskError> {
        let text = Zeroizing::new(format!("Basic {}", *self.basic()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| AskError::Request("the client's secret does not fit a header"))?;
        value.set_sensitive(true);
        Ok((header::AUTHORIZATION, value))
    }

    /// Identifier and secret are escaped before they are joined (RFC 6749 section 2.3.1).
    fn basic(&self) -> Zeroizing<String> {
        let (id, secret) = (escaped(&self.config.client_id.0), escaped(self.secret.expose()));
        Zeroizing::new(STANDARD.encode(Zeroizing::new(format!("{id}:{secret}"))))
    }
}

/// A part of a scope (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct ScopeToken(String);

impl TryFrom<String> for ScopeToken {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if !text.is_empty() && text.bytes().all(fits) {
            Ok(Self(text))
        } else {
            Err("`scope` is a list of words without spaces, as `[\"read\", \"write\"]`")
        }
    }
}

/// Text that names something to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct Visible(String);

impl TryFrom<String> for Visible {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let fits =
            (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text))
        } else {
            Err("`client_id` and `audience` are 1 to 512 visible ASCII characters")
        }
    }
}

/// An absolute URI without a fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct Resource(String);

impl TryFrom<String> for Resource {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(named)
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if fits { Ok(Self(text)) } else { Err("`resource` is a list of absolute URIs without `#`") }
    }
}

#[cfg(test)]
mod tests;
