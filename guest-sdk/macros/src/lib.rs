//! `#[tool]` and `#[derive(ToolType)]`. Their documentation is in `toolward-sdk`.
mod documentation;
mod tool;
mod tool_type;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, parse_macro_input};

/// Makes a function a tool.
///
/// The function takes the arguments, a type with `Deserialize` and `ToolType`, or nothing; and capability handles,
/// each a parameter with `#[capability("service:resource:action")]`: of type `Capability` where the tool cannot do
/// without it, of type `Option<Capability>` where it can. It returns a `Result` with a type that has `Serialize` and
/// `ToolType`, and an error that turns into `ToolError`.
///
/// The doc comment describes the tool to a model. In the parentheses may stand:
/// `name = "…"`, `title = "…"`, `description = "…"`, `read_only`, `destructive`, `idempotent`, `open_world`, and
/// `capabilities("…", …)` or `optional("…", …)` for those that need no handle, as `host:clock:read`.
#[proc_macro_attribute]
pub fn tool(settings: TokenStream, function: TokenStream) -> TokenStream {
    let function = parse_macro_input!(function as ItemFn);
    tool::expand(settings.into(), function).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Gives a struct, or an enum without fields, a JSON Schema. Doc comments become descriptions; serde's `rename`,
/// `rename_all`, `default` and `skip` are followed.
#[proc_macro_derive(ToolType, attributes(serde))]
pub fn tool_type(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    tool_type::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
