//! Keys for one role and one session, by AWS STS AssumeRole. The session can do what the capability says, and no
//! more than its role.
mod answer;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use toolward_gate::{AwsSigV4, Digest, PrivateRanges, SessionPolicy, SignaturePlace};
use zeroize::Zeroizing;

use super::{
    AskError, AwsKeys, Broker, House, MintError, Minted, Purpose, Serial,
    cache::{Cache, Fresh, Recipe},
    ingredient::Ingredient,
};
use crate::{
    SecretName, SecretStore,
    host_request::{Endpoint, FORM, HostRequests, Post, form},
    sign::sigv4,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsStsConfig {
    /// The secret store that holds the keys of the host itself.
    pub(super) store: String,
    /// The name of the access key's identifier there.
    access_key_id: SecretName,
    /// The name of the secret key there.
    secret_access_key: SecretName,
    role_arn: RoleArn,
    region: Region,
    /// What the role's owner wants to be told.
    external_id: Option<ExternalId>,
    /// The region's own, where absent.
    endpoint: Option<Endpoint>,
    /// Where the endpoint may be although it is not globally reachable.
    #[serde(default)]
    allow_private: PrivateRanges,
}

impl AwsStsConfig {
    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        let config = Arc::new(self.clone());
        Arc::new(AwsSts { config, store, cache: Cache::default() })
    }

    pub(super) fn origin(&self) -> String {
        format!("the role `{}` in `{}`", self.role_arn.0, self.region.0)
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, AskError> {
        let ending =
            if self.region.0.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let regional = || format!("https://sts.{}.{ending}/", self.region.0).parse();
        let unfit = |_| AskError::Request("the region has no endpoint; write `endpoint`");
        self.endpoint.clone().map_or_else(regional, Ok).map_err(unfit)
    }
}

struct AwsSts {
    config: Arc<AwsStsConfig>,
    store: Arc<dyn SecretStore>,
    cache: Cache<Request>,
}

#[async_trait]
impl Broker for AwsSts {
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        let config = self.config.clone();
        let policy = purpose.scope.session_policy.as_ref().map(SessionPolicy::document);
        let policy = policy.ok_or(AskError::Request(
            "the capability has no `session_policy`; say there what a session may do",
        ))?;
        let access_key_id = Ingredient::of(&self.store.read(&config.access_key_id).await?);
        let secret_access_key = Ingredient::of(&self.store.read(&config.secret_access_key).await?);
        let session_name = session_name(purpose.principal);
        let request = Request { config, access_key_id, secret_access_key, policy, session_name };
        Ok(self.cache.fetch(request, purpose).await?)
    }

    fn answered(&self, serial: Serial, status: StatusCode) {
        // Keys that are over are refused with 403.
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.cache.refused(serial);
        }
    }

    fn forget(&self) {
        self.cache.clear();
    }
}

/// A request for a session: all that it is made from.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Request {
    config: Arc<AwsStsConfig>,
    access_key_id: Ingredient,
    secret_access_key: Ingredient,
    policy: String,
    session_name: String,
}

impl Recipe for Request {
    fn ask(self, house: Arc<House>) -> BoxFuture<'static, Result<Fresh, AskError>> {
        async move {
            let endpoint = self.config.endpoint()?;
            let post = self.post(&endpoint, &house.requests)?;
            let answer = house.requests.post(post).await?;
            answer::read(&answer, house.requests.clock.now())
        }
        .boxed()
    }

    /// The secret key signs and does not leave. It is known all the same, as is everything that the host holds.
    fn shown(&self) -> Vec<Zeroizing<String>> {
        vec![Zeroizing::new(self.secret_access_key.expose().to_owned())]
    }
}

impl Request {
    fn post<'a>(&'a self, to: &'a Endpoint, requests: &HostRequests) -> Result<Post<'a>, AskError> {
        let config = &*self.config;
        let mut pairs = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", config.role_arn.0.as_str()),
            ("RoleSessionName", &self.session_name),
            ("DurationSeconds", DURATION_SECONDS),
            ("Policy", &self.policy),
        ];
        pairs.extend(config.external_id.iter().map(|id| ("ExternalId", id.0.as_str())));
        let form = form(&pairs);
        let mut headers = vec![(header::ACCEPT, HeaderValue::from_static("text/xml"))];
        headers.extend(self.signature(to, &form, requests)?);
        Ok(Post { to, allow_private: &config.allow_private, headers, form })
    }

    fn signature(
        &self,
        to: &Endpoint,
        form: &str,
        requests: &HostRequests,
    ) -> Result<Vec<(http::HeaderName, HeaderValue)>, AskError> {
        let region = self.config.region.0.clone();
        let scope = AwsSigV4 { service: "sts".to_owned(), region, place: SignaturePlace::Headers };
        let (id, secret) = (self.access_key_id.expose(), self.secret_access_key.expose());
        let request = sigv4::Request {
            method: "POST",
            authority: to.authority(),
            url: to.to_string(),
            headers: vec![("content-type", FORM)],
            body: form.as_bytes(),
        };
        let keys = AwsKeys { id, secret, token: None };
        let signed = sigv4::inject(&scope, &keys, &request, requests.clock.now());
        let unfit = |_| AskError::Request("it cannot be signed with these keys");
        Ok(signed.map_err(unfit)?.fields)
    }
}

/// What the session is called in the trail of the account: the caller, as far as its letters go there, and a
/// digest where they do not (AWS STS API, `RoleSessionName`).
fn session_name(principal: &str) -> String {
    if (2..=64).contains(&principal.len()) && principal.bytes().all(is_plain) {
        return principal.to_owned();
    }
    let digest = Digest::of(principal.as_bytes()).to_string();
    let digest: String = digest.trim_start_matches("sha256:").chars().take(16).collect();
    let plain = principal.bytes().map(|byte| if is_plain(byte) { char::from(byte) } else { '-' });
    let plain: String = plain.take(40).collect();
    format!("{plain}-{digest}")
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte)
}

/// `arn:partition:iam::account:role/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct RoleArn(String);

impl TryFrom<String> for RoleArn {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let fits = match parts.as_slice() {
            ["arn", partition, "iam", "", account, role] => {
                partition.starts_with("aws")
                    && partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && role.strip_prefix("role/").is_some_and(|name| {
                        !name.is_empty()
                            && name.bytes().all(|byte| is_plain(byte) || b"+/".contains(&byte))
                    })
            }
            _ => false,
        };
        if fits {
            Ok(Self(text))
        } else {
            Err("`role_arn` is written as `arn:aws:iam::123456789012:role/name`")
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct Region(String);

impl TryFrom<String> for Region {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (3..=32).contains(&text.len()) && text.bytes().all(named);
        if fits { Ok(Self(text)) } else { Err("`region` is written as `eu-central-1`") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
struct ExternalId(String);

impl TryFrom<String> for ExternalId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let fits = (2..=1224).contains(&text.len())
            && text.bytes().all(|byte| is_plain(byte) || b"+:/".contains(&byte));
        if fits {
            Ok(Self(text))
        } else {
            Err("`external_id` is 2 to 1,224 letters, digits or `_+=,.@:/-`")
        }
    }
}

/// The shortest that there is, and as long as a minted value lives here.
const DURATION_SECONDS: &str = "900";

#[cfg(test)]
mod tests;
