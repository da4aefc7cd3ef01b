//! Random bytes from the host, fit for cryptography. The tool must want `host:random:read`.
use crate::bindings::toolward::tool::random as wire;

/// `length` random bytes.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let more = u32::try_from(length - bytes.len()).unwrap_or(u32::MAX);
        bytes.extend(wire::bytes(more));
    }
    bytes
}

/// Serves crates that use `getrandom` 0.3, with `--cfg getrandom_backend="custom"` as `toolward build` sets it.
#[cfg(all(target_arch = "wasm32", feature = "getrandom"))]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    to: *mut u8,
    length: usize,
) -> Result<(), getrandom::Error> {
    let bytes = bytes(length);
    // SAFETY: `getrandom` hands over a buffer of `length` bytes, and `bytes` has as many.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, length) };
    Ok(())
}
