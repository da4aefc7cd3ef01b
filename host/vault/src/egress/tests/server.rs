//! Servers on this machine that write down what reaches them.
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Notify, Semaphore},
};
use tokio_rustls::TlsAcceptor;

/// What a server does with a connection.
#[derive(Clone)]
pub(super) enum Script {
    /// Writes these pieces, then closes.
    Write(Vec<Vec<u8>>),
    /// Writes each of these pieces when it may, then closes.
    Paced(Vec<Vec<u8>>, Arc<Semaphore>),
    /// Writes back the request as a JSON text.
    Echo,
    /// Says nothing, and waits for the other side to go.
    Silence,
}

/// A server that takes one request from each connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    arrived: Notify,
    left: Notify,
}

impl Server {
    pub(super) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::start(Script::Write(vec![answer.into()]), None).await
    }

    pub(super) async fn echoing() -> Self {
        Self::start(Script::Echo, None).await
    }

    pub(super) async fn start(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        tokio::spawn(accept(listener, script, tls, log.clone()));
        Self { address, log }
    }

    /// Every request so far, as it came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.log.requests.lock().unwrap().clone()
    }
    /// How many connections were opened so far.
    pub(super) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }
    pub(super) async fn has_request(&self) {
        self.log.arrived.notified().await;
    }
    /// Waits until the other side has closed a silent connection, or one in the middle of a response.
    pub(super) async fn is_left(&self) {
        self.log.left.notified().await;
    }
}

async fn accept(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>, log: Arc<Log>) {
    while let Ok((stream, _)) = listener.accept().await {
        log.connections.fetch_add(1, Ordering::SeqCst);
        stream.set_nodelay(true).unwrap();
        let (script, tls, log) = (script.clone(), tls.clone(), log.clone());
        tokio::spawn(async move {
            match tls {
                None => converse(stream, script, &log).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, script, &log).await,
                    // The client did not like the certificate.
                    Err(_) => None,
                },
            }
        });
    }
}

/// `None` when the other side goes in the middle of it.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    log: &Log,
) -> Option<()> {
    let request = read_request(&mut stream).await?;
    log.requests.lock().unwrap().push(request.clone());
    log.arrived.notify_one();
    match script {
        Script::Write(pieces) => {
            for piece in pieces {
                stream.write_all(&piece).await.ok()?;
                stream.flush().await.ok()?;
                tokio::task::yield_now().await;
            }
            stream.shutdown().await.ok()
        }
        Script::Paced(pieces, pace) => {
            for piece in pieces {
                let mut more = [0; 64];
                tokio::select! {
                    turn = pace.acquire() => turn.ok()?.forget(),
                    _ = stream.read(&mut more) => {
                        log.left.notify_one();
                        return None;
                    }
                }
                stream.write_all(&piece).await.ok()?;
                stream.flush().await.ok()?;
            }
            stream.shutdown().await.ok()
        }
        Script::Echo => {
            let text = serde_json::Value::from(request).to_string();
            stream.write_all(&json(text)).await.ok()?;
            stream.shutdown().await.ok()
        }
        Script::Silence => {
            while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
            log.left.notify_one();
            Some(())
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = String::new();
    while !is_whole(&text) {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    Some(text)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
    });
    body.len() >= length.unwrap_or(0)
}

/// A response with these fields and this body.
pub(super) fn response(status: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub(super) fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    response("200 OK", &[("content-type", "application/json")], body)
}
