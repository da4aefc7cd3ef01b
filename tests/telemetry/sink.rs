//! A collector: it takes OTLP over HTTP on 127.0.0.1, and keeps what it was told.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::metric::Data,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, runtime::Runtime};

pub(super) struct Sink {
    pub(super) address: SocketAddr,
    told: Arc<Mutex<Told>>,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
pub(super) struct Told {
    pub(super) traces: Vec<ExportTraceServiceRequest>,
    pub(super) metrics: Vec<ExportMetricsServiceRequest>,
    /// Every body and every header field, as they came.
    pub(super) bytes: Vec<u8>,
}

type Shared = Arc<Mutex<Told>>;

impl Sink {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, told) = (listener.local_addr().unwrap(), Shared::default());
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .layer(DefaultBodyLimit::max(16 << 20))
            .with_state(told.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, told, _runtime: runtime }
    }

    pub(super) fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }
}

async fn traces(State(told): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut told = told.lock().unwrap();
    told.note(&headers, &body);
    told.traces.push(ExportTraceServiceRequest::decode(body).unwrap());
    StatusCode::OK
}

async fn metrics(State(told): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut told = told.lock().unwrap();
    told.note(&headers, &body);
    told.metrics.push(ExportMetricsServiceRequest::decode(body).unwrap());
    StatusCode::OK
}

impl Told {
    fn note(&mut self, headers: &HeaderMap, body: &[u8]) {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        for (name, value) in headers {
            self.bytes.extend_from_slice(name.as_str().as_bytes());
            self.bytes.extend_from_slice(value.as_bytes());
        }
        self.bytes.extend_from_slice(body);
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let scopes = self.traces.iter().flat_map(|request| &request.resource_spans);
        scopes.flat_map(|one| &one.scope_spans).flat_map(|one| one.spans.clone()).collect()
    }

    pub(super) fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no `{name}` among {names:?}")).clone()
    }

    /// Of every report.
    pub(super) fn resources(&self) -> Vec<Vec<KeyValue>> {
        let traces = self.traces.iter().flat_map(|one| &one.resource_spans);
        let metrics = self.metrics.iter().flat_map(|one| &one.resource_metrics);
        let resources = traces.map(|one| one.resource.clone());
        let resources = resources.chain(metrics.map(|one| one.resource.clone()));
        resources.map(|resource| resource.unwrap().attributes).collect()
    }

    /// The counts of a histogram with their labels, in the last report.
    pub(super) fn counts(&self, name: &str) -> Vec<(Vec<(String, String)>, u64)> {
        let metrics = self.metrics.iter().rev().flat_map(|one| &one.resource_metrics);
        let mut metrics = metrics.flat_map(|one| &one.scope_metrics).flat_map(|one| &one.metrics);
        let Some(metric) = metrics.find(|metric| metric.name == name) else { return Vec::new() };
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
        histogram.data_points.iter().map(|point| (pairs(&point.attributes), point.count)).collect()
    }
}

pub(super) fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|one| (one.key.clone(), text(one))).collect()
}

pub(super) fn attribute(span: &Span, key: &str) -> Option<String> {
    span.attributes.iter().find(|one| one.key == key).map(text)
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", attribute.key),
    }
}
