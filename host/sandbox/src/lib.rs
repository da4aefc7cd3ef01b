//! Runs a tool with only what it was granted.
//!
//! ```text
//! bytes --install--> Inspection        Grant --run--> Output
//! ```
//!
//! A component is linked to the interfaces that the capabilities of one call open, and to no other; what
//! else it imports refuses the call before anything of it runs. Every call has a store of its own.
//! The sandbox opens no connection and reads no secret: for a request it asks the vault's egress.
mod apart;
mod background;
mod cache;
mod capability;
mod code;
mod component;
mod engine;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod guest;
mod install;
mod installed;
mod limits;
mod link;
mod manifest;
mod plain;
mod queue;
mod run;
mod schema;
mod service;
mod settings;
mod stop;
mod swap;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod wasi;

pub use apart::{CompileFailure, CompileOrder, compile_apart};
pub use capability::own::{OwnInterface, Use};
pub use component::{ComponentError, Import, Inspected, Inspection, inspect, inspect_wanting};
pub use engine::SandboxError;
pub use manifest::{Annotations, Manifest, ManifestError, ToolManifest};
pub use plain::PlainError;
pub use run::{Output, Sandbox};
pub use schema::{Mismatch, Schema, SchemaError};
pub use service::{Delegation, DelegationError, ToolCaller};
pub use settings::{Apart, Compile, CompileLimits, SandboxSettings};
