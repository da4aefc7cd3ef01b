//! Sends what is signed, and reads what comes back up to its limit.
use std::{
    net::{IpAddr, SocketAddr},
    sync::PoisonError,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::dns::{Name, Resolve, Resolving};
use toolward_gate::{CapabilityName, Destination, Trust};

use self::{
    coding::Coding,
    tls::Tls,
    unread::{Clients, Unread},
};
use crate::{
    broker::ClientCertificate,
    check::Checked,
    lease::{Signed, USER_AGENT},
    scan::{Hit, Place, Scanner, Search},
};

mod coding;
mod dial;
mod incoming;
mod tls;
mod unread;

pub(crate) use incoming::Incoming;
pub use tls::check as check_trust;

/// A response as it came. It may hold anything.
#[expect(missing_debug_implementations, reason = "what was not scanned is not printed")]
pub struct Raw {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What the body held. It was searched while it came in, and not read on.
    pub(crate) hit: Option<Hit>,
}

/// An answer to the host itself. It goes to no tool.
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no response. Nothing here repeats what a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// There was no connection: nothing left.
    Unreached,
    Failed,
    /// The limit, in bytes, of what was on the wire and of what that holds.
    TooLarge(usize),
    /// In a way that is not known, more than once, or not whole.
    Encoded,
}

/// Connections, kept apart by capability, destination and address, so that none is used for another.
pub(crate) struct Transport {
    tls: Tls,
    connect_timeout: Duration,
    clients: Clients,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    capability: CapabilityName,
    destination: Destination,
    addresses: Vec<SocketAddr>,
    trust: Trust,
    /// Of the client certificate.
    identity: Option<[u8; 32]>,
}

impl Transport {
    /// Fails when the extra roots are not certificates in PEM form.
    pub(crate) fn new(
        extra_roots_pem: Option<&[u8]>,
        connect_timeout: Duration,
    ) -> Result<Self, String> {
        // Somebody else in the process may have chosen already: either way there is one.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let tls = Tls::new(extra_roots_pem)?;
        Ok(Self { tls, connect_timeout, clients: Clients::default() })
    }

    /// Sends, and searches the body while it comes in.
    pub(crate) async fn send(
        &self,
        signed: Signed,
        scanner: &Scanner,
    ) -> Result<Raw, TransportError> {
        let limit = signed.checked.scope.response.max_bytes;
        let (response, unread) = self.answer(signed).await?;
        let coding = Coding::of(response.headers())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let incoming = Incoming::of(response, unread, limit)?;
        let mut search = scanner.search();
        let (body, place) = match coding {
            Coding::Identity => read(incoming, Some(&mut search)).await?,
            Coding::Gzip | Coding::Deflate | Coding::Brotli | Coding::Zstd => {
                (coding.decode(read(incoming, None).await?.0, limit)?, None)
            }
        };
        let rest = if coding == Coding::Identity { &[] } else { body.as_slice() };
        let place = place.or_else(|| search.push(rest)).or_else(|| search.finish());
        Ok(Raw { status, headers, body, hit: place.map(|place| scanner.hit(&place)) })
    }

    /// Sends, and leaves the body to come. What is compressed is not let go in parts.
    pub(crate) async fn open(&self, signed: Signed) -> Result<(Raw, Incoming), TransportError> {
        let limit = signed.checked.scope.response.max_bytes;
        let (response, unread) = self.answer(signed).await?;
        if Coding::of(response.headers())? != Coding::Identity {
            return Err(TransportError::Encoded);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let incoming = Incoming::of(response, unread, limit)?;
        Ok((Raw { status, headers, body: Vec::new(), hit: None }, incoming))
    }

    async fn answer(&self, signed: Signed) -> Result<(reqwest::Response, Unread), TransportError> {
        let identity = signed.injection.identity.as_deref();
        let key = key(&signed.checked, identity);
        let client = self.client(key.clone(), identity)?;
        let unread = Unread::of(&self.clients, key);
        Ok((execute(&client, request(signed)?).await?, unread))
    }

    /// Sends what the host itself writes, to addresses that were checked.
    pub(crate) async fn fetch(
        &self,
        to: &Destination,
        addresses: Vec<SocketAddr>,
        request: reqwest::Request,
        limit: usize,
    ) -> Result<Fetched, TransportError> {
        let capability = OWN.parse().map_err(|_| TransportError::Failed)?;
        let (trust, destination) = (Trust::default(), to.clone());
        let key = Key { capability, destination, addresses, trust, identity: None };
        let client = self.client(key.clone(), None)?;
        let unread = Unread::of(&self.clients, key);
        let response = execute(&client, request).await?;
        if Coding::of(response.headers())? != Coding::Identity {
            return Err(TransportError::Encoded);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let (body, _) = read(Incoming::of(response, unread, limit)?, None).await?;
        Ok(Fetched { status, headers, body })
    }

    /// Closes what nobody uses; what is under way is not cut off.
    pub(crate) fn forget(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn client(
        &self,
        key: Key,
        identity: Option<&ClientCertificate>,
    ) -> Result<reqwest::Client, TransportError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.connect(&key, identity)?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that makes clients, pinned to checked addresses"
    )]
    fn connect(
        &self,
        key: &Key,
        identity: Option<&ClientCertificate>,
    ) -> Result<reqwest::Client, TransportError> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .dns_resolver(NoNames)
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE)
            .http1_max_headers(MAX_RESPONSE_HEADERS);
        let builder = if key.destination.https {
            let tls = self.tls.config(&key.trust, identity).map_err(|error| {
                tracing::warn!(host = %key.destination, %error, "TLS cannot be set up");
                TransportError::Failed
            })?;
            builder.https_only(true).tls_backend_preconfigured(tls)
        } else {
            // No TLS, no roots: reading the machine's certificates takes longer than a request.
            builder.tls_certs_only([])
        };
        let literal = key.destination.host.parse::<IpAddr>().is_ok();
        let builder = if literal {
            builder
        } else {
            builder.resolve_to_addrs(&key.destination.host, &key.addresses)
        };
        builder.build().map_err(|_| TransportError::Failed)
    }
}

fn key(checked: &Checked, identity: Option<&ClientCertificate>) -> Key {
    Key {
        capability: checked.capability.clone(),
        destination: checked.destination.clone(),
        addresses: checked.addresses.clone(),
        trust: checked.scope.tls.clone(),
        identity: identity.map(|shown| shown.digest),
    }
}

async fn execute(
    client: &reqwest::Client,
    request: reqwest::Request,
) -> Result<reqwest::Response, TransportError> {
    client.execute(request).await.map_err(|error| {
        if error.is_connect() { TransportError::Unreached } else { TransportError::Failed }
    })
}

fn request(signed: Signed) -> Result<reqwest::Request, TransportError> {
    let checked_url = signed.url();
    let url: reqwest::Url = checked_url.parse().map_err(|_| TransportError::Failed)?;
    // The one place where another reader sees the URL: what it would change does not leave.
    if url.as_str() != checked_url {
        return Err(TransportError::Failed);
    }
    let Signed { checked, injection } = signed;
    let mut request = reqwest::Request::new(checked.method, url);
    let fields = request.headers_mut();
    fields.extend([USER_AGENT, (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    fields.extend(checked.headers);
    fields.extend(injection.fields);
    if !checked.body.is_empty() {
        *request.body_mut() = Some(checked.body.into());
    }
    Ok(request)
}

/// Reads to the end, or to the first place where the search finds something.
async fn read(
    mut incoming: Incoming,
    mut search: Option<&mut Search>,
) -> Result<(Vec<u8>, Option<Place>), TransportError> {
    let mut body = Vec::with_capacity(incoming.announced().unwrap_or_default());
    while let Some(chunk) = incoming.next().await? {
        body.extend_from_slice(chunk.as_ref());
        if let Some(place) = search.as_mut().and_then(|search| search.push(chunk.as_ref())) {
            return Ok((body, Some(place)));
        }
    }
    Ok((body, None))
}

/// Addresses are resolved once, by the check; a name that nobody checked has none.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::ready(Err("only checked addresses are dialled".into())))
    }
}

/// Libraries under a request whose log repeats what a server wrote, by the targets of their events: `h2` prints the text
/// of a farewell (RFC 9113 section 6.8). Who listens to the log leaves them out at every level.
pub const UNHEARD: [&str; 1] = ["h2"];
/// What stands in a capability's place where the host asks for itself: no tool's connection is used for it.
const OWN: &str = "host:own:request";
/// Clients kept; over this, all are let go and made anew as they are needed.
const MAX_CLIENTS: usize = 256;
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);
const MAX_RESPONSE_HEADERS: usize = 128;

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_client_reaches_the_pinned_addresses_and_resolves_no_other_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            assert_ne!(stream.read(&mut head).await.unwrap(), 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        });
        let host = "api.example.com".to_owned();
        let key = Key {
            capability: "a:b:c".parse().unwrap(),
            destination: Destination { https: false, host, port: address.port() },
            addresses: vec![address],
            trust: Trust::default(),
            identity: None,
        };
        let client = Transport::new(None, IDLE).unwrap().connect(&key, None).unwrap();
        let url = |host: &str| format!("http://{host}:{}/", address.port());
        let error = client.get(url("localhost")).send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(client.get(url("api.example.com")).send().await.unwrap().status(), 204);
    }
}
