//! What a tool remembers between calls. The state keeps it; this file says whose it is, and how much.
use std::sync::Arc;

use toolward_gate::{
    Call, CapabilityName, Expected, KeyChange, KeyQuota, KeySpace, KeyValues, SandboxTerms, Scope,
    Unavailable,
};
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource},
};

use super::{
    Capability,
    handles::{Handle, Handles, Spent},
};
use crate::guest::Guest;
use bindings::toolward::tool::key_value::{self as wit, KeyValueError};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world memories { import toolward:tool/key-value@0.1.0; }",
        world: "toolward:host/memories",
        imports: { default: async | trappable },
        with: {
            "toolward:tool/capabilities":
                crate::capability::handles::bindings::toolward::tool::capabilities,
        },
    });
}

pub(crate) struct Remembering;

impl Capability for Remembering {
    fn interface(&self) -> &'static str {
        "key-value"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, Self>(linker, |guest| Memories {
            handles: &mut guest.handles,
            call: guest.grant.call(),
            terms: &guest.grant.permit().terms().sandbox,
            store: guest.key_values.as_ref(),
        })
    }
}

impl HasData for Remembering {
    type Data<'a> = Memories<'a>;
}

/// The handles of a call, and the store behind them.
pub(crate) struct Memories<'a> {
    handles: &'a mut Handles,
    call: &'a Call,
    terms: &'a SandboxTerms,
    store: Option<&'a Arc<dyn KeyValues>>,
}

/// What one use of a handle opens.
struct Memory {
    store: Arc<dyn KeyValues>,
    space: KeySpace,
    quota: KeyQuota,
}

impl Memories<'_> {
    /// One use of the handle.
    fn under(&self, handle: &Resource<Handle>) -> Result<Result<Memory, KeyValueError>> {
        let handle = self.handles.lent(handle)?;
        let refused = |text: &str| Ok(Err(KeyValueError::Refused(text.to_owned())));
        let Some(quota) = self.quota(&handle.name) else {
            return refused("the capability is for another interface");
        };
        match handle.spend() {
            Err(Spent::Time) => return refused("the handle's time is over"),
            Err(Spent::Uses) => return refused("the handle's uses are spent"),
            Ok(()) => {}
        }
        let Some(store) = self.store.cloned() else {
            tracing::error!("this host keeps no values for tools");
            return Ok(Err(KeyValueError::Unavailable));
        };
        Ok(Ok(Memory { store, space: KeySpace::of(self.call, &handle.name), quota }))
    }

    fn quota(&self, capability: &CapabilityName) -> Option<KeyQuota> {
        match self.terms.scopes.get(capability)?.as_ref() {
            Scope::KeyValue(quota) => Some(*quota),
            Scope::Clock(_) | Scope::Tools(_) => None,
        }
    }
}

impl Memory {
    async fn change(
        &self,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
    ) -> Result<bool, KeyValueError> {
        let changed = self.store.change(&self.space, check(key)?, expected, value, self.quota);
        match changed.await.map_err(unavailable)? {
            KeyChange::Done => Ok(true),
            KeyChange::Unexpected => Ok(false),
            KeyChange::OverQuota => Err(KeyValueError::OverQuota),
        }
    }
}

impl wit::Host for Memories<'_> {
    async fn get(
        &mut self,
        key: String,
        under: Resource<Handle>,
    ) -> Result<Result<Option<Vec<u8>>, KeyValueError>> {
        let memory = match self.under(&under)? {
            Ok(memory) => memory,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match check(&key) {
            Ok(key) => memory.store.get(&memory.space, key).await.map_err(unavailable),
            Err(error) => Err(error),
        })
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        under: Resource<Handle>,
    ) -> Result<Result<(), KeyValueError>> {
        let memory = match self.under(&under)? {
            Ok(memory) => memory,
            Err(error) => return Ok(Err(error)),
        };
        Ok(memory.change(&key, Expected::Anything, Some(&value)).await.map(drop))
    }

    async fn swap(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        under: Resource<Handle>,
    ) -> Result<Result<bool, KeyValueError>> {
        let memory = match self.under(&under)? {
            Ok(memory) => memory,
            Err(error) => return Ok(Err(error)),
        };
        let expected = expected.as_deref().map_or(Expected::Nothing, Expected::Value);
        Ok(memory.change(&key, expected, value.as_deref()).await)
    }

    async fn delete(
        &mut self,
        key: String,
        under: Resource<Handle>,
    ) -> Result<Result<bool, KeyValueError>> {
        let memory = match self.under(&under)? {
            Ok(memory) => memory,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match check(&key) {
            Ok(key) => memory.delete(key).await,
            Err(error) => Err(error),
        })
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        under: Resource<Handle>,
    ) -> Result<Result<Vec<String>, KeyValueError>> {
        let memory = match self.under(&under)? {
            Ok(memory) => memory,
            Err(error) => return Ok(Err(error)),
        };
        let keys = memory.store.keys(&memory.space, &prefix, after.as_deref(), PAGE);
        Ok(keys.await.map_err(unavailable))
    }
}

impl Memory {
    /// Whether something was there is only known of what is deleted as it was read.
    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        loop {
            let found = self.store.get(&self.space, key).await.map_err(unavailable)?;
            let Some(found) = found else { return Ok(false) };
            if self.change(key, Expected::Value(&found), None).await? {
                return Ok(true);
            }
        }
    }
}

fn check(key: &str) -> Result<&str, KeyValueError> {
    let fits = (1..=KEY).contains(&key.len()) && !key.chars().any(char::is_control);
    if fits { Ok(key) } else { Err(KeyValueError::InvalidKey) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn unavailable(error: Unavailable) -> KeyValueError {
    tracing::error!(cause = %error.cause, "{error}");
    KeyValueError::Unavailable
}

/// The longest key, in bytes.
const KEY: usize = 256;
/// Keys that are told at once.
const PAGE: u32 = 100;
