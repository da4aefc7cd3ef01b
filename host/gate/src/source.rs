//! An error in a file that a person wrote: the place, what is wrong, and what to change.
use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A mistake in a configuration or policy file. The text of the file is kept, to show the line.
#[derive(Clone)]
pub struct SourceError {
    path: PathBuf,
    source: Arc<NamedSource<Arc<str>>>,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

/// A file that a person wrote, as it was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: PathBuf,
    pub text: Arc<str>,
}

impl SourceFile {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// An error about these bytes of the file.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> SourceError {
        let length = self.text.len();
        let span = span.start.min(length)..span.end.min(length);
        let name = self.path.display().to_string();
        let source = Arc::new(NamedSource::new(name, self.text.clone()));
        SourceError { path: self.path.clone(), source, span, message: message.into(), help: None }
    }

    /// What a TOML reader says, with a suggestion where it met a word it does not know.
    pub fn toml_error(&self, error: &toml::de::Error) -> SourceError {
        let message = error.message().lines().next().unwrap_or_default().trim_end();
        let made = self.error(error.span().unwrap_or(0..0), message);
        match suggestion(message) {
            Some(word) => made.with_help(format!("did you mean `{word}`?")),
            None => made,
        }
    }
}

impl SourceError {
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn message(&self) -> &str {
        &self.message
    }
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn place(&self) -> (usize, usize) {
        let before = self.source.inner().get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let column =
            before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        (line, column)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.place();
        write!(f, "{}:{line}:{column}: {}", self.path.display(), self.message)
    }
}

/// Short: the text of the file may be long.
impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl std::error::Error for SourceError {}

impl Diagnostic for SourceError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source.as_ref())
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some("here".to_owned()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// The word among `known` that somebody is likely to have meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near =
        |one: &&str| strsim::damerau_levenshtein(word, one) <= MAX_DISTANCE.min(word.len() / 2);
    known.into_iter().filter(near).min_by_key(|one| strsim::damerau_levenshtein(word, one))
}

/// From serde's `unknown field `a`, expected one of `b`, `c``.
fn suggestion(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let word = quoted.next()?;
    nearest(word, quoted).map(str::to_owned)
}

/// Edits between a word and what was meant.
const MAX_DISTANCE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_path_line_and_column() {
        let file = SourceFile::new("a.toml", "x = 1\nüy = 2\n");
        let at = file.text.find("y =").unwrap();
        assert_eq!(file.error(at..at + 1, "wrong").to_string(), "a.toml:2:2: wrong");
    }

    #[test]
    fn an_unknown_word_gets_a_suggestion_only_when_one_is_near() {
        let said = "unknown field `methds`, expected one of `methods`, `paths`";
        assert_eq!(suggestion(said).as_deref(), Some("methods"));
        assert_eq!(suggestion("unknown field `colour`, expected one of `methods`, `paths`"), None);
        assert_eq!(suggestion("invalid type: integer `3`, expected a string"), None);
    }

    #[test]
    fn the_nearest_word_shares_at_least_half_with_what_was_written() {
        for (word, near) in [
            ("htp", Some("http")),
            ("lgo", Some("log")),
            ("clocks", Some("clock")),
            ("tol", None),
            ("io", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["clock", "http", "log"]), near, "{word}");
        }
    }

    #[test]
    fn who_reads_an_error_sees_the_line_and_what_to_change() {
        let file = SourceFile::new("a.toml", "x = 1\ny = 20\nz = 3\n");
        let at = file.text.find("20").unwrap();
        let error = file.error(at..at + 2, "too many").with_help("write a smaller number");
        assert_eq!(
            (error.path(), error.message(), error.help_text()),
            (Path::new("a.toml"), "too many", Some("write a smaller number"))
        );
        let rendered = |error: &SourceError| {
            let mut text = String::new();
            miette::NarratableReportHandler::new().render_report(&mut text, error).unwrap();
            text
        };
        let text = rendered(&error);
        for shown in [
            "a.toml:2:5: too many",
            "snippet line 2: y = 20",
            "label at line 2, columns 5 to 6: here",
            "diagnostic help: write a smaller number",
        ] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!rendered(&file.error(0..1, "too many")).contains("help"));
    }
}
