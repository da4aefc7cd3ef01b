//! What the host tells people and other machines of its own accord, and how what they answer is believed.
//!
//! It goes the way that tools' requests go: the address is resolved once and checked, and there are no redirects and
//! no proxies.
mod mail;
mod slack;
mod starttls;

pub use mail::{Mail, MailServer};
pub use slack::{SignatureError, verify};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use toolward_gate::PrivateRanges;

use crate::{
    Secret,
    egress::EgressSettings,
    grant::VaultError,
    host_request::{Endpoint, HostRequests, PostError},
    webhook::{self, UnfitKey},
};

/// Where messages go: one whole URL, with `https` or on this machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct NoticeUrl(Endpoint);

impl NoticeUrl {
    /// What lies below it: `below` is what a canonical path goes on with.
    #[must_use]
    pub fn below(&self, below: &str) -> Self {
        Self(self.0.below(below))
    }
}

/// One message.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub struct Notice<'a> {
    pub to: &'a NoticeUrl,
    /// Where the server may be although it is not globally reachable.
    pub allow_private: &'a PrivateRanges,
    pub json: &'a str,
    pub proof: Proof<'a>,
}

/// How the other side knows who speaks.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub enum Proof<'a> {
    /// As of Standard Webhooks. Who hears the same `id` twice has heard it once.
    Signed { key: &'a Secret, id: &'a str },
    /// RFC 6750. The answer has to be JSON that says `"ok": true`, as Slack's does.
    Bearer(&'a Secret),
}

/// Where a message stands that a server took, for those who change it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub channel: String,
    /// When it was posted, which is also its name there.
    pub ts: String,
}

/// Why a message was not taken. It repeats nothing that a server said but a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    #[error(transparent)]
    Request(#[from] PostError),
    #[error("the server answers {0}")]
    Status(u16),
    #[error("the server says `{0}`")]
    Refused(String),
    #[error("the message cannot be written: {0}")]
    Unfit(&'static str),
    #[error("the message cannot be signed: {0}")]
    Key(#[from] UnfitKey),
}

/// The way out for messages.
pub struct Notices(HostRequests);

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl Notices {
    /// Fails when the extra roots are not certificates in PEM form.
    pub fn new(settings: EgressSettings) -> Result<Self, VaultError> {
        Ok(Self(HostRequests::of(settings)?))
    }

    /// Posts one message, and answers with its place where the server names one. Fails after ten seconds at the
    /// latest.
    pub async fn post(&self, notice: Notice<'_>) -> Result<Option<Posted>, NoticeError> {
        let Notice { to, allow_private, json, .. } = notice;
        let (fields, body) = (self.fields(&notice)?, json.as_bytes().to_vec());
        let answer = self.0.send(Method::POST, &to.0, allow_private, fields, body).await?;
        if !answer.status.is_success() {
            return Err(NoticeError::Status(answer.status.as_u16()));
        }
        match notice.proof {
            Proof::Signed { .. } => Ok(None),
            Proof::Bearer(_) => is_taken(answer.status, &answer.body),
        }
    }

    fn fields(&self, notice: &Notice<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, NoticeError> {
        match notice.proof {
            Proof::Signed { key, id } => {
                Ok(webhook::signed(key, id, self.0.clock.now(), notice.json)?)
            }
            Proof::Bearer(token) => {
                let value = format!("Bearer {}", token.expose());
                let mut value = HeaderValue::from_str(&value)
                    .map_err(|_| NoticeError::Unfit("the token does not fit a header"))?;
                value.set_sensitive(true);
                let json = (header::CONTENT_TYPE, HeaderValue::from_static(JSON));
                Ok(vec![json, (header::AUTHORIZATION, value)])
            }
        }
    }
}

/// Slack answers 200 to what it refuses, too.
fn is_taken(status: StatusCode, body: &[u8]) -> Result<Option<Posted>, NoticeError> {
    #[derive(Default, Deserialize)]
    struct Said {
        ok: bool,
        #[serde(default)]
        error: String,
        #[serde(default)]
        channel: String,
        #[serde(default)]
        ts: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::OK && said.ok {
        let is_id = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
            (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(fits)
        };
        let named = is_id(&said.channel) && is_id(&said.ts);
        return Ok(named.then_some(Posted { channel: said.channel, ts: said.ts }));
    }
    let word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let known = said.error.len() <= MAX_WORD && said.error.bytes().all(word);
    Err(NoticeError::Refused(if known { said.error } else { "something else".to_owned() }))
}

const JSON: &str = "application/json; charset=utf-8";
const MAX_WORD: usize = 64;

#[cfg(test)]
mod tests;
