//! The ways in. A door finds out who speaks, reads what is asked, and hands the call to the host.
pub mod answers;
pub mod mcp_stdio;
