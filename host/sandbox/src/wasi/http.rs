//! `wasi:http/outgoing-handler` over the vault: a request leaves if a granted capability allows it.
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use tokio::sync::OwnedSemaphorePermit;
use toolward_gate::{CapabilityName, Destination, HttpScope, Note, Notes};
use toolward_vault::{Egress, EgressError, Grant, Narrowing, Outbound, Shaped, Streamed};
use tracing::Instrument as _;
use wasmtime::{Result, component::Linker};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView as _,
    p2::bindings::http::{outgoing_handler, types},
};

use super::{Flights, HTTP, Part, StandIns, stand_in};
use crate::guest::Guest;

pub(super) struct Http;

impl Part for Http {
    fn name(&self) -> &'static str {
        HTTP
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:http/types", "wasi:http/outgoing-handler"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        let options = types::LinkOptions::default();
        types::add_to_linker::<_, WasiHttp>(linker, &options, Guest::http)?;
        outgoing_handler::add_to_linker::<_, WasiHttp>(linker, Guest::http)
    }
}

/// The requests of one call; without a way out, all of them are denied.
#[derive(Default)]
pub(super) struct Requests(Option<Arc<Way>>);

/// What a request passes.
struct Way {
    egress: Arc<Egress>,
    scopes: BTreeMap<CapabilityName, Arc<HttpScope>>,
    stand_ins: StandIns,
    notes: Notes,
    noted: AtomicU32,
    flights: Flights,
}

impl Requests {
    pub(super) fn of(grant: &Grant, stand_ins: StandIns, flights: &Flights) -> Self {
        Self(Some(Arc::new(Way {
            egress: grant.egress().clone(),
            scopes: grant.permit().terms().egress.http.clone(),
            stand_ins,
            notes: grant.call().notes.clone(),
            noted: AtomicU32::new(0),
            flights: flights.clone(),
        })))
    }
}

/// What is read when nothing more of the exchange follows.
type Later = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(http::Response<WasiBody>, Later), Error>;

impl WasiHttpHooks for Requests {
    fn set_host_header(&mut self) -> bool {
        false
    }
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Later,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let way = self.0.clone();
        let carried = async move {
            let way = way.ok_or(Error::HttpRequestDenied)?;
            let response = way.carry(request).await?;
            Ok((response, Box::new(async { Ok(()) }) as Later))
        };
        // It goes on beside the guest, and still belongs to the call.
        Box::new(carried.in_current_span())
    }
}

impl Way {
    async fn carry(
        &self,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, Error> {
        let place = self.flights.begin().ok_or(Error::ConnectionLimitReached)?;
        let (head, body) = request.into_parts();
        let asked = Asked::read(&head)?;
        let (capability, scope, mut asked) = self.matching(&asked).ok_or_else(|| self.refused())?;
        let body = whole(body, scope.max_request_bytes).await?;
        if self.stand_ins.stray(&asked, &body) {
            return Err(self.refused());
        }
        asked.headers.retain(|(name, _)| !OF_THE_HOST.contains(&name.as_str()));
        let outbound = asked.outbound(capability.clone(), scope, body);
        if scope.is_streamed() {
            let streamed = self.egress.send_streaming(outbound).await;
            return coming(streamed.map_err(|error| told(&error))?, place);
        }
        let shaped = self.egress.send(outbound).await.map_err(|error| told(&error))?;
        whole_response(shaped, place)
    }

    /// The first capability that the request fits. One with a stand-in takes only a request that brings it.
    fn matching(&self, asked: &Asked) -> Option<(&CapabilityName, &HttpScope, Asked)> {
        let fitting = || self.scopes.iter().filter(|(_, scope)| asked.fits(scope));
        let bringing = fitting().find_map(|(name, scope)| {
            let rest = stand_in::taken(asked, scope.slot.as_ref()?, self.stand_ins.of(name)?)?;
            Some((name, &**scope, rest))
        });
        if bringing.is_some() {
            return bringing;
        }
        let (name, scope) = fitting().find(|(name, _)| self.stand_ins.of(name).is_none())?;
        Some((name, &**scope, asked.clone()))
    }

    /// A guest can ask without end; the first refusals tell what it tries.
    fn refused(&self) -> Error {
        if self.noted.fetch_add(1, Ordering::Relaxed) < NOTED {
            let (capability, code) = (HTTP.to_owned(), "not-allowed".to_owned());
            self.notes.add(Note::NotSent { capability, code });
        }
        Error::HttpRequestDenied
    }
}

/// A request's head, as the component wrote it.
#[derive(Clone)]
pub(super) struct Asked {
    method: String,
    https: bool,
    host: String,
    port: u16,
    path: String,
    pub(super) query: Option<String>,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
}

impl Asked {
    fn read(head: &http::request::Parts) -> Result<Self, Error> {
        let authority = head.uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let https = head.uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = value.to_str().map_err(|_| Error::HttpRequestDenied)?;
            Ok((name.as_str().to_owned(), value.to_owned()))
        };
        Ok(Self {
            method: head.method.as_str().to_owned(),
            https,
            host: host.to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.iter().map(header).collect::<Result<_, Error>>()?,
        })
    }

    fn fits(&self, scope: &HttpScope) -> bool {
        self.destination(scope).is_some()
            && scope.methods.contains(&self.method)
            && scope.paths.iter().any(|pattern| pattern.matches(&self.path))
    }

    fn destination<'a>(&self, scope: &'a HttpScope) -> Option<&'a Destination> {
        let is_it = |one: &&Destination| {
            (one.https, one.host.as_str(), one.port) == (self.https, self.host.as_str(), self.port)
        };
        scope.destinations.iter().find(is_it)
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        self.query.iter().fold(self.path.clone(), |path, query| format!("{path}?{query}"))
    }

    fn outbound(self, capability: CapabilityName, scope: &HttpScope, body: Vec<u8>) -> Outbound {
        // The vault takes a path where there is only one destination it can go to.
        let origin = match scope.destinations.as_slice() {
            [_] => String::new(),
            _ => self.destination(scope).map(ToString::to_string).unwrap_or_default(),
        };
        Outbound {
            capability,
            target: format!("{origin}{}", self.target()),
            method: self.method,
            headers: self.headers,
            body: (!body.is_empty()).then_some(body),
            narrowing: Narrowing::default(),
        }
    }
}

/// Nothing leaves before all of it is there.
async fn whole(body: WasiBody, limit: usize) -> Result<Vec<u8>, Error> {
    let collected = Limited::new(body, limit).collect().await;
    let collected = collected.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => Error::HttpRequestBodySize(u64::try_from(limit).ok()),
        Err(_) => Error::HttpRequestBodySize(None),
    })?;
    Ok(collected.to_bytes().into())
}

/// It has its place for as long as the component keeps it.
fn whole_response(
    shaped: Shaped,
    place: OwnedSemaphorePermit,
) -> Result<http::Response<WasiBody>, Error> {
    let head = head(shaped.status(), shaped.headers());
    let body = Full::new(Bytes::from(shaped.into_body())).map_err(move |never| {
        let _place = &place;
        match never {}
    });
    head.body(body.boxed_unsync()).map_err(|_| Error::HttpProtocolError)
}

/// The component reads the body while it comes in. It too has its place until the component lets go of it.
fn coming(
    streamed: Streamed,
    place: OwnedSemaphorePermit,
) -> Result<http::Response<WasiBody>, Error> {
    let head = head(streamed.status(), streamed.headers());
    let pieces = futures::stream::try_unfold((streamed, place), async |(mut streamed, place)| {
        let piece = streamed.next().await.map_err(|error| told(&error))?;
        Ok(piece.map(|piece| (Frame::data(Bytes::from(piece)), (streamed, place))))
    });
    head.body(StreamBody::new(pieces).boxed_unsync()).map_err(|_| Error::HttpProtocolError)
}

fn head(status: u16, headers: &[(String, String)]) -> http::response::Builder {
    let head = http::Response::builder().status(status);
    headers.iter().fold(head, |head, (name, value)| head.header(name, value))
}

/// What a component is told, in the words of `wasi:http`.
fn told(error: &EgressError) -> Error {
    let said = error.to_string();
    match error {
        EgressError::NotAllowed(_)
        | EgressError::CredentialInRequest
        | EgressError::NotYours
        | EgressError::Over(_) => Error::HttpRequestDenied,
        EgressError::AddressDenied => Error::DestinationIpProhibited,
        EgressError::ConnectionFailed => Error::ConnectionTerminated,
        EgressError::ResponseTooLarge(bytes) => Error::HttpResponseBodySize(Some(*bytes)),
        EgressError::ResponseRefused(_)
        | EgressError::Withheld
        | EgressError::OverBudget
        | EgressError::NotSetAside
        | EgressError::CredentialUnavailable => Error::InternalError(Some(said)),
    }
}

/// What the vault's transport writes itself. Components send these without meaning anything by it.
const OF_THE_HOST: [&str; 7] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];
/// Bytes that a component writes at once.
const CHUNK: usize = 64 << 10;
/// Refusals in the audit entry of one call.
const NOTED: u32 = 32;

#[cfg(test)]
mod tests;
