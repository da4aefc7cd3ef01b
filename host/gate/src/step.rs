//! Which steps does a call take, for whoever measures them? A span each.
//!
//! What stands in these spans comes from the configuration or from a closed list: no argument, no value, no text
//! of a tool, a caller or a server. They are made at the level `DEBUG`, but for the call itself, and cost next to
//! nothing where nobody listens.
use tracing::{Instrument as _, Span};

use crate::fields;

/// The target of every such span. Their names, and the fields each has, are what a measure is made of.
pub const STEP: &str = "toolward::step";

/// Takes one step in its span, and writes down how it ended: `ok`, or the code of the error. A step that is
/// dropped half way has no outcome.
pub async fn step<T, E>(
    span: Span,
    work: impl Future<Output = Result<T, E>>,
    code: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let done = work.instrument(span.clone()).await;
    span.record(fields::OUTCOME, done.as_ref().map_or_else(code, |_| "ok"));
    done
}
