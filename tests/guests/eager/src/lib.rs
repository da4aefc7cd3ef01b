//! A tool that never gets past its own start: a constructor runs before anything is called, and does not end.
use serde::Serialize;
use toolward_sdk::{ToolError, ToolType, tool};

#[derive(Serialize, ToolType)]
struct Nothing {}

/// Would do nothing.
#[tool(read_only)]
fn never_begin() -> Result<Nothing, ToolError> {
    Ok(Nothing {})
}

#[cfg(target_arch = "wasm32")]
const _: () = {
    extern "C" fn spin() {
        loop {
            core::hint::black_box(());
        }
    }
    #[unsafe(link_section = ".init_array")]
    #[used]
    static SPIN: extern "C" fn() = spin;
};
