//! Lines for the operator, in the audit entry of the call.
use toolward_gate::{Note, Notes, SandboxTerms};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::Capability;
use crate::{guest::Guest, text};
use bindings::toolward::tool::log::{self as wit, Level};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world logging { import toolward:tool/log@0.1.0; }",
        world: "toolward:host/logging",
        imports: { default: trappable },
    });
}

pub(crate) struct Logging;

impl Capability for Logging {
    fn interface(&self) -> &'static str {
        "log"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<Log>>(linker, |guest| &mut guest.log)
    }
}

/// What one call may still log. What is over is counted, and told when the call ends in whatever way.
pub(crate) struct Log {
    notes: Notes,
    lines_left: usize,
    bytes_left: usize,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(notes: Notes, terms: &SandboxTerms) -> Self {
        Self { notes, lines_left: terms.log_lines, bytes_left: terms.log_bytes, dropped: 0 }
    }

    fn write(&mut self, level: &str, message: &str) {
        let message = text::visible(message, false, LINE);
        let left = self.lines_left.checked_sub(1).zip(self.bytes_left.checked_sub(message.len()));
        let Some((lines_left, bytes_left)) = left else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        (self.lines_left, self.bytes_left) = (lines_left, bytes_left);
        self.notes.add(Note::Logged { level: level.to_owned(), message });
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.dropped > 0 {
            self.notes.add(Note::LogDropped { lines: self.dropped });
        }
    }
}

impl wit::Host for Log {
    fn emit(&mut self, level: Level, message: String) -> Result<()> {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.write(level, &message);
        Ok(())
    }
}

/// The longest line, in bytes.
const LINE: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use toolward_gate::{Note, Notes, SandboxTerms};

    use super::Log;

    fn notes_of(terms: &SandboxTerms, lines: &[&str]) -> Vec<Note> {
        let notes = Notes::default();
        let mut log = Log::new(notes.clone(), terms);
        lines.iter().for_each(|line| log.write("info", line));
        drop(log);
        notes.read()
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_dropped() {
        let terms = SandboxTerms { log_lines: 1, ..SandboxTerms::default() };
        let notes = notes_of(&terms, &["one", "two", "three"]);
        assert!(matches!(&notes[0], Note::Logged { message, .. } if message == "one"));
        assert!(matches!(notes[1], Note::LogDropped { lines: 2 }));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn bytes_over_the_limit_are_counted_and_dropped() {
        let terms = SandboxTerms { log_bytes: 4, ..SandboxTerms::default() };
        let notes = notes_of(&terms, &["12345", "1234", "5"]);
        assert!(matches!(&notes[0], Note::Logged { message, .. } if message == "1234"));
        assert!(matches!(notes[1], Note::LogDropped { lines: 2 }));
    }

    #[test]
    fn a_line_cannot_look_like_two() {
        let notes = notes_of(&SandboxTerms::default(), &["a\nerror b\u{1b}[1m"]);
        assert!(
            matches!(&notes[..], [Note::Logged { message, .. }] if message == "a\\nerror b\\u{1b}[1m")
        );
    }
}
