//! The one integration-test binary: few binaries link wasmtime, so that a build stays short.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and starts the programs that it tests"
)]

mod calls;
mod cannot;
mod cli;
mod escape;
mod mcp;
mod tidy;
mod world;
