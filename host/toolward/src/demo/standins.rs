//! Loopback stand-ins for the three APIs, which remember what they were sent.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// One request as an API saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// What the stand-ins share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seen: Mutex<Vec<Seen>>,
    slow_began: Notify,
    slow_ended: Notify,
}

impl Ledger {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Waits until a slow request has arrived.
    pub(crate) async fn slow_began(&self) {
        self.0.slow_began.notified().await;
    }
    /// Waits until the connection of a slow request is gone.
    pub(crate) async fn slow_ended(&self) {
        self.0.slow_ended.notified().await;
    }

    fn note(&self, path: impl Into<String>, headers: &HeaderMap) {
        let authorization = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Seen { path: path.into(), authorization });
    }
}

/// The running stand-ins.
#[derive(Debug)]
pub(crate) struct StandIns {
    pub(crate) ledger: Ledger,
    pub(crate) weather: SocketAddr,
    pub(crate) github: SocketAddr,
    pub(crate) payments: SocketAddr,
}

impl StandIns {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let ledger = Ledger::default();
        Ok(Self {
            weather: serve(weather(ledger.clone())).await?,
            github: serve(github(ledger.clone())).await?,
            payments: serve(payments(ledger.clone())).await?,
            ledger,
        })
    }
}

async fn serve(router: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .context("a stand-in cannot listen on 127.0.0.1")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "a stand-in ended");
        }
    });
    Ok(address)
}

/// Answers in the form of the Open-Meteo geocoding and forecast APIs.
fn weather(ledger: Ledger) -> Router {
    Router::new()
        .route("/v1/search", get(|| async { Json(json!({"results": [{"name": "Berlin", "latitude": 52.52, "longitude": 13.41, "country": "Germany", "timezone": "Europe/Berlin"}]})) }))
        .route("/v1/forecast", get(|| async {
            Json(json!({
                "latitude": 52.52, "longitude": 13.41, "timezone": "Europe/Berlin",
                "current_units": {"temperature_2m": "°C", "wind_speed_10m": "km/h"},
                "current": {"time": "2026-11-21T12:00", "temperature_2m": 7.4, "wind_speed_10m": 11.2},
                "daily_units": {"temperature_2m_max": "°C", "temperature_2m_min": "°C"},
                "daily": {"time": ["2026-11-21"], "temperature_2m_max": [9.1], "temperature_2m_min": [3.0]},
            }))
        }))
        .with_state(ledger)
}

/// Answers in the form of the GitHub REST API, version 2022-11-28.
fn github(ledger: Ledger) -> Router {
    Router::new()
        .route("/repos/{owner}/{repo}/issues", get(list_issues).post(open_issue))
        .route("/repos/{owner}/{repo}/issues/{number}", get(read_issue))
        .route("/repos/{owner}/{repo}/issues/{number}/comments", post(comment_issue))
        .route("/debug/echo", get(echo))
        .route("/debug/slow", get(slow))
        .with_state(ledger)
}

fn issue(number: u64, title: &str) -> Value {
    json!({
        "number": number, "title": title, "state": "open", "body": "It happens on every page.", "comments": 0,
        "html_url": format!("https://github.com/acme/site/issues/{number}"),
        "user": {"login": "ana"}, "labels": [], "created_at": "2026-11-20T08:00:00Z",
    })
}

async fn list_issues(
    State(ledger): State<Ledger>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Json<Value> {
    ledger.note(format!("/repos/{owner}/{repo}/issues"), &headers);
    Json(json!([issue(1, MARKER)]))
}

async fn read_issue(
    State(ledger): State<Ledger>,
    Path((owner, repo, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Json<Value> {
    ledger.note(format!("/repos/{owner}/{repo}/issues/{number}"), &headers);
    Json(issue(number, MARKER))
}

async fn open_issue(
    State(ledger): State<Ledger>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
    Json(new): Json<Value>,
) -> impl IntoResponse {
    ledger.note(format!("/repos/{owner}/{repo}/issues"), &headers);
    let title = new.get("title").and_then(Value::as_str).unwrap_or_default();
    (StatusCode::CREATED, Json(issue(2, title)))
}

async fn comment_issue(
    State(ledger): State<Ledger>,
    Path((owner, repo, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> impl IntoResponse {
    ledger.note(format!("/repos/{owner}/{repo}/issues/{number}/comments"), &headers);
    let comment = json!({"id": 1, "html_url": format!("https://github.com/{owner}/{repo}/issues/{number}#issuecomment-1")});
    (StatusCode::CREATED, Json(comment))
}

/// A server that shows its caller what it was sent, as debug pages do.
async fn echo(State(ledger): State<Ledger>, headers: HeaderMap) -> Json<Value> {
    ledger.note("/debug/echo", &headers);
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    Json(json!({"you sent": {"authorization": authorization}}))
}

/// A server that does not answer. It notices when its caller hangs up.
async fn slow(State(ledger): State<Ledger>, headers: HeaderMap) -> Json<Value> {
    struct Gone(Ledger);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.0.slow_ended.notify_one();
        }
    }
    ledger.note("/debug/slow", &headers);
    let _gone = Gone(ledger.clone());
    ledger.0.slow_began.notify_one();
    std::future::pending().await
}

/// Answers in the form of the Stripe API.
fn payments(ledger: Ledger) -> Router {
    Router::new().route("/v1/payment_intents", post(charge)).with_state(ledger)
}

async fn charge(State(ledger): State<Ledger>, headers: HeaderMap, form: String) -> Json<Value> {
    ledger.note("/v1/payment_intents", &headers);
    let field = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    };
    let amount: u64 = field("amount").and_then(|amount| amount.parse().ok()).unwrap_or_default();
    Json(json!({
        "id": "pi_demo", "object": "payment_intent", "status": "requires_payment_method",
        "amount": amount, "currency": field("currency").unwrap_or("eur"), "created": 1_700_000_000,
    }))
}

/// What the guest *does* receive: finding it proves that a sweep can find.
pub(crate) const MARKER: &str = "The login button is blue-green-7731";
