//! The MCP door as a client meets it: `toolward run` over real pipes, with JSON-RPC written by hand.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]

mod asking;
mod calling;
pub(crate) mod client;
mod ending;
mod errors;
mod listening;
mod reloading;
mod waiting;
