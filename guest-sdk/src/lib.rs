//! Write a Toolward tool as one plain function.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use toolward_sdk::{Capability, ToolError, ToolType, path, tool};
//!
//! #[derive(Deserialize, ToolType)]
//! struct NewIssue {
//!     /// Who owns the repository.
//!     owner: String,
//!     repo: String,
//!     title: String,
//! }
//!
//! #[derive(Deserialize, Serialize, ToolType)]
//! struct Issue {
//!     number: u64,
//! }
//!
//! /// Open an issue.
//! #[tool]
//! fn open_issue(
//!     new: NewIssue,
//!     #[capability("github:issues:write")] github: Capability,
//! ) -> Result<Issue, ToolError> {
//!     let path = path!("/repos/{}/{}/issues", new.owner, new.repo);
//!     let body = serde_json::json!({ "title": new.title });
//!     github.post(&path).json(&body)?.send()?.error_for_status()?.json()
//! }
//! # fn main() {}
//! ```
//!
//! The tool names a path. The host supplies scheme, host and port, adds the credential, and checks what comes
//! back. The doc comment, the types and the capabilities become the tool's manifest, which a host reads without
//! running the tool.
//!
//! `toolward build` compiles the crate for `wasm32-unknown-unknown` and makes it a component. There is no WASI:
//! files, sockets, environment and clocks of the standard library do not work. What a tool can reach is its list
//! of imports, and that follows from the capabilities it wants.
mod bindings {
    #![allow(missing_docs, clippy::undocumented_unsafe_blocks)]
    wit_bindgen::generate!({ path: "../wit", world: "tool" });
}

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod allocator;
mod capability;
pub mod clock;
mod error;
pub mod http;
pub mod key_value;
pub mod log;
pub mod progress;
pub mod random;
#[doc(hidden)]
pub mod rt;
mod schema;
pub mod tools;

pub use capability::{Capability, Limits, Refusal};
pub use error::ToolError;
pub use schema::{Field, Schema, ToolType};
pub use toolward_sdk_macros::{ToolType, tool};
