//! Lines for the operator, in the audit entry of the call. The caller never sees them.
//!
//! Every tool wants `host:log:write` and does without it: a line that may not be written is dropped.
use std::cell::Cell;

use crate::{
    Capability,
    bindings::toolward::tool::log::{self as wire, Level},
};

/// Writes a line for somebody who looks for a fault.
pub fn debug(message: impl AsRef<str>) {
    emit(Level::Debug, message.as_ref());
}
/// Writes a line about what the tool did.
pub fn info(message: impl AsRef<str>) {
    emit(Level::Info, message.as_ref());
}
/// Writes a line that an operator should look at.
pub fn warn(message: impl AsRef<str>) {
    emit(Level::Warn, message.as_ref());
}
/// Writes a line about a failure.
pub fn error(message: impl AsRef<str>) {
    emit(Level::Error, message.as_ref());
}

fn emit(level: Level, message: &str) {
    if granted() {
        wire::emit(level, message);
    }
}

/// The last words of a tool that panics.
pub(crate) fn last_words(message: &str) {
    emit(Level::Error, message);
}

/// Asked once in a call: an import that was not granted ends the tool.
fn granted() -> bool {
    thread_local!(static GRANTED: Cell<Option<bool>> = const { Cell::new(None) });
    let granted = GRANTED.get().unwrap_or_else(|| Capability::obtain(CAPABILITY).is_ok());
    GRANTED.set(Some(granted));
    granted
}

const CAPABILITY: &str = "host:log:write";
