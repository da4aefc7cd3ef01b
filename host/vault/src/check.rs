//! A request that the terms allow. Nothing else makes a [`Checked`].
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use toolward_gate::{CapabilityName, Destination, EgressTerms, HttpScope, Slot};

use crate::{
    address::{self, AddressFault, Own},
    egress::EgressError,
    target::{self, Target},
};

/// What a tool asks to be sent.
#[derive(Clone, Debug)]
pub struct Outbound {
    pub capability: CapabilityName,
    /// Upper case.
    pub method: String,
    /// A canonical path and query, or a full URL where the capability has several destinations.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// How much less than the capability the handle allows.
    pub narrowing: Narrowing,
}

/// What a narrowed handle still allows. Absent: nothing was narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    pub methods: Option<BTreeSet<String>>,
    /// Compared with the canonical path.
    pub path_prefix: Option<String>,
    /// Of each request body, and of each response.
    pub max_bytes: Option<usize>,
}

/// A request on its terms, with the addresses that it may be sent to.
#[derive(Debug)]
pub struct Checked {
    pub(crate) capability: CapabilityName,
    pub(crate) scope: Arc<HttpScope>,
    pub(crate) method: http::Method,
    pub(crate) destination: Destination,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) target: Target,
    /// The pattern that the path fits: for the audit, which holds no paths.
    pub(crate) template: String,
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Checked {
    pub(crate) async fn check(
        outbound: Outbound,
        terms: &EgressTerms,
        own: &Own,
    ) -> Result<Self, EgressError> {
        let scope = terms.http.get(&outbound.capability).ok_or_else(|| {
            EgressError::NotAllowed(format!(
                "`{}` does not open `http` for this call",
                outbound.capability
            ))
        })?;
        let method = method(&outbound, scope)?;
        let target = Target::parse(&outbound.target).map_err(not_allowed)?;
        let destination = destination(&target, scope)?.clone();
        let template = template(&target, &outbound, scope)?;
        keys(&target, scope)?;
        signable(&target, scope)?;
        let headers = headers(&outbound.headers, scope)?;
        let body = outbound.body.unwrap_or_default();
        let scope = shortened(scope, outbound.narrowing.max_bytes);
        if body.len() > scope.max_request_bytes {
            return Err(EgressError::NotAllowed(format!(
                "the body is longer than {} bytes; send less, or the operator raises `max_request_bytes` of the capability",
                scope.max_request_bytes
            )));
        }
        let addresses =
            address::resolve(&destination, &scope.allow_private, own).await.map_err(|fault| {
                match fault {
                    AddressFault::Denied => EgressError::AddressDenied,
                    AddressFault::Unresolved => EgressError::ConnectionFailed,
                }
            })?;
        Ok(Self {
            capability: outbound.capability,
            scope,
            method,
            destination,
            addresses,
            target,
            template,
            headers,
            body,
        })
    }
}

impl Checked {
    /// Everything of the request that the guest wrote.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let fields = self.headers.iter();
        let target = [Some(self.target.path.as_str()), self.target.query.as_deref()];
        target
            .into_iter()
            .flatten()
            .map(str::as_bytes)
            .chain(fields.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]))
            .chain([self.body.as_slice()])
    }
}

/// The scope with bodies of at most `max_bytes`; never of more than it allows.
fn shortened(scope: &Arc<HttpScope>, max_bytes: Option<usize>) -> Arc<HttpScope> {
    let Some(most) = max_bytes else { return scope.clone() };
    let mut shorter = HttpScope::clone(scope);
    shorter.max_request_bytes = shorter.max_request_bytes.min(most);
    shorter.response.max_bytes = shorter.response.max_bytes.min(most);
    Arc::new(shorter)
}

fn not_allowed(why: impl Into<String>) -> EgressError {
    EgressError::NotAllowed(why.into())
}

fn method(outbound: &Outbound, scope: &HttpScope) -> Result<http::Method, EgressError> {
    let narrowed = outbound.narrowing.methods.as_ref();
    let allowed = scope.methods.contains(&outbound.method)
        && narrowed.is_none_or(|methods| methods.contains(&outbound.method));
    let methods = || {
        let of =
            |methods: &BTreeSet<String>| methods.iter().cloned().collect::<Vec<_>>().join("`, `");
        of(narrowed.unwrap_or(&scope.methods))
    };
    if !allowed {
        return Err(not_allowed(format!("the method is not one of `{}`", methods())));
    }
    outbound.method.parse().map_err(|_| not_allowed("the method is not one of HTTP"))
}

fn destination<'a>(target: &Target, scope: &'a HttpScope) -> Result<&'a Destination, EgressError> {
    match (&target.origin, scope.destinations.as_slice()) {
        (None, [only]) => Ok(only),
        (Some(_), [_]) => Err(not_allowed(
            "write a path only: the capability has one destination, which the host supplies",
        )),
        (None, _) => Err(not_allowed("write a full URL: the capability has several destinations")),
        (Some(origin), several) => target::destination(origin, several).ok_or_else(|| {
            not_allowed("the URL's scheme, host and port are not a destination of the capability")
        }),
    }
}

fn template(
    target: &Target,
    outbound: &Outbound,
    scope: &HttpScope,
) -> Result<String, EgressError> {
    if outbound
        .narrowing
        .path_prefix
        .as_ref()
        .is_some_and(|prefix| !target.path.starts_with(prefix))
    {
        return Err(not_allowed(
            "the path is outside of what the handle was narrowed to; use the handle that it was made from",
        ));
    }
    let pattern = scope.paths.iter().find(|pattern| pattern.matches(&target.path));
    pattern.map(ToString::to_string).ok_or_else(|| {
        let all: Vec<&str> = scope.paths.iter().map(toolward_gate::PathPattern::as_str).collect();
        not_allowed(format!("the path fits none of `{}`", all.join("`, `")))
    })
}

fn keys(target: &Target, scope: &HttpScope) -> Result<(), EgressError> {
    for key in target.keys() {
        if scope.slot.as_ref().is_some_and(|slot| slot.writes_query_key(&key)) {
            return Err(not_allowed(
                "the query has the key that the host puts the credential into; leave it out",
            ));
        }
        if scope.query.as_ref().is_some_and(|allowed| !allowed.contains(&key)) {
            let allowed: Vec<&str> = scope.query.iter().flatten().map(String::as_str).collect();
            return Err(not_allowed(format!(
                "a key of the query is not one of `{}`",
                allowed.join("`, `")
            )));
        }
    }
    Ok(())
}

/// What is signed for AWS is what AWS makes of the target: it decodes it and escapes it anew. Where that could
/// give other bytes, the server would refuse the signature.
fn signable(target: &Target, scope: &HttpScope) -> Result<(), EgressError> {
    if !matches!(scope.slot, Some(Slot::AwsSigV4(_))) || can_be_signed_for_aws(target) {
        return Ok(());
    }
    Err(not_allowed(
        "the request is signed for AWS: escape all but letters, digits and `-._~` in path and query, as UTF-8",
    ))
}

pub(crate) fn can_be_signed_for_aws(target: &Target) -> bool {
    let plain = |text: &str, marks: &[u8]| {
        let one = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        text.bytes().all(|byte| one(byte) || marks.contains(&byte))
            && percent_encoding::percent_decode_str(text).decode_utf8().is_ok()
    };
    plain(&target.path, b"/") && plain(target.query.as_deref().unwrap_or_default(), b"=&")
}

type Header = (http::HeaderName, http::HeaderValue);

fn headers(written: &[(String, String)], scope: &HttpScope) -> Result<Vec<Header>, EgressError> {
    if written.len() > MAX_HEADERS {
        return Err(not_allowed(format!(
            "there are more than {MAX_HEADERS} header fields; send fewer"
        )));
    }
    written.iter().map(|(name, value)| header(name, value, scope)).collect()
}

fn header(name: &str, value: &str, scope: &HttpScope) -> Result<Header, EgressError> {
    let name = name.to_ascii_lowercase();
    let slot = scope.slot.as_ref().is_some_and(|slot| slot.writes_header(&name));
    let said =
        |why| not_allowed(format!("a tool cannot set the header `{}`; {why}", visible(&name)));
    if slot {
        return Err(said("the host puts the credential there: leave it out"));
    }
    if !(HEADERS.contains(&name.as_str()) || scope.headers.contains(&name)) {
        return Err(said("leave it out, or the operator adds it to `headers` of the capability"));
    }
    let text = value.len() <= MAX_VALUE
        && value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    let parts = (name.parse(), value.parse());
    match parts {
        (Ok(name), Ok(value)) if text => Ok((name, value)),
        _ => Err(not_allowed(format!(
            "the value of the header `{}` is not one line of at most 4 KiB of ASCII text",
            visible(&name)
        ))),
    }
}

fn visible(name: &str) -> String {
    name.chars().take(64).map(|one| if one.is_ascii_graphic() { one } else { '?' }).collect()
}

/// What a tool may say about its request: nothing that routes, frames, decodes or authenticates it.
const HEADERS: [&str; 12] = [
    "accept",
    "accept-language",
    "content-language",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "prefer",
    "x-correlation-id",
    "x-request-id",
];
const MAX_HEADERS: usize = 32;
/// Bytes of one header value.
const MAX_VALUE: usize = 4 << 10;
