//! A server over TLS that answers as it is told, and can be held.
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What a server saw.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let line = lines.next().unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self { line, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a key in the form that was posted.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Answer = Box<dyn Fn(&Request, usize) -> Vec<u8> + Send + Sync>;

pub(crate) struct Endpoint {
    pub(crate) port: u16,
    /// Who signed its certificate, in PEM form.
    pub(crate) authority: String,
    desk: Arc<Desk>,
}

struct Desk {
    answer: Answer,
    seen: Mutex<Vec<Request>>,
    /// Of every answer about items from now on, in place of what would be told.
    echo: Mutex<Option<String>>,
    arrived: Notify,
    open: Semaphore,
}

impl Endpoint {
    /// Answers each request by itself and by how many there were before.
    pub(crate) async fn start(
        answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let endpoint = Self::held(answer).await;
        endpoint.let_go();
        endpoint
    }

    /// One that takes requests and answers none before it is let go.
    pub(crate) async fn held(
        answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let (tls, authority) = certified();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, echo) = (Mutex::default(), Mutex::default());
        let (arrived, open) = (Notify::new(), Semaphore::new(0));
        let desk = Arc::new(Desk { answer: Box::new(answer), seen, echo, arrived, open });
        tokio::spawn(accept(listener, tls, desk.clone()));
        Self { port, authority, desk }
    }

    pub(crate) fn let_go(&self) {
        self.desk.open.add_permits(Semaphore::MAX_PERMITS >> 4);
    }

    /// Answers one request.
    pub(crate) fn let_one_go(&self) {
        self.desk.open.add_permits(1);
    }

    /// Tells this from now on of every item.
    pub(crate) fn echo(&self, text: &str) {
        *self.desk.echo.lock().unwrap() = Some(text.to_owned());
    }

    pub(crate) async fn has_request(&self) {
        self.desk.arrived.notified().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.desk.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, desk) = (tls.clone(), desk.clone());
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                converse(stream, &desk).await;
            }
        });
    }
}

async fn converse(mut stream: TlsStream<TcpStream>, desk: &Desk) -> Option<()> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
    let request = Request::parse(&String::from_utf8(bytes).unwrap());
    let number = {
        let mut seen = desk.seen.lock().unwrap();
        seen.push(request.clone());
        seen.len().saturating_sub(1)
    };
    desk.arrived.notify_one();
    desk.open.acquire().await.unwrap().forget();
    let echo = desk.echo.lock().unwrap().clone();
    let told = match echo {
        Some(text) if request.line.contains(" /items/") => {
            answer("200 OK", "application/json", &format!("\"{text}\""))
        }
        _ => (desk.answer)(&request, number),
    };
    stream.write_all(&told).await.ok()?;
    stream.shutdown().await.ok()
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
    });
    body.len() >= length.unwrap_or(0)
}

fn certified() -> (TlsAcceptor, String) {
    let root = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&root).unwrap().pem();
    let issuer = Issuer::new(params, root);
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority)
}

pub(crate) fn answer(status: &str, media_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}
