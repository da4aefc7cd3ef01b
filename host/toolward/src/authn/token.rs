//! What does a token say, before anything of it is believed?
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;
use toolward_gate::parse_json;

use super::AuthnError;

/// A token (RFC 7515 section 7.1) of a form that this host takes. None of it is proven: it says whose keys to
/// try.
#[derive(Debug)]
pub(super) struct Unproven<'a> {
    pub(super) text: &'a str,
    pub(super) header: Header,
    /// Who says to have issued it.
    pub(super) issuer: String,
}

/// A header with nothing but what chooses a key. A field that would bring keys, or change what is signed,
/// refuses the token (RFC 8725 sections 3.1 and 3.10).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    /// The certificate's thumbprint: some issuers write it beside `kid`. It chooses nothing.
    #[serde(rename = "x5t")]
    _x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    _x5t_s256: Option<String>,
}

impl<'a> Unproven<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, AuthnError> {
        if text.len() > MAX_TOKEN {
            return Err(AuthnError::Token("it is longer than 8 KiB"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthnError::Token("it has not three parts"));
        };
        let header = serde_json::from_value(object(header)?).map_err(|_| {
            AuthnError::Token("its header has a field that is not `alg`, `typ`, `kid` or `x5t`")
        })?;
        let issuer = match object(claims)?.get("iss") {
            Some(Value::String(issuer)) => issuer.clone(),
            _ => return Err(AuthnError::Token("it names no issuer")),
        };
        Ok(Self { text, header, issuer })
    }

    /// What its issuer signed (RFC 7515 section 5.1).
    pub(super) fn signed(&self) -> &'a str {
        self.text.rsplit_once('.').map_or(self.text, |(signed, _)| signed)
    }

    /// The algorithm it names; the key decides whether that is one.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.header.alg.parse().ok()
    }
}

/// One part: JSON in base64 without padding, in which no key stands twice.
pub(super) fn object(part: &str) -> Result<Value, AuthnError> {
    let wrong = || AuthnError::Token("a part of it is not a JSON object in base64url");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    parse_json(&text).ok().filter(Value::is_object).ok_or_else(wrong)
}

/// Bytes of a token. What is longer is not decoded.
const MAX_TOKEN: usize = 8 << 10;
