//! `GET /metrics`, as Prometheus reads it.
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Error, Registry, TextEncoder};
use tokio::net::TcpListener;

pub(super) fn router(registry: Registry) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(registry)
}

pub(super) async fn serve(listener: TcpListener, metrics: Router) -> std::io::Result<()> {
    axum::serve(listener, metrics.layer(from_fn(by_address))).await
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match text(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) fn text(registry: &Registry) -> Result<String, Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

/// A web page can have a name of its own lead to this machine. It cannot ask by an address, nor as `localhost`.
async fn by_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let is_here = host.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
    });
    if is_here { next.run(request).await } else { StatusCode::MISDIRECTED_REQUEST.into_response() }
}

/// The text format, version 0.0.4.
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
