//! What the tests ask a tool to do. The shop is a stand-in on loopback.
mod clumsy;
mod hostile;
mod memory;
mod plain;

use serde::Serialize;
use toolward_sdk::ToolType;

/// An answer in words.
#[derive(Serialize, ToolType)]
pub struct Text {
    pub text: String,
}

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}
