//! A server that writes bytes as it is told, in HTTP/1.1 or frame by frame in HTTP/2.
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::world::Setting;

pub(crate) struct Wire {
    address: SocketAddr,
    /// Of the server's public key, where it speaks HTTP/2.
    pin: Option<String>,
    desk: Arc<Desk>,
}

/// What the server has been told, and what reached it.
#[derive(Default)]
struct Desk {
    next: Mutex<Vec<Vec<u8>>>,
    /// Where it is there, each further piece waits for a request for `/items/next`.
    pace: Mutex<Option<Arc<Semaphore>>>,
    asked: AtomicUsize,
    carried: AtomicUsize,
}

impl Wire {
    /// HTTP/1.1, one request for each connection.
    pub(crate) async fn plain() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, desk) = (listener.local_addr().unwrap(), Arc::<Desk>::default());
        let shared = desk.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(plainly(stream, shared.clone()));
            }
        });
        Self { address, pin: None, desk }
    }

    /// HTTP/2 over TLS.
    pub(super) async fn framed() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
        let pin = Some(format!("sha256/{}", STANDARD.encode(Sha256::digest(&key))));
        let acceptor = acceptor(&made);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, desk) = (listener.local_addr().unwrap(), Arc::<Desk>::default());
        let shared = desk.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (acceptor, desk) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.ok()?;
                    framewise(stream, desk).await
                });
            }
        });
        Self { address, pin, desk }
    }

    /// What it writes from now on, piece by piece.
    pub(crate) fn answers(&self, pieces: Vec<Vec<u8>>) {
        *self.desk.next.lock().unwrap() = pieces;
    }

    /// The same, but for each further piece it waits until `/items/next` is asked for.
    pub(crate) fn answers_when_asked(&self, pieces: Vec<Vec<u8>>) {
        self.answers(pieces);
        *self.desk.pace.lock().unwrap() = Some(Arc::new(Semaphore::new(1)));
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> usize {
        self.desk.asked.load(Ordering::SeqCst)
    }

    /// How many of them held the credential, where that can be read.
    pub(super) fn carried(&self) -> usize {
        self.desk.carried.load(Ordering::SeqCst)
    }

    /// What a capability says of it.
    pub(crate) fn destination(&self) -> String {
        let port = self.address.port();
        match &self.pin {
            None => format!("destination = \"http://127.0.0.1:{port}\""),
            Some(pin) => format!(
                "destination = \"https://localhost:{port}\"\ntls = {{ public_key = \"{pin}\" }}"
            ),
        }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A world in which items are read from here, with this credential.
    pub(crate) fn setting(&self, token: &str) -> Setting {
        let usual = "destination = \"{shop}\"\nallow_private = true\nmethods = [\"GET\", \"POST\"]";
        let here = self.destination();
        let here = format!("{here}\nallow_private = true\nmethods = [\"GET\", \"POST\"]");
        Setting { token: Some(token.to_owned()), ..Setting::default() }.replacing(usual, &here)
    }
}

fn acceptor(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl Desk {
    fn takes(&self, request: &[u8]) -> Vec<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let carries = String::from_utf8_lossy(request).contains("authorization: Bearer ");
        self.carried.fetch_add(usize::from(carries), Ordering::SeqCst);
        self.next.lock().unwrap().clone()
    }
}

async fn plainly(mut stream: impl AsyncRead + AsyncWrite + Unpin, desk: Arc<Desk>) -> Option<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        head.extend_from_slice(&piece[..count]);
    }
    let (pieces, pace) = (desk.takes(&head), desk.pace.lock().unwrap().clone());
    if let Some(pace) = pace.as_ref().filter(|_| head.starts_with(b"GET /items/next ")) {
        pace.add_permits(1);
        stream.write_all(GO_ON).await.ok()?;
        return stream.shutdown().await.ok();
    }
    for piece in pieces {
        if let Some(pace) = &pace {
            pace.acquire().await.ok()?.forget();
        }
        stream.write_all(&piece).await.ok()?;
        stream.flush().await.ok()?;
        tokio::task::yield_now().await;
    }
    stream.shutdown().await.ok()
}

/// RFC 9113, as far as one request after the other needs it. Frames that it is told to write get the stream of the
/// request.
async fn framewise(mut stream: impl AsyncRead + AsyncWrite + Unpin, desk: Arc<Desk>) -> Option<()> {
    stream.read_exact(&mut [0; PREFACE]).await.ok()?;
    stream.write_all(&frame(SETTINGS, 0, b"")).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, ACK, b"")).await.ok()?,
            (PING, 0) => stream.write_all(&frame(PING, ACK, &payload)).await.ok()?,
            (HEADERS, _) => {
                for mut piece in desk.takes(&payload) {
                    let is_of_connection = piece[3] == GOAWAY;
                    let place = if is_of_connection { 9..13 } else { 5..9 };
                    piece[place].copy_from_slice(&head[5..9]);
                    stream.write_all(&piece).await.ok()?;
                    stream.flush().await.ok()?;
                    tokio::task::yield_now().await;
                }
            }
            _ => {}
        }
        stream.flush().await.ok()?;
    }
}

/// RFC 9113 section 4.1, for a stream that is filled in when it is written.
pub(super) fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}

/// A field that is written out and not kept (RFC 7541 section 6.2.2).
pub(super) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0], text(name).as_slice(), text(value).as_slice()].concat()
}

/// RFC 7541 sections 5.1 and 5.2, without Huffman's code.
fn text(text: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    match text.len().checked_sub(127) {
        None => written.push(u8::try_from(text.len()).unwrap()),
        Some(mut rest) => {
            written.push(127);
            while rest >= 128 {
                written.push(u8::try_from((rest % 128) | 128).unwrap());
                rest /= 128;
            }
            written.push(u8::try_from(rest).unwrap());
        }
    }
    written.extend_from_slice(text);
    written
}

const GO_ON: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
    content-length: 2\r\n\r\nok";
const PREFACE: usize = 24;
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
