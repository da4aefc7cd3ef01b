//! What does a collector get? Metrics as they are, and of spans what stands in a list.
//!
//! The connection is one of the host's own, through the vault. A collector that does not take something does not
//! get it a second time: metrics add up, so the next report holds what this one did; spans are lost.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{KeyValue, Value, trace::Status};
use opentelemetry_proto::{
    tonic::collector::{
        metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanEvents, SpanExporter},
};
use prost::Message as _;
use tokio::runtime::Handle;
use toolward_gate::fields;
use toolward_vault::{Report, Reports};

/// The way to the collector. Clones share what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    reports: Arc<Reports>,
    runtime: Handle,
    /// Whether the last report was not taken: the log says so once.
    failing: Arc<AtomicBool>,
}

impl Way {
    pub(super) fn new(reports: Reports, runtime: Handle) -> Self {
        Self { reports: Arc::new(reports), runtime, failing: Arc::default() }
    }

    /// Waits on a thread that is not one of the runtime.
    async fn tell(&self, report: Report, body: Vec<u8>) -> OTelSdkResult {
        let reports = self.reports.clone();
        let told = self.runtime.spawn(async move { reports.tell(report, body).await });
        let failed = match told.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            None => Ok(()),
            Some(why) => {
                if !was_failing {
                    tracing::warn!(%why, "the collector does not take traces or metrics");
                }
                Err(OTelSdkError::InternalFailure(why))
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Metrics(Way);

impl Metrics {
    pub(super) fn new(way: Way) -> Self {
        Self(way)
    }
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let body = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        self.0.tell(Report::Metrics, body).await
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[derive(Debug)]
pub(super) struct Spans {
    way: Way,
    resource: ResourceAttributesWithSchema,
}

impl Spans {
    pub(super) fn new(way: Way) -> Self {
        Self { way, resource: ResourceAttributesWithSchema::default() }
    }
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let batch = batch.into_iter().map(told).collect();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        self.way.tell(Report::Traces, body).await
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// The span as it is told: with the attributes of [`TOLD`], and nothing else that anybody said.
fn told(span: SpanData) -> SpanData {
    let outcome = span.attributes.iter().find(|one| one.key.as_str() == fields::OUTCOME);
    let failed = outcome
        .map(|outcome| outcome.value.as_str().into_owned())
        .filter(|code| !GOOD.contains(&code.as_str()));
    let mut attributes: Vec<KeyValue> = span.attributes.into_iter().filter_map(renamed).collect();
    let status = match failed {
        None => Status::Unset,
        Some(code) => {
            attributes.push(KeyValue::new("error.type", Value::from(code)));
            Status::error("")
        }
    };
    // A link holds two ids: of the trace that a caller named.
    let events = SpanEvents::default();
    SpanData { attributes, dropped_attributes_count: 0, events, status, ..span }
}

fn renamed(KeyValue { key, value, .. }: KeyValue) -> Option<KeyValue> {
    let (_, name) = TOLD.iter().find(|(field, _)| *field == key.as_str())?;
    Some(KeyValue::new(*name, value))
}

/// Fields of spans, and what they are called in the semantic conventions of OpenTelemetry (GenAI, MCP and HTTP),
/// where these have a name. Each holds what the configuration says, a word of the host's own, a number, or who
/// calls.
const TOLD: &[(&str, &str)] = &[
    (fields::CALL_ID, "gen_ai.tool.call.id"),
    (fields::TOOL_NAME, "gen_ai.tool.name"),
    ("gen_ai.operation.name", "gen_ai.operation.name"),
    ("mcp.method.name", "mcp.method.name"),
    (fields::TOOL_DIGEST, "toolward.tool.digest"),
    (fields::PRINCIPAL_ID, "toolward.principal.id"),
    (fields::OUTCOME, "toolward.outcome"),
    ("door", "toolward.door"),
    ("capability", "toolward.capability"),
    ("credential", "toolward.credential"),
    ("http.request.method", "http.request.method"),
    ("http.response.status_code", "http.response.status_code"),
    ("server.address", "server.address"),
    ("server.port", "server.port"),
    ("url.template", "url.template"),
];
/// Outcomes that are not failures: what the policies say is an answer, and so is that a person is asked.
const GOOD: [&str; 5] = ["ok", "held", "allow", "ask", "refuse"];
