//! Which trace does a call belong to? W3C Trace Context, in from callers and out to servers.
//!
//! A call begins a trace of the host's own, with a link to the one that its caller names: a caller could name the trace
//! of somebody else, and its ids would leave with a credential. Of what it sends, the ids of `traceparent` are taken
//! and nothing else: not `tracestate` and not `baggage`, which are texts of the caller's, and not the wish to be
//! sampled. What goes out names this host's span, and goes only to servers whose capability says `trace_context`.
use http::HeaderValue;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use toolward_gate::STEP;
use toolward_vault::TraceContext;
use tracing::{Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The span of one request at a door, with a link to what its `traceparent` names, if it has one that is right.
/// `method` is one of MCP, as `tools/call`, or a method of HTTP and a route; neither it nor `door` is a text of the
/// caller's.
pub fn request(door: &'static str, method: &'static str, traceparent: Option<&str>) -> Span {
    let of_mcp = (!method.contains(' ')).then_some(method);
    let span = debug_span!(
        target: STEP,
        "request",
        otel.kind = "server",
        otel.name = method,
        mcp.method.name = of_mcp,
        door,
    );
    if let Some(caller) = traceparent.and_then(caller) {
        span.add_link(caller);
    }
    span
}

/// Reads a `traceparent` of version 00 (W3C Trace Context section 3.2.2). A later version would be read as this one;
/// what is longer than this one may hold anything.
fn caller(traceparent: &str) -> Option<SpanContext> {
    if traceparent.len() != LENGTH || !traceparent.starts_with("00-") {
        return None;
    }
    let context =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &One(traceparent));
    let named = context.span().span_context().clone();
    named.is_valid().then_some(named)
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
        let read = caller(right).unwrap();
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
            assert!(caller(wrong).is_none(), "{wrong}");
        }
    }
}
