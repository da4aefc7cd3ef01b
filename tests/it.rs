//! The one integration-test binary: few binaries link wasmtime, so that a build stays short.
mod cannot;
mod tidy;
