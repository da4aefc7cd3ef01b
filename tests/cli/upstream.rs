//! A server on 127.0.0.1 that answers as GitHub and Stripe do, and remembers what it was sent.
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    slow: Receiver<Slow>,
    /// Serves until it is dropped.
    _runtime: Runtime,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) traceparent: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Began,
    Ended,
}

#[derive(Clone)]
struct Ledger {
    seen: Arc<Mutex<Vec<Seen>>>,
    slow: Sender<Slow>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, slow) = channel();
        let ledger = Ledger { seen: Arc::default(), slow: sender };
        let seen = ledger.seen.clone();
        runtime.spawn(async move { axum::serve(listener, router(ledger)).await.unwrap() });
        Self { address, seen, slow, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a request came that is never answered.
    pub(crate) fn slow_began(&self) {
        assert_eq!(self.slow.recv_timeout(PATIENCE), Ok(Slow::Began));
    }

    /// Waits until the one who sent it has hung up.
    pub(crate) fn slow_ended(&self) {
        assert_eq!(self.slow.recv_timeout(PATIENCE), Ok(Slow::Ended));
    }
}

fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/repos/{owner}/{repo}/issues", get(list).post(open))
        .route("/repos/{owner}/{repo}/issues/{number}", get(read))
        .route("/debug/echo", get(echo))
        .route("/debug/slow", get(slow))
        .route("/v1/payment_intents", post(charge))
        .with_state(ledger)
}

impl Ledger {
    fn note(&self, uri: &Uri, headers: &HeaderMap) -> String {
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap());
        let authorization = authorization.unwrap_or_default().to_owned();
        let traceparent =
            headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        let (path, authorization_seen) = (uri.path().to_owned(), authorization.clone());
        let seen = Seen { path, authorization: authorization_seen, traceparent };
        self.seen.lock().unwrap().push(seen);
        authorization
    }
}

fn issue(number: u64, title: &str) -> Value {
    json!({ "number": number, "title": title, "state": "open", "body": "It happens.", "html_url": "https://github.com/acme/site/issues/1" })
}

async fn list(State(ledger): State<Ledger>, uri: Uri, headers: HeaderMap) -> Json<Value> {
    ledger.note(&uri, &headers);
    Json(json!([issue(1, "Broken link")]))
}

async fn open(
    State(ledger): State<Ledger>,
    uri: Uri,
    headers: HeaderMap,
    Json(new): Json<Value>,
) -> (StatusCode, Json<Value>) {
    ledger.note(&uri, &headers);
    (StatusCode::CREATED, Json(issue(2, new["title"].as_str().unwrap())))
}

/// There is one issue.
async fn read(
    State(ledger): State<Ledger>,
    Path((_, _, number)): Path<(String, String, u64)>,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    ledger.note(&uri, &headers);
    match number {
        1 => (StatusCode::OK, Json(issue(1, "Broken link"))),
        _ => (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" }))),
    }
}

/// Shows its caller what it was sent.
async fn echo(State(ledger): State<Ledger>, uri: Uri, headers: HeaderMap) -> String {
    ledger.note(&uri, &headers)
}

/// Never answers, and notices when its caller hangs up.
async fn slow(State(ledger): State<Ledger>, uri: Uri, headers: HeaderMap) -> String {
    struct Gone(Sender<Slow>);
    impl Drop for Gone {
        fn drop(&mut self) {
            // Nobody may be interested any more.
            let _told = self.0.send(Slow::Ended);
        }
    }
    ledger.note(&uri, &headers);
    let _gone = Gone(ledger.slow.clone());
    ledger.slow.send(Slow::Began).unwrap();
    std::future::pending().await
}

async fn charge(State(ledger): State<Ledger>, uri: Uri, headers: HeaderMap) -> Json<Value> {
    ledger.note(&uri, &headers);
    Json(
        json!({ "id": "pi_1", "status": "requires_payment_method", "amount": 1000, "currency": "eur" }),
    )
}

/// Only a test that fails waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
