//! A request of the host's own, as to a token endpoint: no tool writes it, and no tool sees its answer.
//!
//! It goes the way that tools' requests go: the endpoint is pinned in the configuration, its address is resolved
//! once and checked, and there are no redirects and no proxies. Its connections are never a tool's.
use std::{str::FromStr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use toolward_gate::{Clock, Destination, PathPattern, PrivateRanges};
use zeroize::Zeroizing;

use crate::{
    address::{self, AddressFault, Machine, Own},
    egress::EgressSettings,
    grant::VaultError,
    lease::USER_AGENT,
    target::Target,
    transport::{Transport, TransportError},
};

/// Where the host itself asks: one canonical URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint {
    destination: Destination,
    path_and_query: String,
}

impl Endpoint {
    /// Whether a request to this destination could be one to this endpoint.
    pub(crate) fn is_among(&self, destination: &Destination, paths: &[PathPattern]) -> bool {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        self.destination == *destination && paths.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether it is on this machine, by an address that only this machine reaches.
    pub(crate) fn is_here(&self) -> bool {
        is_loopback(&self.destination)
    }

    /// Whether there can be something below it.
    pub(crate) fn is_plain(&self) -> bool {
        !self.path_and_query.contains('?')
    }

    /// What lies below it: `below` is what a canonical path and query go on with.
    pub(crate) fn below(&self, below: &str) -> Self {
        let path_and_query = format!("{}/{below}", self.path_and_query.trim_end_matches('/'));
        Self { destination: self.destination.clone(), path_and_query }
    }

    /// As in a `Host` header.
    pub(crate) fn authority(&self) -> String {
        self.destination.authority()
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.destination, self.path_and_query)
    }
}

/// Why a text is no endpoint. It is not repeated: people paste URLs with keys in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error(
        "an endpoint is a whole URL, as `https://login.example.com/oauth2/token`; this one is not: {0}"
    )]
    Form(&'static str),
    #[error(
        "credentials are sent over `https`; `http` is for an address of this machine, as `http://127.0.0.1:8080/token`"
    )]
    Plain,
}

impl FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let target = Target::parse(text).map_err(EndpointError::Form)?;
        let origin = target.origin.clone().ok_or(EndpointError::Form("it has no scheme"))?;
        let destination = Destination::parse(&origin).map_err(EndpointError::Form)?;
        if destination.to_string() != origin {
            return Err(EndpointError::Form("leave out the default port"));
        }
        if !destination.https && !is_loopback(&destination) {
            return Err(EndpointError::Plain);
        }
        Ok(Self { destination, path_and_query: target.path_and_query() })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;
    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

fn is_loopback(destination: &Destination) -> bool {
    destination.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A form that is posted (WHATWG URL section 5.1, `application/x-www-form-urlencoded`).
pub(crate) struct Post<'a> {
    pub(crate) to: &'a Endpoint,
    /// Where the endpoint may be although it is not globally reachable.
    pub(crate) allow_private: &'a PrivateRanges,
    /// Sensitive ones are marked.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) form: Zeroizing<String>,
}

/// What came back. It may hold anything, a credential above all.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Lower case, without parameters.
    pub(crate) media_type: String,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    #[error(
        "the endpoint's address may not be dialled; for one in a private network, name that network in `allow_private` of the credential"
    )]
    AddressDenied,
    #[error("the endpoint cannot be reached, or its answer took too long or broke off")]
    Unreachable,
    #[error("the endpoint's answer is longer than 64 KiB, or compressed")]
    Unfit,
}

/// The way out for the host itself.
pub(crate) struct HostRequests {
    pub(crate) transport: Transport,
    pub(crate) own: Arc<Own>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl HostRequests {
    pub(crate) fn new(transport: Transport, own: Arc<Own>, clock: Arc<dyn Clock>) -> Self {
        Self { transport, own, clock }
    }

    /// A way out of its own, for a host that has settled nothing else yet.
    ///
    /// Fails when the extra roots are not certificates in PEM form.
    pub(crate) fn of(settings: EgressSettings) -> Result<Self, VaultError> {
        let EgressSettings { extra_roots_pem, connect_timeout, denied, clock, .. } = settings;
        let transport = Transport::new(extra_roots_pem.as_deref(), connect_timeout)
            .map_err(VaultError::Roots)?;
        let own = Arc::new(Own { listeners: denied, network: Box::new(Machine::default()) });
        Ok(Self::new(transport, own, clock))
    }

    /// Fails after [`DEADLINE`] at the latest.
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<Answer, PostError> {
        let Post { to, allow_private, headers, form } = post;
        let mut fields = vec![(header::CONTENT_TYPE, HeaderValue::from_static(FORM))];
        fields.extend(headers);
        self.send(Method::POST, to, allow_private, fields, form.as_bytes().to_vec()).await
    }

    /// Reads what anybody may read. Fails after [`DEADLINE`] at the latest.
    pub(crate) async fn read(
        &self,
        from: &Endpoint,
        allow_private: &PrivateRanges,
    ) -> Result<Answer, PostError> {
        self.in_time(from, allow_private, bare(Method::GET, from)?).await
    }

    /// Sends what the host itself wrote. Fails after [`DEADLINE`] at the latest.
    pub(crate) async fn send(
        &self,
        method: Method,
        to: &Endpoint,
        allow_private: &PrivateRanges,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Vec<u8>,
    ) -> Result<Answer, PostError> {
        let mut request = bare(method, to)?;
        request.headers_mut().extend(headers);
        *request.body_mut() = Some(body.into());
        self.in_time(to, allow_private, request).await
    }

    /// Fails after [`DEADLINE`] at the latest.
    async fn in_time(
        &self,
        to: &Endpoint,
        allow_private: &PrivateRanges,
        request: reqwest::Request,
    ) -> Result<Answer, PostError> {
        let late = |_| PostError::Unreachable;
        let exchange = self.exchange(&to.destination, allow_private, request);
        tokio::time::timeout(DEADLINE, exchange).await.map_err(late)?
    }

    async fn exchange(
        &self,
        to: &Destination,
        allow_private: &PrivateRanges,
        request: reqwest::Request,
    ) -> Result<Answer, PostError> {
        let resolving = address::resolve(to, allow_private, &self.own);
        let addresses = resolving.await.map_err(|fault| match fault {
            AddressFault::Denied => PostError::AddressDenied,
            AddressFault::Unresolved => PostError::Unreachable,
        })?;
        let raw = self.transport.fetch(to, addresses, request, MAX_ANSWER).await;
        let raw = raw.map_err(|error| match error {
            TransportError::Unreached | TransportError::Failed => PostError::Unreachable,
            TransportError::TooLarge(_) | TransportError::Encoded => PostError::Unfit,
        })?;
        let media_type =
            raw.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
        Ok(Answer {
            status: raw.status,
            media_type: media_type.trim().to_ascii_lowercase(),
            body: Zeroizing::new(raw.body),
        })
    }
}

fn bare(method: Method, to: &Endpoint) -> Result<reqwest::Request, PostError> {
    let url = to.to_string().parse().map_err(|_| PostError::Unreachable)?;
    let mut request = reqwest::Request::new(method, url);
    let identity = (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request.headers_mut().extend([USER_AGENT, identity]);
    Ok(request)
}

/// A form from its pairs. Everything but letters and digits is escaped, which every reader understands.
pub(crate) fn form(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in pairs {
        let mark = if text.is_empty() { "" } else { "&" };
        text.extend([mark, *name, "="]);
        text.extend(escaped(value));
    }
    text
}

pub(crate) fn escaped(value: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(value, UNRESERVED)
}

/// All but the unreserved characters of RFC 3986 section 2.3.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
/// From the first byte of the resolution to the last one of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer's body.
const MAX_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_one_canonical_url_over_tls_or_on_this_machine() {
        for text in [
            "https://login.example.com/oauth2/token",
            "https://login.example.com:8443/token?policy=a",
            "http://127.0.0.1:8080/token",
            "http://[::1]:8080/",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in [
            "http://login.example.com/token",
            "http://10.0.0.1/token",
            "http://localhost:8080/token",
            "https://login.example.com",
            "https://login.example.com:443/token",
            "https://LOGIN.example.com/token",
            "https://ana:pw@login.example.com/token",
            "https://login.example.com/a/../token",
            "https://login.example.com/token#a",
            "/token",
            "login.example.com/token",
            "ftp://login.example.com/token",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("ana:pw"), "{error}");
        }
    }

    #[test]
    fn a_form_escapes_what_could_end_a_value() {
        let form = form(&[("a", "x y&z=1"), ("b", "ü~-._/+%")]);
        assert_eq!(*form, "a=x%20y%26z%3D1&b=%C3%BC~-._%2F%2B%25");
    }
}
