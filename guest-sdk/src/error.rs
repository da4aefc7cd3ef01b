//! What a tool says when it could not do what it was asked.
use std::fmt;

/// Why a tool failed: a code that programs match on, and a sentence for the caller.
///
/// Both reach the caller. The host shortens what is long, and adds nothing of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    /// Short and stable, as in `not-found`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl ToolError {
    /// An error with a code and a message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ToolError {}

impl From<serde_json::Error> for ToolError {
    fn from(error: serde_json::Error) -> Self {
        Self::new("json", error.to_string())
    }
}

impl From<String> for ToolError {
    fn from(message: String) -> Self {
        Self::new("failed", message)
    }
}

impl From<&str> for ToolError {
    fn from(message: &str) -> Self {
        Self::new("failed", message)
    }
}
