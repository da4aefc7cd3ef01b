//! What tools remember: the port, and whose values are whose.
use async_trait::async_trait;

use crate::{Call, CapabilityName, ComponentName, Principal, Unavailable};

/// Whose values these are: a component's, for one caller, under one capability.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySpace {
    component: ComponentName,
    caller: String,
    capability: CapabilityName,
}

impl KeySpace {
    /// The space of a call. Who acts for somebody has other values than who acts for another.
    pub fn of(call: &Call, capability: &CapabilityName) -> Self {
        Self {
            component: call.tool.component.clone(),
            caller: caller(&call.principal),
            capability: capability.clone(),
        }
    }

    /// One text for one space: no name has a line break.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}", self.component, self.capability, self.caller)
    }
}

fn caller(principal: &Principal) -> String {
    let names =
        std::iter::once(principal.id()).chain(principal.acts_for().iter().map(String::as_str));
    // Written as JSON, no two callers have the same text.
    let names: Vec<&str> = names.collect();
    format!("{:?} {}", principal.kind(), serde_json::json!(names))
}

/// How much one space may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyQuota {
    /// Over all keys and values.
    pub bytes: u64,
    pub entries: u64,
}

impl Default for KeyQuota {
    fn default() -> Self {
        Self { bytes: 1 << 20, entries: 1_000 }
    }
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It is done.
    Done,
    /// Something else was there than was expected, and nothing was changed.
    Unexpected,
    /// It would not fit, and nothing was changed.
    OverQuota,
}

/// What must be there for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    Anything,
    Nothing,
    /// Any value.
    Something,
    Value(&'a [u8]),
}

/// Keeps small values. Each change is made whole or not at all, whoever else writes.
#[async_trait]
pub trait KeyValues: Send + Sync {
    async fn get(&self, space: &KeySpace, key: &str) -> Result<Option<Vec<u8>>, Unavailable>;

    /// Writes a value, or deletes it where `value` is absent.
    async fn change(
        &self,
        space: &KeySpace,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        quota: KeyQuota,
    ) -> Result<KeyChange, Unavailable>;

    /// Keys with this prefix, after `after`, in the order of their bytes.
    async fn keys(
        &self,
        space: &KeySpace,
        prefix: &str,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<String>, Unavailable>;
}
