//! The listeners as a client meets them: `toolward serve`, over real sockets, with HTTP written by hand.
#![expect(clippy::needless_pass_by_value, reason = "a test says in place what it sends")]

mod accepting;
mod administering;
mod asking;
mod budgets;
mod certificates;
mod endpoints;
mod exchanging;
mod guarding;
mod issuing;
mod listening;
mod mcp;
mod metrics;
mod proofs;
mod rest;
mod revoking;
pub(crate) mod server;
mod tasks;
pub(crate) mod wire;
