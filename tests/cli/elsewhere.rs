//! Another server on 127.0.0.1: it gives tokens and takes them back, is told of checkpoints, and keeps objects.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header, request::Parts},
};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

/// The token that it gives.
pub(crate) const MINTED: &str = "at_4Kd81xQz7mW0pLr5vTnB4yGh";

pub(crate) struct Elsewhere {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    /// Serves until it is dropped.
    _runtime: Runtime,
}

#[derive(Default)]
struct Desk {
    seen: Vec<Seen>,
    objects: BTreeMap<String, String>,
    /// What it says to everything from now on.
    refuses: Option<StatusCode>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) body: String,
    pub(crate) signature: Option<String>,
}

impl Elsewhere {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let (address, desk) = (listener.local_addr().unwrap(), Arc::<Mutex<Desk>>::default());
        let router = Router::new().fallback(answer).with_state(desk.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, desk, _runtime: runtime }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests for this path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let desk = self.desk.lock().unwrap();
        desk.seen.iter().filter(|seen| seen.line.contains(path)).cloned().collect()
    }

    pub(crate) fn refuse(&self, with: Option<StatusCode>) {
        self.desk.lock().unwrap().refuses = with;
    }

    /// The objects that it keeps, in the order of their names.
    pub(crate) fn objects(&self) -> BTreeMap<String, String> {
        self.desk.lock().unwrap().objects.clone()
    }

    pub(crate) fn replace(&self, objects: BTreeMap<String, String>) {
        self.desk.lock().unwrap().objects = objects;
    }
}

type Told = (StatusCode, [(HeaderName, &'static str); 1], String);

async fn answer(State(desk): State<Arc<Mutex<Desk>>>, request: Request) -> Told {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let signature = text("webhook-signature").or_else(|| text("authorization"));
    let line = format!("{} {}", parts.method, parts.uri);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let (status, text) = act(&mut desk.lock().unwrap(), &parts, Seen { line, body, signature });
    (status, json, text)
}

fn act(desk: &mut Desk, parts: &Parts, seen: Seen) -> (StatusCode, String) {
    let body = seen.body.clone();
    desk.seen.push(seen);
    // Tokens are given all the same.
    if let Some(status) = desk.refuses.filter(|_| parts.uri.path() != "/token") {
        return (status, "m4rk".to_owned());
    }
    match (parts.method.as_str(), parts.uri.path()) {
        ("POST", "/token") => (StatusCode::OK, token()),
        ("POST", "/revoke" | "/hook") => (StatusCode::OK, String::new()),
        ("PUT", path) => {
            desk.objects.insert(path.trim_start_matches("/audit/").to_owned(), body);
            (StatusCode::OK, String::new())
        }
        ("GET", "/audit/") => (StatusCode::OK, list(&desk.objects, parts.uri.query().unwrap())),
        ("GET", path) => match desk.objects.get(path.trim_start_matches("/audit/")) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => (StatusCode::NOT_FOUND, String::new()),
        },
        _ => (StatusCode::NOT_FOUND, String::new()),
    }
}

fn list(objects: &BTreeMap<String, String>, query: &str) -> String {
    let after = query.split("start-after=").nth(1).unwrap().replace("%2F", "/");
    let keys = objects.keys().filter(|key| **key > after);
    let keys: String = keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{keys}</ListBucketResult>")
}

/// As a token endpoint answers.
fn token() -> String {
    json!({ "access_token": MINTED, "token_type": "Bearer", "expires_in": 900 }).to_string()
}
