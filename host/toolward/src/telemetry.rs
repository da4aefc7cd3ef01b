//! How is the host doing? Metrics and traces, for those who run it.
//!
//! ```text
//! steps of calls --spans of the target `toolward::step`--> metrics --> Prometheus, OTLP
//!                                                    \---> traces  --> OTLP
//! ```
//!
//! The crates below make spans and know nothing of this one. What is told is what stands in a list here: which
//! spans are measured, which of their fields are labels, and which are attributes of a trace. A label is a name
//! from the configuration or a word of the host's own, so that no caller and no tool makes a new series; events
//! and all other spans stay in the log.
//!
//! Environment variables change nothing of it, and what cannot be told is let go: a collector that is away stops
//! no call.
mod context;
mod export;
mod instruments;
mod layer;
mod prometheus;
mod vocabulary;

pub use context::{Propagated, request};
pub use prometheus::METRICS_TYPE;

use std::{sync::Arc, time::Duration};

use axum::Router;
use opentelemetry::{KeyValue, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits},
};
use tokio::runtime::Handle;
use toolward_gate::STEP;
use toolward_vault::{EgressSettings, Reports, ReportsError};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{Targets, filter_fn},
    registry::LookupSpan,
};

use self::{export::Way, instruments::Instruments, layer::Steps, vocabulary::Vocabulary};
use crate::config::{OtlpConfig, TelemetryConfig};

/// What measures one host, and tells of it.
pub struct Telemetry {
    vocabulary: Arc<Vocabulary>,
    instruments: Arc<Instruments>,
    registry: ::prometheus::Registry,
    meters: SdkMeterProvider,
    traces: Option<SdkTracerProvider>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(transparent)]
    Reports(#[from] ReportsError),
    #[error("the metrics cannot be set up: {0}")]
    Metrics(String),
}

impl Telemetry {
    /// `egress` says how a collector is reached, and `runtime` where that is done: it must not be one of a single
    /// thread that waits for [`Self::end`].
    pub fn new(
        config: &TelemetryConfig,
        egress: EgressSettings,
        runtime: Handle,
    ) -> Result<Self, TelemetryError> {
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", config.service_name.clone()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let registry = ::prometheus::Registry::new();
        let pulled = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| TelemetryError::Metrics(error.to_string()))?;
        let mut meters =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(pulled);
        let mut traces = None;
        if let Some(otlp) = &config.otlp {
            let reports = Reports::new(egress, &otlp.endpoint, otlp.allow_private.clone())?;
            let way = Way::new(reports, runtime);
            let pushed = PeriodicReader::builder(export::Metrics::new(way.clone()));
            meters = meters.with_reader(pushed.with_interval(otlp.every).build());
            traces = Some(tracer(otlp, resource, way));
        }
        let meters = meters.build();
        let instruments = Arc::new(Instruments::new(&meters.meter(SCOPE)));
        Ok(Self { vocabulary: Arc::default(), instruments, registry, meters, traces })
    }

    /// What listens to the host's steps: to be put into a subscriber, below the log.
    pub fn layers<S>(&self) -> Vec<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let steps = Steps::new(self.vocabulary.clone(), self.instruments.clone());
        let mut layers = vec![steps.with_filter(of_steps()).boxed()];
        if let Some(traces) = &self.traces {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer(SCOPE))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false);
            let only_spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == STEP)
                .with_max_level_hint(LevelFilter::DEBUG);
            layers.push(spans.with_filter(only_spans).boxed());
        }
        layers
    }

    /// Names that may be labels from now on, besides those that were: of tools, capabilities and credentials. What
    /// has another name is counted as `other`.
    pub fn know<'a>(
        &self,
        tools: impl IntoIterator<Item = &'a str>,
        capabilities: impl IntoIterator<Item = &'a str>,
        credentials: impl IntoIterator<Item = &'a str>,
    ) {
        self.vocabulary.add(vocabulary::Kind::Tool, tools);
        self.vocabulary.add(vocabulary::Kind::Capability, capabilities);
        self.vocabulary.add(vocabulary::Kind::Credential, credentials);
    }

    /// What is measured, in the text format of Prometheus. Who may see it is checked before.
    pub fn text(&self) -> Result<String, ::prometheus::Error> {
        prometheus::text(&self.registry)
    }

    /// `GET /metrics`, in the text format of Prometheus. It asks for no token: who serves it decides who gets there.
    pub fn metrics(&self) -> Router {
        prometheus::router(self.registry.clone())
    }

    /// Serves [`Self::metrics`] on an address that only this machine reaches, for ever.
    pub async fn serve(&self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        prometheus::serve(listener, self.metrics()).await
    }

    /// Tells what was not told yet. It waits, for 10 seconds at most: not to be called where other work waits for
    /// the same thread.
    pub fn end(&self) {
        // What cannot be told has been said in the log.
        if let Some(traces) = &self.traces {
            drop(traces.shutdown_with_timeout(PATIENCE));
        }
        drop(self.meters.shutdown_with_timeout(PATIENCE));
    }
}

/// Every span is decided on by the host alone: a caller's `traceparent` names the trace, and does not say whether
/// it is kept. Nothing is taken from the environment: each setting is given.
fn tracer(otlp: &OtlpConfig, resource: Resource, way: Way) -> SdkTracerProvider {
    let queue = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(BATCH_DELAY)
        .build();
    let spans =
        BatchSpanProcessor::builder(export::Spans::new(way)).with_batch_config(queue).build();
    SdkTracerProvider::builder()
        .with_sampler(Sampler::TraceIdRatioBased(otlp.sample))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource)
        .with_span_processor(spans)
        .build()
}

fn of_steps() -> Targets {
    Targets::new().with_target(STEP, LevelFilter::TRACE)
}

/// Who measures, as traces and metrics name it.
const SCOPE: &str = "toolward";
/// Spans that wait to be told; over this, they are let go.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
const BATCH_DELAY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
