//! Handles that are used after their end.
use std::time::Duration;

use serde::Deserialize;
use toolward_sdk::{Capability, Limits, ToolError, ToolType, tool};

use crate::Text;

#[derive(Deserialize, ToolType)]
struct Hurry {
    path: String,
    /// The handle is narrowed to so much time.
    time_ms: u64,
}

/// Sends a request under a handle that ends soon, and then one under a handle that does not.
#[tool]
fn hurry(of: Hurry, #[capability("shop:items:read")] shop: Capability) -> Result<Text, ToolError> {
    let time = Some(Duration::from_millis(of.time_ms));
    let soon = shop.narrow(Limits { time, ..Limits::default() })?;
    let said = match soon.get(&of.path).send() {
        Ok(response) => response.status.to_string(),
        Err(error) => error.to_string(),
    };
    let again = match soon.get("/items/1").send() {
        Ok(response) => response.status.to_string(),
        Err(error) => error.to_string(),
    };
    let whole = shop.get("/items/1").send()?.status;
    Ok(Text { text: format!("{said}, then {again}, and {whole}") })
}

#[derive(Deserialize, ToolType)]
struct Misuse {
    /// `none`, `drop twice`, `use after drop`, `narrow after drop` or `drop another's`.
    how: String,
}

/// Uses a handle as no program does that a compiler has checked.
#[tool]
fn misuse(
    of: Misuse,
    #[capability("shop:items:read")] shop: Capability,
) -> Result<Text, ToolError> {
    let (other, gone) = (shop.narrow(Limits { uses: Some(1), ..Limits::default() })?, GONE);
    drop(other);
    match of.how.as_str() {
        "none" => {}
        "drop twice" => raw::drop_handle(gone),
        "use after drop" => drop(raw::expires_in_ms(gone)),
        "drop another's" => raw::drop_handle(77),
        _ => return Err(ToolError::new("how", "there is no such misuse")),
    }
    Ok(Text { text: format!("{} is still good", shop.name()) })
}

/// The second handle of a call; the first is its parameter.
const GONE: i32 = 2;

#[cfg(target_arch = "wasm32")]
mod raw {
    #[link(wasm_import_module = "toolward:tool/capabilities@0.1.0")]
    unsafe extern "C" {
        #[link_name = "[method]capability.expires-in-ms"]
        fn wire_expires_in_ms(handle: i32) -> i64;
        #[link_name = "[resource-drop]capability"]
        fn wire_drop(handle: i32);
    }

    pub(super) fn expires_in_ms(handle: i32) -> i64 {
        // SAFETY: the import takes any number; the host answers or ends the tool.
        unsafe { wire_expires_in_ms(handle) }
    }

    pub(super) fn drop_handle(handle: i32) {
        // SAFETY: as above.
        unsafe { wire_drop(handle) }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod raw {
    pub(super) fn expires_in_ms(_handle: i32) -> i64 {
        0
    }
    pub(super) fn drop_handle(_handle: i32) {}
}
