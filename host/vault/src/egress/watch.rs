//! What does the span of a request say? What the capability says of it, and never what the tool wrote.
use toolward_gate::{CapabilityName, STEP};
use tracing::{Span, debug_span, field::Empty};

use crate::check::Checked;

/// One request, from its check to its shaped response; of a streamed one, to its head. Fields are named as the
/// semantic conventions of OpenTelemetry for HTTP clients name them, where they do.
pub(super) fn span(capability: &CapabilityName) -> Span {
    debug_span!(
        target: STEP,
        "egress",
        otel.kind = "client",
        otel.name = Empty,
        capability = %capability,
        http.request.method = Empty,
        server.address = Empty,
        server.port = Empty,
        url.template = Empty,
        http.response.status_code = Empty,
        outcome = Empty,
    )
}

/// The request fits its capability: from here on, what it is made of is the operator's.
pub(super) fn leaves(checked: &Checked) {
    let span = own();
    let (method, template) = (checked.method.as_str(), checked.template.as_str());
    span.record("http.request.method", method);
    span.record("url.template", template);
    span.record("server.address", checked.destination.host.as_str());
    span.record("server.port", checked.destination.port);
    span.record("otel.name", tracing::field::display(format_args!("{method} {template}")));
}

pub(super) fn answered(status: u16) {
    own().record("http.response.status_code", status);
}

/// Where nobody listens to steps there is no such span, and what is around it is left as it is.
fn own() -> Span {
    let current = Span::current();
    let is_ours = current.metadata().is_some_and(|it| it.target() == STEP && it.name() == NAME);
    if is_ours { current } else { Span::none() }
}

const NAME: &str = "egress";
