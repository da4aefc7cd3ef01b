//! What `cargo mutants --list --json` says of a mutant.
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// Its place in the list, from 1: 0 is the crate as it stands.
    #[serde(skip)]
    pub number: usize,
    name: String,
    pub file: String,
    pub genre: Genre,
    pub replacement: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    pub start: Place,
    pub end: Place,
}

/// Both from 1, in characters.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Place {
    line: usize,
    column: usize,
}

impl Mutant {
    /// With the line that it stands in today.
    pub fn placed(&self) -> &str {
        &self.name
    }

    /// As the reasons name it: without line and column, which move.
    pub fn name(&self) -> String {
        let what = self.name.splitn(4, ':').nth(3).unwrap_or_default();
        format!("{}:{what}", self.file)
    }
}

impl Place {
    /// Which byte of the text this is.
    pub fn byte(self, text: &str) -> usize {
        let before = text.split_inclusive('\n').take(self.line - 1).map(str::len).sum::<usize>();
        let line = text[before..].chars().take(self.column - 1);
        before + line.map(char::len_utf8).sum::<usize>()
    }
}
