//! Who is speaking, and may they speak? What every request to a listener passes, by its header fields alone.
//!
//! ```text
//! Host, Origin --> how often --> token --> Principal in the request, token out of it --> how often --> route
//! ```
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    listener::Peer,
    place::{Place, only},
    problem::Problem,
    rate::Rates,
};
use crate::{
    authn::{Authn, AuthnError, PROOF_ALGORITHMS, Proof, Shown},
    config::LimitsConfig,
};

/// What one listener asks of everybody.
#[derive(Debug)]
pub struct Guard {
    authn: Arc<Authn>,
    pub place: Place,
    /// Paths that need no token. They say nothing of calls, tools and people.
    open: &'static [&'static str],
    callers: Rates,
    /// Those who showed nothing, or nothing good, by their address.
    strangers: Rates,
}

impl Guard {
    pub fn new(
        authn: Arc<Authn>,
        place: Place,
        open: &'static [&'static str],
        limits: LimitsConfig,
    ) -> Arc<Self> {
        let callers = Rates::new(limits.requests_per_second);
        Arc::new(Self { authn, place, open, callers, strangers: Rates::new(STRANGERS) })
    }

    pub(super) fn authn(&self) -> &Authn {
        &self.authn
    }

    async fn admit(&self, request: &mut Parts) -> Result<(), Response> {
        self.place.check(&request.uri, &request.headers).map_err(Problem::into_response)?;
        let stranger = stranger(request);
        if self.open.contains(&request.uri.path()) {
            return limited(&self.strangers, &stranger).map_err(Problem::into_response);
        }
        let shown = self.identify(request).await;
        let principal = match shown {
            Ok(principal) => principal,
            Err(refused) => {
                limited(&self.strangers, &stranger).map_err(Problem::into_response)?;
                return Err(refused);
            }
        };
        limited(&self.callers, principal.id()).map_err(Problem::into_response)?;
        // Nothing behind this needs it, and so nothing behind this can pass it on.
        for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, DPOP] {
            request.headers.remove(name);
        }
        request.extensions.insert(principal);
        Ok(())
    }

    async fn identify(&self, request: &Parts) -> Result<toolward_gate::Principal, Response> {
        let headers = &request.headers;
        let in_query = request.uri.query().is_some_and(|query| {
            query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
        });
        if in_query {
            return Err(
                self.misused("a token in an address ends up in logs: send it in `Authorization`")
            );
        }
        let peer = request.extensions.get::<Peer>();
        let certificates = peer.map(|peer| peer.certificates.as_ref()).unwrap_or_default();
        let (scheme, token) = match credentials(headers) {
            Credentials::Absent if certificates.is_empty() => {
                return Err(self.unauthenticated(None));
            }
            Credentials::Absent => {
                let known = self.authn.client_certificate(certificates).await;
                return known.map_err(|error| self.refused(&error));
            }
            Credentials::Malformed => {
                return Err(self.misused(
                    "send one `Authorization` field, with `Bearer` or `DPoP` and a token",
                ));
            }
            Credentials::Shown(scheme, token) => (scheme, token),
        };
        let url = format!("{}{}", self.place.url, request.uri.path());
        let proof = match (scheme, only(headers, &DPOP)) {
            (Scheme::Bearer, _) => None,
            (Scheme::Dpop, Some(text)) => {
                Some(Proof { text, method: request.method.as_str(), url: &url })
            }
            (Scheme::Dpop, None) => {
                return Err(self.misused("send one `DPoP` field with the proof"));
            }
        };
        let known = self.authn.identify(Some(Shown { token, proof, certificates })).await;
        known.map_err(|error| self.refused(&error))
    }

    /// A fault of the caller's, or one of the host's: what was revoked cannot be read.
    fn refused(&self, error: &AuthnError) -> Response {
        if error.is_of_caller() {
            return self.unauthenticated(Some(error));
        }
        tracing::error!(reason = ?error, "nobody is let in");
        Problem::unavailable().into_response()
    }

    /// The same answer for every fault of a token; the reason is for the operator (RFC 6750 section 3.1). No scope is
    /// named: none is needed to get in, and which one a call needs is said when it is made.
    fn unauthenticated(&self, error: Option<&AuthnError>) -> Response {
        if let Some(error) = error {
            tracing::info!(reason = %error, "a token was not taken");
        }
        let detail = "send a token that a configured issuer signed for this host, in `Authorization: Bearer`";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        let invalid = if error.is_some() { ", error=\"invalid_token\"" } else { "" };
        let invalid = format!("{}{invalid}", self.metadata());
        challenged(problem.into_response(), &invalid)
    }

    /// RFC 6750 section 3.1, `invalid_request`.
    fn misused(&self, detail: &str) -> Response {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid-request", detail);
        let told = format!("{}, error=\"invalid_request\"", self.metadata());
        challenged(problem.into_response(), &told)
    }

    /// A token whose scope leaves out what a call needs: all of it is named at once.
    pub(super) fn insufficient(&self, scope: &str) -> Response {
        let detail = format!("the token's scope does not allow what this needs: {scope}");
        let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", detail);
        self.wider(problem.with("scope", scope).into_response(), scope)
    }

    /// The same for an answer that says already why not.
    pub(super) fn wider(&self, response: Response, scope: &str) -> Response {
        let told = format!("{}, error=\"insufficient_scope\", scope=\"{scope}\"", self.metadata());
        challenged(response, &told)
    }

    /// Where a client learns which issuer to ask (RFC 9728 section 5.1).
    fn metadata(&self) -> String {
        format!("resource_metadata=\"{}{METADATA}\"", self.place.url)
    }
}

/// The middleware for what brings a proof of its own instead of a token: it is meant for this host, and nobody
/// tries too often.
pub async fn admit_stranger(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let meant = guard.place.check(&parts.uri, &parts.headers);
    match meant.and_then(|()| limited(&guard.strangers, &stranger(&parts))) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => refused.into_response(),
    }
}

fn stranger(request: &Parts) -> String {
    request.extensions.get::<Peer>().map(Peer::neighbourhood).unwrap_or_default()
}

/// The middleware: everything else passes it.
pub async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match guard.admit(&mut parts).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refused) => refused,
    };
    let fields = response.headers_mut();
    fields.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[derive(Clone, Copy)]
pub(super) enum Scheme {
    Bearer,
    Dpop,
}

pub(super) enum Credentials<'a> {
    Absent,
    Malformed,
    Shown(Scheme, &'a str),
}

/// RFC 6750 section 2.1: one field, a scheme, one space, and a `token68`.
pub(super) fn credentials(headers: &HeaderMap) -> Credentials<'_> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Credentials::Absent;
    }
    let parts = only(headers, &header::AUTHORIZATION).and_then(|text| text.split_once(' '));
    let Some((scheme, token)) = parts else { return Credentials::Malformed };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(plain) {
        return Credentials::Malformed;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Credentials::Shown(Scheme::Bearer, token),
        "dpop" => Credentials::Shown(Scheme::Dpop, token),
        _ => Credentials::Malformed,
    }
}

fn limited(rates: &Rates, caller: &str) -> Result<(), Problem> {
    rates.take(caller).map_err(|wait| {
        let detail = "too many requests of one caller; try again in a moment";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).after(wait)
    })
}

/// Both schemes, since either may be what the issuer gives (RFC 9110 section 11.6.1).
fn challenged(mut response: Response, told: &str) -> Response {
    let proofs = format!("DPoP {told}, algs=\"{}\"", PROOF_ALGORITHMS.join(" "));
    for challenge in [format!("Bearer {told}"), proofs] {
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            response.headers_mut().append(header::WWW_AUTHENTICATE, value);
        }
    }
    response
}

/// RFC 9728 section 3.
pub(super) const METADATA: &str = "/.well-known/oauth-protected-resource";
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Requests in a second from one address that shows no good token.
const STRANGERS: u32 = 20;
