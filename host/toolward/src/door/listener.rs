//! How does a request come in over the network? Sockets, TLS, time limits, and an end in good order.
use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::Service as _, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::config::ListenConfig;

/// A socket that listens, and what it does with a connection.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// The client's certificate and those above it, where it showed one that the host verified.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

impl Peer {
    /// Whom to count together: an IPv4 address, or the /64 that one customer has of IPv6.
    pub(super) fn neighbourhood(&self) -> String {
        match self.address.ip().to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}")
            }
        }
    }
}

/// Says to every connection that it is time to end.
#[derive(Debug)]
pub struct Stopping(watch::Sender<bool>);

impl Stopping {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Takes no more connections, and ends those that are there after the request that each is at.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut asked = self.0.subscribe();
        // Who is gone will not ask for anything but the end.
        async move { drop(asked.wait_for(|stop| *stop).await) }
    }
}

impl Default for Stopping {
    fn default() -> Self {
        Self::new()
    }
}

impl Listener {
    pub async fn bind(config: &ListenConfig, tls: Option<TlsAcceptor>) -> std::io::Result<Self> {
        let socket = TcpListener::bind(config.address).await?;
        Ok(Self { socket, tls, places: Arc::new(Semaphore::new(config.limits.connections)) })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until it is told to stop; then waits for what is being answered, [`GRACE`] at most.
    pub async fn serve(self, router: Router, stopping: &Stopping) {
        let Self { socket, tls, places } = self;
        let mut stopped = pin!(stopping.stopped());
        let (serving, all_ended) = watch::channel(());
        drop(all_ended);
        loop {
            // Who finds no place waits in the system's queue.
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let (stream, address) = tokio::select! {
                () = &mut stopped => break,
                accepted = socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let (tls, router, end) = (tls.clone(), router.clone(), stopping.stopped());
            let lives = serving.subscribe();
            tokio::spawn(async move {
                connected(stream, address, tls, router, end).await;
                drop((place, lives));
            });
        }
        drop(socket);
        if timeout(GRACE, serving.closed()).await.is_err() {
            tracing::warn!("connections were still open when the time to end them was over");
        }
    }
}

async fn connected(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    end: impl Future<Output = ()>,
) {
    // Otherwise the second part of an answer waits for the other side's delayed acknowledgement: 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let Some(tls) = tls else {
        let peer = Peer { address, certificates: Arc::default() };
        return answered(stream, peer, router, end).await;
    };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let certificates = shown.iter().map(|one| one.clone().into_owned()).collect();
            answered(stream, Peer { address, certificates }, router, end).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a connection did not get to TLS"),
        Err(_) => tracing::debug!("a connection was too slow to get to TLS"),
    }
}

async fn answered(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    end: impl Future<Output = ()>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADER_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut end = pin!(end);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = &mut end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// From the first byte of a request to the last of its header, and the longest pause between two requests.
const HEADERS: Duration = Duration::from_secs(30);
/// Bytes of a request's header.
const HEADER_BYTES: usize = 64 << 10;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For what is being answered when the host ends.
const GRACE: Duration = Duration::from_secs(10);
/// After an error that will not be gone at once, as where there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
