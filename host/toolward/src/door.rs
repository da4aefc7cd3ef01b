//! The ways in. A door finds out who speaks, reads what is asked, and hands the call to the host.
pub mod administration;
pub mod agents;
pub mod answers;
mod body;
pub(crate) mod budgets;
pub mod guard;
pub mod listener;
mod mcp;
pub mod mcp_http;
pub mod mcp_stdio;
pub mod place;
pub mod problem;
mod rate;
mod rest;
mod routes;
pub mod serving;
pub mod tls;
mod token;
