//! What the host tells people and other machines of its own accord, and how what they answer is believed.
//!
//! It goes the way that tools' requests go: the address is resolved once and checked, and there are no redirects and
//! no proxies. A signature is an HMAC (RFC 2104) of `VERSION:SECONDS:BODY` with SHA-256, which is also how Slack
//! signs (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
mod mail;

pub use mail::{Mail, MailServer};

use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::Sha256;
use toolward_gate::PrivateRanges;

use crate::{
    Secret,
    egress::EgressSettings,
    grant::VaultError,
    host_request::{Endpoint, HostRequests, PostError},
};

/// Where messages go: one whole URL, with `https` or on this machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct NoticeUrl(Endpoint);

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
    /// `toolward-timestamp` and `toolward-signature: v1=HEX`.
    Signed(&'a Secret),
    /// RFC 6750. The answer has to be JSON that says `"ok": true`, as Slack's does.
    Bearer(&'a Secret),
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
}

/// Why a signature is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("it has no timestamp, or one that is more than five minutes away")]
    Time,
    #[error("its signature is not the one that this host computes")]
    Signature,
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

    /// Posts one message. Fails after ten seconds at the latest.
    pub async fn post(&self, notice: Notice<'_>) -> Result<(), NoticeError> {
        let Notice { to, allow_private, json, .. } = notice;
        let (fields, body) = (self.fields(&notice)?, json.as_bytes().to_vec());
        let answer = self.0.send(Method::POST, &to.0, allow_private, fields, body).await?;
        if !answer.status.is_success() {
            return Err(NoticeError::Status(answer.status.as_u16()));
        }
        match notice.proof {
            Proof::Signed(_) => Ok(()),
            Proof::Bearer(_) => is_taken(answer.status, &answer.body),
        }
    }

    fn fields(
        &self,
        notice: &Notice<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, NoticeError> {
        let mut fields = vec![(header::CONTENT_TYPE, HeaderValue::from_static(JSON))];
        match notice.proof {
            Proof::Signed(key) => {
                let seconds = self.0.clock.now().as_second().to_string();
                let signature = mac(key, OWN_VERSION, &seconds, notice.json.as_bytes());
                let signature = hex::encode(signature.finalize().into_bytes());
                fields.push((TIMESTAMP, field(&seconds)?));
                fields.push((SIGNATURE, field(&format!("{OWN_VERSION}={signature}"))?));
            }
            Proof::Bearer(token) => {
                let mut value = field(&format!("Bearer {}", token.expose()))?;
                value.set_sensitive(true);
                fields.push((header::AUTHORIZATION, value));
            }
        }
        Ok(fields)
    }
}

fn field(text: &str) -> Result<HeaderValue, NoticeError> {
    HeaderValue::from_str(text).map_err(|_| NoticeError::Unfit("a value does not fit a header"))
}

/// Slack answers 200 to what it refuses, too.
fn is_taken(status: StatusCode, body: &[u8]) -> Result<(), NoticeError> {
    #[derive(Default, Deserialize)]
    struct Said {
        ok: bool,
        #[serde(default)]
        error: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::OK && said.ok {
        return Ok(());
    }
    let word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let known = said.error.len() <= MAX_WORD && said.error.bytes().all(word);
    Err(NoticeError::Refused(if known { said.error } else { "something else".to_owned() }))
}

/// Whether `signature`, as in `v0=HEX`, was made with this key over these bytes, as they came, at a time that is
/// within five minutes of `now`.
pub fn verify(
    key: &Secret,
    (version, timestamp, signature): (&str, &str, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let at = timestamp.parse::<i64>().ok().filter(|_| digits);
    let at = at.and_then(|at| Timestamp::from_second(at).ok()).ok_or(SignatureError::Time)?;
    if at.duration_since(now).abs() > WINDOW {
        return Err(SignatureError::Time);
    }
    let hex_digits = signature.strip_prefix(version).and_then(|rest| rest.strip_prefix('='));
    let claimed = hex_digits.and_then(|digits| hex::decode(digits).ok());
    let claimed = claimed.ok_or(SignatureError::Signature)?;
    // In constant time.
    let expected = mac(key, version, timestamp, body);
    expected.verify_slice(&claimed).map_err(|_| SignatureError::Signature)
}

fn mac(key: &Secret, version: &str, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length (RFC 2104 section 3): the empty one is never asked for.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in [version.as_bytes(), b":", seconds.as_bytes(), b":", body] {
        mac.update(part);
    }
    mac
}

const OWN_VERSION: &str = "v1";
const TIMESTAMP: HeaderName = HeaderName::from_static("toolward-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("toolward-signature");
const JSON: &str = "application/json; charset=utf-8";
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
const MAX_WORD: usize = 64;

#[cfg(test)]
mod tests;
