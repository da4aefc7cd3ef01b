//! What the host tells a collector of itself: spans and metrics. Nothing in them is a credential, and none goes along.
use http::{HeaderValue, Method, header};
use toolward_gate::PrivateRanges;

use crate::{
    egress::EgressSettings,
    grant::VaultError,
    host_request::{Endpoint, EndpointError, HostRequests, PostError},
};

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    #[error(
        "a collector is named by its whole URL, as `https://collector.example.com:4318`; `http` is for an address of this machine, as `http://127.0.0.1:4318`: {0}"
    )]
    Url(&'static str),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Why something was not told. Nothing here repeats what the collector said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Request(#[from] PostError),
    #[error("the collector answers {0}")]
    Status(u16),
}

/// The way to one collector: over TLS, or to this machine by a loopback address; without redirects, within 10
/// seconds a report.
pub struct Reports {
    requests: HostRequests,
    traces: Endpoint,
    metrics: Endpoint,
    allow_private: PrivateRanges,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

/// What is told (OTLP specification, "OTLP/HTTP request").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Traces,
    Metrics,
}

impl Reports {
    /// `allow_private` names networks besides the public one that the collector may be in. This machine need not
    /// be named where the URL holds one of its loopback addresses.
    pub fn new(
        settings: EgressSettings,
        collector: &str,
        allow_private: PrivateRanges,
    ) -> Result<Self, ReportsError> {
        let (traces, metrics) = (endpoint(collector, TRACES)?, endpoint(collector, METRICS)?);
        let allow_private =
            if traces.is_here() { PrivateRanges::loopback() } else { allow_private };
        let requests = HostRequests::of(settings)?;
        Ok(Self { requests, traces, metrics, allow_private })
    }

    /// Whether a text names a collector. Nobody is asked.
    pub fn check(collector: &str) -> Result<(), ReportsError> {
        endpoint(collector, TRACES).map(drop)
    }

    /// Tells once: what a collector does not take is not told again.
    pub async fn tell(&self, report: Report, protobuf: Vec<u8>) -> Result<(), ReportError> {
        let to = match report {
            Report::Traces => &self.traces,
            Report::Metrics => &self.metrics,
        };
        let fields = vec![(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF))];
        let sent = self.requests.send(Method::POST, to, &self.allow_private, fields, protobuf);
        let answer = sent.await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(ReportError::Status(answer.status.as_u16()))
        }
    }
}

fn endpoint(collector: &str, path: &str) -> Result<Endpoint, ReportsError> {
    let url = format!("{}{path}", collector.trim_end_matches('/'));
    url.parse().map_err(|error| match error {
        EndpointError::Form(why) => ReportsError::Url(why),
        EndpointError::Plain => ReportsError::Url("what is told would go in the clear"),
    })
}

const TRACES: &str = "/v1/traces";
const METRICS: &str = "/v1/metrics";
const PROTOBUF: &str = "application/x-protobuf";
