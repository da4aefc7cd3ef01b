//! Lines for the operator, kept in the audit entry of the call.
use toolward_gate::Note;
use wasmtime::component::{HasSelf, Linker};

use super::Capability;
use crate::{
    bindings::toolward::tool::log::{self, Level},
    guest::Guest,
};

pub(super) struct Logging;

impl Capability for Logging {
    fn name(&self) -> &'static str {
        "log"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        log::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

/// What a call has logged so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: usize,
    bytes: usize,
    pub(crate) dropped: u64,
}

impl log::Host for Guest {
    async fn emit(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let message = visible(&message);
        let bytes = self.log.bytes.saturating_add(message.len());
        if self.log.lines >= self.terms().log_lines || bytes > self.terms().log_bytes {
            self.log.dropped = self.log.dropped.saturating_add(1);
            return Ok(());
        }
        self.log.lines = self.log.lines.saturating_add(1);
        self.log.bytes = bytes;
        self.note(Note::Logged { level: name(level).to_owned(), message });
        Ok(())
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// One line that a terminal shows as it is: control characters and what turns the direction of text are
/// written out.
fn visible(message: &str) -> String {
    let hidden = |one: char| {
        one.is_control()
            || matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut line = String::new();
    for one in message.chars() {
        if line.len() >= MAX_LINE {
            line.push('…');
            break;
        }
        if hidden(one) { line.extend(one.escape_unicode()) } else { line.push(one) }
    }
    line
}

/// Bytes of one line.
const MAX_LINE: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out_and_long_lines_cut() {
        assert_eq!(visible("a\u{1b}[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
        assert_eq!(visible("straße"), "straße");
        assert!(visible(&"x".repeat(10_000)).len() < MAX_LINE + 8);
    }
}
