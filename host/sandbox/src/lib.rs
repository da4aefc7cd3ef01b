//! Runs a tool with only what it was granted. The only crate that runs Wasm.
//!
//! ```text
//! bytes --inspect--> Inspection      what a component is and wants, without running it
//! Grant --run--> Output              a fresh store, only the granted imports, dropped afterwards
//! ```
mod bindings;
mod capability;
mod component;
mod engine;
mod guest;
mod limits;
mod manifest;
mod run;
mod schema;

pub use component::{ComponentError, Import, Inspection, inspect};
pub use engine::{Sandbox, SandboxError, SandboxSettings};
pub use manifest::{Annotations, Manifest, ManifestError, ToolManifest};
pub use run::Output;
pub use schema::{Mismatch, Schema, SchemaError};
