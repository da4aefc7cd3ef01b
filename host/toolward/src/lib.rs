//! The host itself: `perform`, the doors, authentication, configuration and the command line.
pub mod authn;
pub mod build;
mod callee;
pub mod command;
mod component_file;
pub mod config;
pub mod demo;
pub mod door;
mod heard;
pub mod host;
pub mod reload;
pub mod telling;
pub mod tools;
pub mod wiring;
