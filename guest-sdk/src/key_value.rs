//! What a tool remembers from one call to the next, under a capability such as `notes:memory:use`.
//!
//! The values belong to this component, for the caller of this call, and have a quota.
use crate::{
    Capability, ToolError,
    bindings::toolward::tool::key_value::{self as wire, KeyValueError},
};

/// The value under a key; absent when there is none.
pub fn get(key: &str, under: &Capability) -> Result<Option<Vec<u8>>, ToolError> {
    wire::get(key, &under.0).map_err(ToolError::from)
}

/// Writes a value, in place of an earlier one.
pub fn set(key: &str, value: &[u8], under: &Capability) -> Result<(), ToolError> {
    wire::set(key, value, &under.0).map_err(ToolError::from)
}

/// Writes `value`, or deletes where it is absent, if what is there is `expected` now. `false` when it is not.
pub fn swap(
    key: &str,
    expected: Option<&[u8]>,
    value: Option<&[u8]>,
    under: &Capability,
) -> Result<bool, ToolError> {
    wire::swap(key, expected, value, &under.0).map_err(ToolError::from)
}

/// Deletes a value. `false` when there was none.
pub fn delete(key: &str, under: &Capability) -> Result<bool, ToolError> {
    wire::delete(key, &under.0).map_err(ToolError::from)
}

/// Keys that begin with `prefix` and come after `after`, 100 at most.
pub fn keys(
    prefix: &str,
    after: Option<&str>,
    under: &Capability,
) -> Result<Vec<String>, ToolError> {
    wire::list_keys(prefix, after, &under.0).map_err(ToolError::from)
}

impl From<KeyValueError> for ToolError {
    fn from(error: KeyValueError) -> Self {
        match error {
            KeyValueError::Refused(why) => Self::new("refused", why),
            KeyValueError::InvalidKey => {
                Self::new("invalid-key", "a key has 1 to 256 bytes, and no control characters")
            }
            KeyValueError::OverQuota => Self::new("over-quota", "the value does not fit the quota"),
            KeyValueError::Unavailable => {
                Self::new("unavailable", "the host could not read or write what is remembered")
            }
        }
    }
}
