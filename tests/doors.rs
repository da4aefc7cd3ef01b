//! The listeners as a client meets them: `toolward serve`, over real sockets, with HTTP written by hand.
mod administering;
mod endpoints;
mod guarding;
mod mcp;
mod rest;
mod server;
mod wire;
