//! Requests under a capability.
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Capability, ToolError,
    bindings::toolward::tool::http::{self as wire, HttpError},
};

/// A request that is being written. Nothing leaves before [`Request::send`].
#[derive(Debug)]
pub struct Request<'a> {
    under: &'a Capability,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(under: &'a Capability, method: &str, path: &str) -> Self {
        Self {
            under,
            method: method.to_owned(),
            target: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Adds a query parameter, encoded.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{mark}{}={}", self.target, segment(&key), segment(&value));
        self
    }

    /// Adds a header field. The host sends only those of its list, and never one that carries a credential.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends a value as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, ToolError> {
        self.body = Some(serde_json::to_vec(value)?);
        Ok(self.header("content-type", "application/json"))
    }

    /// Sends fields as an HTML form does.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("{}={}", segment(key), segment(value)))
            .collect();
        self.body = Some(pairs.join("&").into_bytes());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sends bytes. Set `content-type` with [`Request::header`].
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends the request and waits for the whole response.
    pub fn send(self) -> Result<Response, ToolError> {
        let headers =
            self.headers.into_iter().map(|(name, value)| wire::Header { name, value }).collect();
        let request =
            wire::Request { method: self.method, target: self.target, headers, body: self.body };
        let response = wire::send(&request, &self.under.0).map_err(refused)?;
        let headers =
            response.headers.into_iter().map(|header| (header.name, header.value)).collect();
        Ok(Response { status: response.status, headers, body: response.body })
    }
}

/// A response that the host has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The fields that a tool may see, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Fails when the status is not one of success. The code is `status-` and the number, as in `status-404`.
    pub fn error_for_status(self) -> Result<Self, ToolError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let (code, message) =
            (format!("status-{}", self.status), format!("the server answered {}", self.status));
        Err(ToolError::new(code, message))
    }

    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ToolError::new(
                "unexpected-answer",
                format!("the server's answer cannot be read: {error}"),
            )
        })
    }

    /// Reads the body as text.
    pub fn text(self) -> Result<String, ToolError> {
        String::from_utf8(self.body)
            .map_err(|_| ToolError::new("unexpected-answer", "the server's answer is not UTF-8"))
    }
}

fn refused(error: HttpError) -> ToolError {
    match error {
        HttpError::Refused(why) => ToolError::new("refused", why),
        HttpError::NotAllowed(why) => ToolError::new("not-allowed", why),
        HttpError::AddressDenied => ToolError::new(
            "address-denied",
            "the server's address may not be dialled; the operator opens private networks with `allow_private`",
        ),
        HttpError::ConnectionFailed => ToolError::new(
            "connection-failed",
            "there is no connection to the server, or it broke off",
        ),
        HttpError::ResponseRefused(why) => ToolError::new("response-refused", why),
        HttpError::ResponseTooLarge(limit) => ToolError::new(
            "response-too-large",
            format!(
                "the server's answer is longer than {limit} bytes; ask for less, or the operator raises `max_bytes`"
            ),
        ),
        HttpError::Withheld => {
            ToolError::new("withheld", "the server's answer held a credential and was kept back")
        }
        HttpError::CredentialUnavailable => ToolError::new(
            "credential-unavailable",
            "the credential for this request cannot be had",
        ),
    }
}

/// One segment of a path or part of a query, percent-encoded (RFC 3986 section 2.1).
pub fn segment(part: &impl std::fmt::Display) -> String {
    let mut encoded = String::new();
    for byte in part.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A path with its parts percent-encoded: `path!("/repos/{}/{}/issues", owner, repo)`.
#[macro_export]
macro_rules! path {
    ($format:literal $(, $part:expr)* $(,)?) => { ::std::format!($format $(, $crate::http::segment(&$part))*) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parts_of_a_path_cannot_add_segments() {
        assert_eq!(path!("/repos/{}/{}/issues", "a/../b", 7), "/repos/a%2F..%2Fb/7/issues");
        assert_eq!(path!("/search/{}", "straße?x#y"), "/search/stra%C3%9Fe%3Fx%23y");
    }
}
