//! Which trace does a call belong to? W3C Trace Context, in from callers and out to servers.
//!
//! Of what a caller sends, the ids of `traceparent` are taken and nothing else: not `tracestate` and not `baggage`,
//! which are texts of the caller's, and not the wish to be sampled. What goes out names this host's span, and goes
//! only to servers whose capability says `trace_context`.
use http::HeaderValue;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use toolward_gate::STEP;
use toolward_vault::TraceContext;
use tracing::{Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The span of one request at a door, within the trace that its `traceparent` names, if it has one that is right.
/// `method` is one of the protocol, as `tools/call`, and neither it nor `door` is a text of the caller's.
pub fn request(door: &'static str, method: &'static str, traceparent: Option<&str>) -> Span {
    let span = debug_span!(
        target: STEP,
        "request",
        otel.kind = "server",
        otel.name = method,
        mcp.method.name = method,
        door,
    );
    if let Some(parent) = traceparent.and_then(parent) {
        // Without anybody to tell of it, there is no trace to belong to.
        drop(span.set_parent(parent));
    }
    span
}

/// Reads a `traceparent` of version 00 (W3C Trace Context section 3.2.2). A later version would be read as this one;
/// what is longer than this one may hold anything.
fn parent(traceparent: &str) -> Option<Context> {
    if traceparent.len() != LENGTH || !traceparent.starts_with("00-") {
        return None;
    }
    let context =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &One(traceparent));
    context.has_active_span().then_some(context)
}

struct One<'a>(&'a str);

impl Extractor for One<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }
    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Tells the vault which span a request leaves in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Propagated;

impl TraceContext for Propagated {
    fn traceparent(&self) -> Option<HeaderValue> {
        let mut written = Written::default();
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut written);
        written.0
    }
}

#[derive(Default)]
struct Written(Option<HeaderValue>);

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = value.parse().ok();
        }
    }
}

const TRACEPARENT: &str = "traceparent";
/// Of version 00, in bytes.
const LENGTH: usize = 55;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_whole_or_not_at_all() {
        let right = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = parent(right).unwrap();
        let read = read.span().span_context().clone();
        assert_eq!(read.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319ü-b7ad6b716920333-01",
        ] {
            assert!(parent(wrong).is_none(), "{wrong}");
        }
    }
}
