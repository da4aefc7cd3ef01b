//! The one integration-test binary: few binaries link wasmtime, so that a build stays short.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the programs that it tests"
)]

mod cannot;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod mcp;
mod tidy;
