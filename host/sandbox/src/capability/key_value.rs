//! What a tool remembers between calls. The state keeps it; this file says whose it is, and how much.
use std::sync::Arc;

use toolward_gate::{
    Call, CapabilityName, Expected, KeyChange, KeyQuota, KeySpace, KeyValues, SandboxGrants, Scope,
    Unavailable,
};
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource},
};

use super::{
    Capability,
    handles::{Handle, Handles},
};
use crate::guest::Guest;
use bindings::toolward::tool::key_value::{self as wit, KeyValueError};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world memories { import toolward:tool/key-value@0.1.0; }",
        world: "toolward:host/memories",
        imports: { default: async | trappable },
        trappable_error_type: { "toolward:tool/key-value.key-value-error" => super::Fault },
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
            grants: &guest.grant.permit().terms().sandbox.grants,
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
    grants: &'a SandboxGrants,
    store: Option<&'a Arc<dyn KeyValues>>,
}

/// What one use of a handle opens.
struct Memory {
    store: Arc<dyn KeyValues>,
    space: KeySpace,
    quota: KeyQuota,
}

/// Why a guest gets nothing: it is told, or ends.
#[expect(unreachable_pub, reason = "the bindings export it again")]
#[derive(Debug)]
pub enum Fault {
    Told(KeyValueError),
    Ends(wasmtime::Error),
}

impl From<KeyValueError> for Fault {
    fn from(error: KeyValueError) -> Self {
        Self::Told(error)
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ends(error)
    }
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        tracing::error!(cause = %error.cause, "{error}");
        KeyValueError::Unavailable.into()
    }
}

impl Memories<'_> {
    /// One use of the handle.
    fn under(&self, handle: &Resource<Handle>) -> Result<Memory, Fault> {
        let handle = self.handles.lent(handle)?;
        let refused = |why: String| KeyValueError::Refused(why);
        let quota = self.quota(&handle.name);
        let quota =
            quota.ok_or_else(|| refused("the capability is for another interface".to_owned()))?;
        handle.spend().map_err(|spent| refused(spent.to_string()))?;
        let missing = || Unavailable::new("the values of tools", "this host keeps none");
        let store = self.store.cloned().ok_or_else(missing)?;
        Ok(Memory { store, space: KeySpace::of(self.call, &handle.name), quota })
    }

    fn quota(&self, capability: &CapabilityName) -> Option<KeyQuota> {
        match self.grants.scopes.get(capability)?.as_ref() {
            Scope::KeyValue(quota) => Some(*quota),
            Scope::Clock(_) | Scope::Tools(_) => None,
        }
    }
}

impl Memory {
    /// Whether what was there was as expected.
    async fn change(
        &self,
        key: &str,
        expected: Expected<'_>,
        value: Option<&[u8]>,
    ) -> Result<bool, Fault> {
        let changed = self.store.change(&self.space, check(key)?, expected, value, self.quota);
        match changed.await? {
            KeyChange::Done => Ok(true),
            KeyChange::Unexpected => Ok(false),
            KeyChange::OverQuota => Err(KeyValueError::OverQuota.into()),
        }
    }
}

impl wit::Host for Memories<'_> {
    async fn get(
        &mut self,
        key: String,
        under: Resource<Handle>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Memory { store, space, .. } = self.under(&under)?;
        Ok(store.get(&space, check(&key)?).await?)
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        under: Resource<Handle>,
    ) -> Result<(), Fault> {
        self.under(&under)?.change(&key, Expected::Anything, Some(&value)).await.map(drop)
    }

    async fn swap(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        under: Resource<Handle>,
    ) -> Result<bool, Fault> {
        let expected = expected.as_deref().map_or(Expected::Nothing, Expected::Value);
        self.under(&under)?.change(&key, expected, value.as_deref()).await
    }

    async fn delete(&mut self, key: String, under: Resource<Handle>) -> Result<bool, Fault> {
        self.under(&under)?.change(&key, Expected::Something, None).await
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        under: Resource<Handle>,
    ) -> Result<Vec<String>, Fault> {
        let Memory { store, space, .. } = self.under(&under)?;
        Ok(store.keys(&space, &prefix, after.as_deref(), PAGE).await?)
    }

    fn convert_key_value_error(&mut self, fault: Fault) -> Result<KeyValueError> {
        match fault {
            Fault::Told(error) => Ok(error),
            Fault::Ends(error) => Err(error),
        }
    }
}

fn check(key: &str) -> Result<&str, KeyValueError> {
    let fits = (1..=KEY).contains(&key.len()) && !key.chars().any(char::is_control);
    if fits { Ok(key) } else { Err(KeyValueError::InvalidKey) }
}

/// The longest key, in bytes.
const KEY: usize = 256;
/// Keys that are told at once.
const PAGE: u32 = 100;
