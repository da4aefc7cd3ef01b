//! The host itself: `perform`, the doors, authentication, configuration and the command line.
//!
//! Another program has a host within it with [`Host::builder`]; `examples/` shows one that lends an interface of its
//! own, mints a credential, and calls a tool. What such a program needs of the crates below stands here, too.
pub mod authn;
pub mod build;
mod callee;
pub mod command;
mod component_file;
pub mod config;
pub mod demo;
pub mod door;
mod embed;
mod heard;
pub mod host;
mod narrower;
pub mod reload;
pub mod telemetry;
pub mod telling;
pub mod tools;
pub mod wiring;

pub use embed::{CallError, Host, HostBuilder};
pub use toolward_gate::{
    Call, CallId, CapabilityName, CredentialName, Identity, Kind, Principal, Progress,
    ProgressSink, Refusal, Said, Stop, ToolFailure,
};
pub use toolward_sandbox::{Output, OwnInterface, Use};
pub use toolward_vault::{
    Broker, Credential, MintError, Minted, PassphraseSource, Purpose, Secret, SecretStoreError,
};
