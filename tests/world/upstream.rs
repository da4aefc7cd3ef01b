//! A shop on loopback: it keeps what it is sent, and behaves well or badly as the path says.
mod echo;
mod issues;
mod open;
mod tls;

pub(crate) use echo::ECHOES;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify};

/// One request as the shop saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A running shop.
pub(crate) struct Upstream {
    address: SocketAddr,
    certificate: Option<String>,
    shop: Arc<Shop>,
    open: open::Open,
}

#[derive(Default)]
struct Shop {
    seen: Mutex<Vec<Seen>>,
    slow_began: Notify,
    slow_released: Notify,
    slow_ended: Notify,
}

impl Upstream {
    pub(crate) async fn start(secured: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, shop) = (listener.local_addr().unwrap(), Arc::<Shop>::default());
        let open = open::Open::default();
        let listener = open.listener(listener);
        let router = Router::new().fallback(answer).with_state(shop.clone());
        let certificate = if secured {
            let (listener, certificate) = tls::secured(listener);
            tokio::spawn(async move { axum::serve(listener, router).await });
            Some(certificate)
        } else {
            tokio::spawn(async move { axum::serve(listener, router).await });
            None
        };
        Self { address, certificate, shop, open }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }
    pub(super) fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shop.seen.lock().unwrap().clone()
    }
    /// Connections to the shop that are open: those that are kept for the next request, too.
    pub(crate) fn connections(&self) -> usize {
        self.open.count()
    }
    /// Waits until a request for `/items/slow` has arrived.
    pub(crate) async fn slow_began(&self) {
        within(self.shop.slow_began.notified()).await;
    }
    /// Lets the slow request be answered.
    pub(crate) fn release(&self) {
        self.shop.slow_released.notify_one();
    }
    /// Waits until the connection of the slow request is gone before it was answered.
    pub(crate) async fn slow_ended(&self) {
        within(self.shop.slow_ended.notified()).await;
    }
}

/// What is waited for happens soon, or never: then the test fails, and does not hang.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it did not happen")
}

async fn answer(State(shop): State<Arc<Shop>>, request: Request) -> Response {
    let seen = seen(request).await;
    shop.seen.lock().unwrap().push(seen.clone());
    let path = seen.target.split('?').next().unwrap_or_default();
    if let Some(issue) = issues::issue(path, &seen) {
        return issue;
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "slow" => slow(&shop).await,
        "payments" => Json(json!({ "number": 41 })).into_response(),
        "missing" => StatusCode::NOT_FOUND.into_response(),
        "page" => ([(header::CONTENT_TYPE, "text/html")], "<p>hello</p>").into_response(),
        "large" => Json(json!({ "title": "x".repeat(1 << 17) })).into_response(),
        "moved" => moved(seen.target.rsplit("page=").next().unwrap_or_default()),
        "cookie" => cookie(),
        "moved-here" => moved("/items/2"),
        "words" => Json(json!({ "id": "words", "title": MARKER, "usage": { "words": 200 } }))
            .into_response(),
        id => match echo::echoed(id, &seen) {
            Some(echoed) => echoed,
            None => Json(json!({ "id": id, "title": MARKER })).into_response(),
        },
    }
}

async fn seen(request: Request) -> Seen {
    let (parts, body): (_, Body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

fn moved(to: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response()
}

fn cookie() -> Response {
    let fields = [
        ("set-cookie", "session=1"),
        ("www-authenticate", "Basic realm=\"shop\""),
        ("x-internal", "10.0.0.7"),
        ("x-request-id", "7"),
    ];
    (fields, Json(json!({}))).into_response()
}

/// Answers only when it is released. It notices when its caller hangs up.
async fn slow(shop: &Arc<Shop>) -> Response {
    struct Waiting(Option<Arc<Shop>>);
    impl Drop for Waiting {
        fn drop(&mut self) {
            if let Some(shop) = self.0.take() {
                shop.slow_ended.notify_one();
            }
        }
    }
    let mut waiting = Waiting(Some(shop.clone()));
    shop.slow_began.notify_one();
    shop.slow_released.notified().await;
    waiting.0 = None;
    Json(json!({ "id": "slow", "title": MARKER })).into_response()
}

/// What a tool *does* receive: finding it proves that a search can find.
pub(crate) const MARKER: &str = "blue-green-7731";
