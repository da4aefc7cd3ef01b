//! An API on loopback, with TLS and connections that stay open.
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{Json, Router, body::Body, extract::Path, http::header, routing::get, serve::Listener};
use futures::stream;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Who signed its certificate, in PEM form.
    pub(crate) root: String,
    accepted: Arc<AtomicUsize>,
    passed: Passed,
}

/// When a body that does not end was longer than a response may be.
type Passed = Arc<Mutex<Option<Instant>>>;

impl Server {
    /// Answers `GET /items/{bytes}` with a list of about so many bytes, and where there is none of that size
    /// with one that does not end.
    pub(crate) async fn start(sizes: &[usize]) -> anyhow::Result<Self> {
        let (root, tls) = certified()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, accepted) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let pages: Vec<(usize, String)> = sizes.iter().map(|size| (*size, page(*size))).collect();
        let (pages, passed) = (Arc::new(pages), Passed::default());
        let notes = passed.clone();
        let router = Router::new().route(
            "/items/{bytes}",
            get(|Path(bytes): Path<usize>| async move {
                let page = pages.iter().find(|(size, _)| *size == bytes);
                let body = match page {
                    Some((_, page)) => Body::from(page.clone()),
                    None => endless(notes.clone()),
                };
                ([(header::CONTENT_TYPE, "application/json")], body)
            }),
        );
        let router = router.fallback(|| async { Json(for_examples()) });
        let listener = Tls { listener, tls, accepted: accepted.clone() };
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        Ok(Self { address, root, accepted, passed })
    }

    /// When the last body without an end went over the limit.
    pub(crate) fn passed(&self) -> Option<Instant> {
        self.passed.lock().unwrap().take()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// What every example understands that sends requests.
fn for_examples() -> Value {
    json!({
        "results": [{ "name": "Berlin", "country": "Germany", "latitude": 52.5, "longitude": 13.4 }],
        "current": { "temperature_2m": 3.5, "wind_speed_10m": 12.0 },
        "daily": {
            "time": ["2026-11-21"], "temperature_2m_max": [5.0], "temperature_2m_min": [-1.0],
        },
        "number": 1,
        "title": "The roof leaks",
        "state": "open",
        "body": "It drips.",
    })
}

/// Notes when it hands over the byte with which it is longer than a response may be: that byte leaves a little later.
fn endless(passed: Passed) -> Body {
    let mut length = 0;
    let pieces = std::iter::once("[0").chain(std::iter::repeat(ZEROS)).map(move |piece| {
        let before = length;
        length += piece.len();
        if before <= LIMIT && length > LIMIT {
            *passed.lock().unwrap() = Some(Instant::now());
        }
        Ok::<_, Infallible>(piece)
    });
    Body::from_stream(stream::iter(pieces))
}

/// What a response may have at the desk, in bytes.
pub(crate) const LIMIT: usize = 2 << 20;

const ZEROS: &str = ",0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0";

struct Tls {
    listener: TcpListener,
    tls: TlsAcceptor,
    accepted: Arc<AtomicUsize>,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            stream.set_nodelay(true).unwrap();
            if let Ok(stream) = self.tls.accept(stream).await {
                self.accepted.fetch_add(1, Ordering::SeqCst);
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn certified() -> anyhow::Result<(String, TlsAcceptor)> {
    let authority = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority)?.pem();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    Ok((root, TlsAcceptor::from(Arc::new(config))))
}

/// What an API answers with: spaces, line breaks, quotes, percent signs and ampersands among it, so that every
/// layer of encoding is looked under.
fn page(bytes: usize) -> String {
    let (mut items, mut length) = (Vec::new(), 2);
    while length < bytes {
        let item = item(items.len());
        length += item.to_string().len() + 1;
        items.push(item);
    }
    Value::Array(items).to_string()
}

fn item(number: usize) -> Value {
    json!({
        "number": number,
        "title": "The button for \"log in\" does nothing",
        "body": "It happens on every page.\n\n1. Go to the start\n2. Push <kbd>log in</kbd> &amp; wait\n",
        "url": format!("https://api.example.com/repos/acme/site/issues/{number}?label=a%20bug&page=1"),
        "user": {"login": "ana", "id": 7731},
        "labels": ["bug", "front end"],
        "created_at": "2026-11-20T08:00:00Z",
    })
}
