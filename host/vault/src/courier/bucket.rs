//! Objects in a bucket that speaks the protocol of S3 (Amazon S3 API Reference, 2006-03-01).
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toolward_gate::{AwsSigV4, PrivateRanges, SignaturePlace};

use super::{Courier, DeliveryError, listing};
use crate::{
    SecretName, SecretStore,
    broker::AwsKeys,
    host_request::{Answer, Endpoint, escaped},
    sign::sigv4,
};

/// Where objects are put.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// The bucket itself, with its name in the host or the path.
    url: Root,
    /// What the names of all objects begin with.
    #[serde(default)]
    prefix: Prefix,
    region: String,
    /// Where it may be although it is not globally reachable.
    #[serde(default)]
    allow_private: PrivateRanges,
    /// The secret store that holds the keys.
    pub store: String,
    /// The name of the access key's identifier there.
    access_key_id: SecretName,
    /// The name of the secret key there.
    secret_access_key: SecretName,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Endpoint")]
struct Root(Endpoint);

impl TryFrom<Endpoint> for Root {
    type Error = &'static str;
    fn try_from(endpoint: Endpoint) -> Result<Self, &'static str> {
        let plain = endpoint.is_plain();
        plain.then_some(Self(endpoint)).ok_or("the `url` of a bucket has no `?` and what follows")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct Prefix(String);

impl TryFrom<String> for Prefix {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
        let fits = text.len() <= 256
            && text.bytes().all(plain)
            && !text.starts_with('/')
            && !text.contains("//");
        if fits {
            Ok(Self(text))
        } else {
            Err("`prefix` is made of letters, digits, `-`, `_` and `/`")
        }
    }
}

/// A bucket, and the keys with which objects are put there and read.
pub struct Bucket {
    config: BucketConfig,
    store: Arc<dyn SecretStore>,
    courier: Arc<Courier>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Bucket {
    pub fn new(config: BucketConfig, store: Arc<dyn SecretStore>, courier: Arc<Courier>) -> Self {
        Self { config, store, courier }
    }

    /// For an operator.
    pub fn name(&self) -> String {
        format!("the bucket `{}{}`", self.config.url.0, self.config.prefix.0)
    }

    /// Puts one JSON text under a name of letters, digits, `-` and `.`, with its checksum: a bucket whose objects
    /// are locked wants one.
    pub async fn put(&self, name: &str, json: &str) -> Result<(), DeliveryError> {
        let sum = STANDARD.encode(Sha256::digest(json.as_bytes()));
        let headers =
            [("content-type", "application/json"), ("x-amz-checksum-sha256", sum.as_str())];
        let path = format!("{}{name}", self.config.prefix.0);
        let answer = self.ask(Method::PUT, &path, &headers, json).await?;
        if answer.status.is_success() { Ok(()) } else { Err(refused(answer.status)) }
    }

    /// The names that come after this one in the order of their letters, without the prefix; at most
    /// [`MAX_PAGES`] times 100 of them, and then the first.
    pub async fn names_after(&self, after: &str) -> Result<Vec<String>, DeliveryError> {
        let (prefix, mut names) = (&self.config.prefix.0, Vec::<String>::new());
        for _ in 0..MAX_PAGES {
            let after = names.last().map_or(after, String::as_str);
            let after = format!("{prefix}{after}");
            // In the order of their names, as they are signed.
            let query = format!(
                "?list-type=2&max-keys=100&prefix={}&start-after={}",
                escaped(prefix),
                escaped(&after)
            );
            let answer = self.ask(Method::GET, &query, &[], "").await?;
            if answer.status != StatusCode::OK {
                return Err(refused(answer.status));
            }
            let page = listing::read(&answer.body)
                .ok_or(DeliveryError::Answer("it is no list of objects"))?;
            let before = names.len();
            names.extend(
                page.keys
                    .iter()
                    .filter_map(|key| key.strip_prefix(prefix.as_str()))
                    .map(str::to_owned),
            );
            if !page.goes_on || names.len() == before {
                break;
            }
        }
        Ok(names)
    }

    /// The text of one object, of 64 KiB at most.
    pub async fn read(&self, name: &str) -> Result<String, DeliveryError> {
        let answer =
            self.ask(Method::GET, &format!("{}{name}", self.config.prefix.0), &[], "").await?;
        if answer.status != StatusCode::OK {
            return Err(refused(answer.status));
        }
        String::from_utf8(answer.body.to_vec()).map_err(|_| DeliveryError::Answer("it is not text"))
    }

    async fn ask(
        &self,
        method: Method,
        below: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, DeliveryError> {
        let Self { config, store, courier } = self;
        let to = config.url.0.below(below);
        let (id, secret) = (
            store.read(&config.access_key_id).await?,
            store.read(&config.secret_access_key).await?,
        );
        let keys = AwsKeys { id: id.expose(), secret: secret.expose(), token: None };
        let region = config.region.clone();
        let scope = AwsSigV4 { service: "s3".to_owned(), region, place: SignaturePlace::Headers };
        let request = sigv4::Request {
            method: method.as_str(),
            authority: to.authority(),
            url: to.to_string(),
            headers: headers.to_vec(),
            body: body.as_bytes(),
        };
        let unfit = |_| DeliveryError::Key("a request cannot be signed with it");
        let signed =
            sigv4::inject(&scope, &keys, &request, courier.0.clock.now()).map_err(unfit)?;
        let written = headers.iter().map(|(name, value)| {
            Some((
                HeaderName::from_bytes(name.as_bytes()).ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        });
        let written = written.collect::<Option<Vec<_>>>();
        let mut fields = written.ok_or(DeliveryError::Key("a header cannot hold it"))?;
        fields.extend(signed.fields);
        let body = body.as_bytes().to_vec();
        Ok(courier.0.send(method, &to, &config.allow_private, fields, body).await?)
    }
}

fn refused(status: StatusCode) -> DeliveryError {
    DeliveryError::Status(status.as_u16())
}

/// Of 100 names each.
const MAX_PAGES: usize = 1000;
