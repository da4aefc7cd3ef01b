//! Lines for the operator, in the audit entry of the call.
use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use toolward_gate::{Note, Notes, SandboxLimits};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::Capability;
use crate::{guest::Guest, text};
use bindings::toolward::tool::log::{self as wit, Field, Level};

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
    second: Second,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(notes: Notes, limits: &SandboxLimits) -> Self {
        let second = Second::of(limits.log_lines_per_second, Instant::now());
        let (lines_left, bytes_left) = (limits.log_lines, limits.log_bytes);
        Self { notes, lines_left, bytes_left, second, dropped: 0 }
    }

    fn write(&mut self, level: &str, message: &str, fields: Vec<Field>) {
        if !self.second.has_room(Instant::now()) || self.keep(level, message, fields).is_none() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn keep(&mut self, level: &str, message: &str, fields: Vec<Field>) -> Option<()> {
        let message = text::visible(message, false, LINE);
        let fields: BTreeMap<String, String> =
            fields.into_iter().take(FIELDS).map(|field| shown(&field)).collect();
        let in_fields = fields.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        let bytes = in_fields.fold(message.len(), usize::saturating_add);
        let left = self.lines_left.checked_sub(1).zip(self.bytes_left.checked_sub(bytes))?;
        (self.lines_left, self.bytes_left) = left;
        self.second.take();
        self.notes.add(Note::Logged { level: level.to_owned(), message, fields });
        Some(())
    }
}

fn shown(Field { name, value }: &Field) -> (String, String) {
    (text::visible(name, false, NAME), text::visible(value, false, VALUE))
}

/// Lines of one second. It begins with the first line after the one before is over.
struct Second {
    began_at: Instant,
    most: usize,
    left: usize,
}

impl Second {
    fn of(most: usize, began_at: Instant) -> Self {
        Self { began_at, most, left: most }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began_at) >= Duration::from_secs(1) {
            *self = Self::of(self.most, now);
        }
        self.left > 0
    }

    fn take(&mut self) {
        self.left = self.left.saturating_sub(1);
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
    fn emit(&mut self, level: Level, message: String, fields: Vec<Field>) -> Result<()> {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.write(level, &message, fields);
        Ok(())
    }
}

/// The longest message, in bytes.
const LINE: usize = 4 << 10;
/// Fields of one line.
const FIELDS: usize = 32;
/// The longest name and the longest value of a field, in bytes.
const NAME: usize = 64;
const VALUE: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use toolward_gate::{Note, Notes, SandboxLimits};

    use super::{Field, Log, Second};

    fn notes_of(limits: &SandboxLimits, lines: &[&str]) -> Vec<Note> {
        let notes = Notes::default();
        let mut log = Log::new(notes.clone(), limits);
        lines.iter().for_each(|line| log.write("info", line, Vec::new()));
        drop(log);
        notes.read()
    }

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.to_owned(), value: value.to_owned() }
    }

    /// The fields of one line that has these, and how many bytes that is.
    fn fields_of(fields: Vec<Field>) -> (Vec<(String, String)>, usize) {
        let notes = Notes::default();
        let limits = SandboxLimits { log_bytes: 50_000, ..SandboxLimits::default() };
        let mut log = Log::new(notes.clone(), &limits);
        log.write("info", "x", fields);
        let Some(Note::Logged { fields, .. }) = notes.read().into_iter().next() else { panic!() };
        (fields.into_iter().collect(), 50_000_usize.abs_diff(log.bytes_left))
    }

    #[test]
    fn lines_over_the_limit_are_counted_and_dropped() {
        let limits = SandboxLimits { log_lines: 1, ..SandboxLimits::default() };
        let notes = notes_of(&limits, &["one", "two", "three"]);
        assert!(matches!(&notes[0], Note::Logged { message, .. } if message == "one"));
        assert!(matches!(notes[1], Note::LogDropped { lines: 2 }));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn bytes_over_the_limit_are_counted_and_dropped() {
        let limits = SandboxLimits { log_bytes: 4, ..SandboxLimits::default() };
        let notes = notes_of(&limits, &["12345", "1234", "5"]);
        assert!(matches!(&notes[0], Note::Logged { message, .. } if message == "1234"));
        assert!(matches!(notes[1], Note::LogDropped { lines: 2 }));
    }

    #[test]
    fn lines_over_the_limit_of_a_second_are_counted_and_dropped() {
        let limits = SandboxLimits { log_lines_per_second: 2, ..SandboxLimits::default() };
        let notes = notes_of(&limits, &["one", "two", "three"]);
        assert!(matches!(notes[..], [_, _, Note::LogDropped { lines: 1 }]), "{notes:?}");
    }

    #[test]
    fn a_second_that_is_full_has_room_again_when_it_is_over() {
        let began_at = Instant::now();
        let mut second = Second::of(1, began_at);
        assert!(second.has_room(began_at));
        second.take();
        assert!(!second.has_room(began_at + Duration::from_millis(999)));
        assert!(second.has_room(began_at + Duration::from_secs(1)));
        second.take();
        assert!(!second.has_room(began_at + Duration::from_millis(1999)));
    }

    #[test]
    fn a_line_cannot_look_like_two() {
        let notes = notes_of(&SandboxLimits::default(), &["a\nerror b\u{1b}[1m"]);
        assert!(
            matches!(&notes[..], [Note::Logged { message, .. }] if message == "a\\nerror b\\u{1b}[1m")
        );
    }

    #[test]
    fn fields_are_kept_by_name_made_visible_and_cut() {
        let told = vec![field("repo", "a"), field("repo", "acme/site\n"), field("n\u{202e}", "1")];
        let (fields, bytes) = fields_of(told);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fields, [pair("n\\u{202e}", "1"), pair("repo", "acme/site\\n")]);
        assert_eq!(bytes, "x".len() + "n\\u{202e}1".len() + "repoacme/site\\n".len());
        let (fields, _) = fields_of(vec![field(&"n".repeat(99), &"v".repeat(9_999))]);
        assert_eq!(fields[0].0.chars().count(), 65);
        assert_eq!(fields[0].1.chars().count(), 1025);
        let many: Vec<Field> = (0..40).map(|one| field(&format!("{one:02}"), "")).collect();
        assert_eq!(fields_of(many).0.last().unwrap().0, "31");
    }

    #[test]
    fn the_bytes_of_fields_count() {
        let notes = Notes::default();
        let limits = SandboxLimits { log_bytes: 10, ..SandboxLimits::default() };
        let mut log = Log::new(notes.clone(), &limits);
        log.write("info", "12345", vec![field("name", "value")]);
        assert!(notes.read().is_empty());
        log.write("info", "12345", vec![field("n", "four")]);
        assert_eq!(notes.read().len(), 1);
    }
}
