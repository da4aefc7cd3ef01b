//! An access token for the host itself, by the OAuth 2.0 client credentials grant (RFC 6749 section 4.4).
mod answer;

use std::{iter, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use toolward_gate::PrivateRanges;
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
#[serde(deny_unknown_fields)]
pub struct OAuth2Config {
    /// The only place that the client's secret is sent to.
    token_endpoint: Endpoint,
    /// Where a token is revoked when a switch withdraws it (RFC 7009); the client shows the same secret there.
    revocation_endpoint: Option<Endpoint>,
    /// Where the endpoints may be although they are not globally reachable.
    #[serde(default)]
    allow_private: PrivateRanges,
    client_id: Visible,
    /// The secret store that holds the client's secret.
    pub(super) store: String,
    /// The name of the client's secret there.
    client_secret: SecretName,
    #[serde(default)]
    authentication: Authentication,
    /// What is asked for (RFC 6749 section 3.3); what is granted may be less, and not more.
    #[serde(default)]
    scope: Vec<ScopeToken>,
    /// For servers that take one beside `resource`.
    audience: Option<Visible>,
    /// Whom the token is for (RFC 8707 section 2).
    #[serde(default)]
    resource: Vec<Resource>,
}

/// How the client proves who it is (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Authentication {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
}

impl OAuth2Config {
    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        let config = Arc::new(self.clone());
        Arc::new(OAuth2 { config, store, cache: Cache::default() })
    }

    /// Where the client's secret goes.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        iter::once(&self.token_endpoint).chain(&self.revocation_endpoint)
    }

    pub(super) fn origin(&self) -> String {
        let scope = self.scope.iter().map(|one| one.0.as_str()).collect::<Vec<_>>().join(" ");
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
        let secret = Ingredient::of(&self.store.read(&self.config.client_secret).await?);
        let request = Request { config: self.config.clone(), secret };
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
    secret: Ingredient,
}

impl Recipe for Request {
    fn ask(self, house: Arc<House>) -> BoxFuture<'static, Result<Fresh, AskError>> {
        async move {
            let answer = house.requests.post(self.post()?).await?;
            answer::read(&answer, &self.asked())
        }
        .boxed()
    }

    /// The client's secret, and how it goes out: escaped. What holds it in Base64 is a form of it, and the
    /// client's identifier before it is none of its business.
    fn shown(&self) -> Vec<Zeroizing<String>> {
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
            let values = value.values();
            let token = values.first().ok_or(AskError::Request("there is no token"))?;
            let pairs = vec![("token", token.as_str()), ("token_type_hint", "access_token")];
            answer::revoked(&house.requests.post(self.shown_to(to, pairs)?).await?)
        }
        .boxed()
    }
}

impl Request {
    fn post(&self) -> Result<Post<'_>, AskError> {
        let config = &*self.config;
        let scope = self.asked().join(" ");
        let mut pairs = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        pairs.extend(config.audience.iter().map(|audience| ("audience", audience.0.as_str())));
        pairs.extend(config.resource.iter().map(|resource| ("resource", resource.0.as_str())));
        self.shown_to(&config.token_endpoint, pairs)
    }

    /// A form in which the client proves who it is.
    fn shown_to<'a>(
        &'a self,
        to: &'a Endpoint,
        pairs: Vec<(&str, &str)>,
    ) -> Result<Post<'a>, AskError> {
        let mut pairs = pairs;
        let config = &*self.config;
        let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
        match config.authentication {
            Authentication::ClientSecretBasic => headers.push(self.authorization()?),
            Authentication::ClientSecretPost => pairs.extend([
                ("client_id", config.client_id.0.as_str()),
                ("client_secret", self.secret.expose()),
            ]),
        }
        let form = form(&pairs);
        Ok(Post { to, allow_private: &config.allow_private, headers, form })
    }

    fn asked(&self) -> Vec<&str> {
        self.config.scope.iter().map(|one| one.0.as_str()).collect()
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
