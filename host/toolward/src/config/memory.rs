//! What is written under `[memory]`: whether secrets may be where memory is written to a disk.
//!
//! ```toml
//! [memory]
//! swap = "refuse"
//! ```
use std::ops::Range;

use serde::Deserialize;

use super::Environment;

#[derive(Clone, Debug)]
pub struct MemoryConfig {
    pub swap: Swap,
    /// Where `[memory]` stands in the file.
    pub span: Range<usize>,
}

/// What becomes of a host on a machine that writes memory to a disk where there is too little of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// Nothing is said. So it is in development, where nothing else is written.
    Allow,
    /// The log says so at the start. So it is in production.
    Warn,
    /// No secret store opens.
    Refuse,
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    swap: Option<Swap>,
}

impl Memory {
    pub(super) fn read(self, environment: Environment, span: Range<usize>) -> MemoryConfig {
        let usual = match environment {
            Environment::Development => Swap::Allow,
            Environment::Production => Swap::Warn,
        };
        MemoryConfig { swap: self.swap.unwrap_or(usual), span }
    }
}
