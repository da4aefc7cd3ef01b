//! How does a request come in over the network? Sockets, TLS, time limits, and an end in good order.
use std::{
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper::{body::Incoming, server::conn::http1, service::Service as _, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::{mcp::Ends, room::Room};
use crate::config::ListenConfig;

/// A socket that listens, and what it does with a connection.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    room: Arc<Room>,
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
    /// Whom to count together.
    pub(super) fn neighbourhood(&self) -> String {
        neighbourhood(self.address)
    }
}

/// An IPv4 address, or the /64 that one customer has of IPv6.
fn neighbourhood(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
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
        let limits = config.limits;
        let room = Room::new(limits.connections, limits.connections_per_address);
        Ok(Self { socket, tls, room })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until it is told to stop; then waits for what is being answered, [`GRACE`] at most.
    pub async fn serve(self, router: Router, stopping: &Stopping) {
        let Self { socket, tls, room } = self;
        let router = router.layer(Extension(Ends(stopping.0.subscribe())));
        let mut stopped = pin!(stopping.stopped());
        let (serving, all_ended) = watch::channel(());
        drop(all_ended);
        loop {
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
            // Who finds no place is not left to wait for one: the connection ends here.
            let seat = match room.take(neighbourhood(address)) {
                Ok(seat) => seat,
                Err(full) => {
                    tracing::debug!(%full, "a connection was not taken");
                    continue;
                }
            };
            let (tls, router, end) = (tls.clone(), router.clone(), stopping.stopped());
            let lives = serving.subscribe();
            tokio::spawn(async move {
                connected(stream, address, tls, router, end).await;
                drop((seat, lives));
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
    let stream = read_along(stream);
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

/// Ends with an error where the other side reads nothing of what is written for it.
fn read_along<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    Box::pin(stream)
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
/// Within which a client reads some of an answer that waits for it.
const UNREAD: Duration = Duration::from_secs(30);
/// For what is being answered when the host ends.
const GRACE: Duration = Duration::from_secs(10);
/// After an error that will not be gone at once, as where there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::Instant,
    };

    use super::*;
    use crate::config::LimitsConfig;

    fn config() -> ListenConfig {
        ListenConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            url: None,
            origins: [].into(),
            tls: None,
            limits: LimitsConfig::default(),
        }
    }

    /// What a connection hears that says this and no more, and how long it is kept.
    async fn heard(said: &str) -> (String, Duration) {
        let listener = Listener::bind(&config(), None).await.unwrap();
        let mut stream = TcpStream::connect(listener.address().unwrap()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let (stopping, began) = (Stopping::new(), Instant::now());
        let router = Router::new().route("/", get(|| async { "here" }));
        let mut told = String::new();
        tokio::select! {
            () = listener.serve(router, &stopping) => panic!("nobody told it to stop"),
            read = stream.read_to_string(&mut told) => drop(read.unwrap()),
        }
        (told, began.elapsed())
    }

    /// The clock jumps to what is waited for.
    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_end_is_waited_for_no_longer_than_that() {
        let (told, kept) = heard("GET / HTTP/1.1\r\nhost: ").await;
        assert!(!told.contains("here"), "{told}");
        assert!(kept >= HEADERS && kept < HEADERS.saturating_mul(2), "{kept:?}");
        // The same that ends is answered; then the connection may be used again for as long.
        let (told, kept) = heard("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(told.ends_with("here"), "{told}");
        assert!(kept < HEADERS.saturating_mul(2), "{kept:?}");
        // And one that says nothing takes its place for no longer, either.
        let (told, kept) = heard("").await;
        assert!(told.is_empty() && kept < HEADERS.saturating_mul(2), "{told} {kept:?}");
    }

    /// How much of an answer a client gets that pauses so long after each part that it reads.
    async fn read_with(pause: Duration) -> usize {
        let (mut stream, server) = tokio::io::duplex(PART);
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let router = Router::new().route("/", get(|| async { vec![b'x'; PARTS * PART] }));
        let address = "127.0.0.1:1".parse().unwrap();
        let peer = Peer { address, certificates: Arc::default() };
        let reading = async {
            let (mut part, mut whole) = (vec![0; PART], 0_usize);
            loop {
                sleep(pause).await;
                match stream.read(&mut part).await {
                    Ok(0) | Err(_) => return whole,
                    Ok(read) => whole = whole.saturating_add(read),
                }
            }
        };
        let serving = answered(read_along(server), peer, router, std::future::pending());
        tokio::join!(serving, reading).1
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_its_answer_loses_its_place_and_a_slow_one_does_not() {
        assert!(read_with(UNREAD.saturating_mul(2)).await <= PART);
        assert!(read_with(UNREAD / 2).await > PARTS * PART, "the header, too");
    }

    /// What the connection holds.
    const PART: usize = 1024;
    const PARTS: usize = 16;
}
