//! What the macros expand to. Nothing here is for authors.
use std::{cell::Cell, ptr::null, sync::Once};

use serde::{Serialize, de::DeserializeOwned};

pub use crate::schema::Outline;
use crate::{
    Capability, ToolError,
    bindings::exports::toolward::tool::calls::{Failure, Guest},
    log,
};

/// One tool of the component. Constructors put it on a list before anything is called.
pub struct Entry {
    name: &'static str,
    call: fn(&str) -> Result<String, ToolError>,
    next: Cell<*const Entry>,
}

// SAFETY: a component has one thread, and the list changes only in its constructors.
unsafe impl Sync for Entry {}

struct First(Cell<*const Entry>);

// SAFETY: as above.
unsafe impl Sync for First {}

static FIRST: First = First(Cell::new(null()));

impl Entry {
    pub const fn new(name: &'static str, call: fn(&str) -> Result<String, ToolError>) -> Self {
        Self { name, call, next: Cell::new(null()) }
    }
}

/// Puts a tool on the list.
pub fn register(entry: &'static Entry) {
    entry.next.set(FIRST.0.replace(entry));
}

fn find(name: &str) -> Option<&'static Entry> {
    let mut next = FIRST.0.get();
    // SAFETY: only `register` writes the pointers, and it takes entries that live for ever.
    while let Some(entry) = unsafe { next.as_ref() } {
        if entry.name == name {
            return Some(entry);
        }
        next = entry.next.get();
    }
    None
}

/// Reads the arguments. The host has checked them against the schema; what is left are rules of the type.
pub fn read<T: DeserializeOwned>(arguments: &str) -> Result<T, ToolError> {
    serde_json::from_str(arguments).map_err(|error| ToolError::new("arguments", error.to_string()))
}

/// Reads the arguments of a tool that takes none.
pub fn read_nothing(_arguments: &str) -> Result<(), ToolError> {
    Ok(())
}

pub fn write<T: Serialize>(result: &T) -> Result<String, ToolError> {
    Ok(serde_json::to_string(result)?)
}

pub fn obtain(name: &str) -> Result<Capability, ToolError> {
    Capability::obtain(name).map_err(|_| {
        ToolError::new(
            "not-granted",
            format!("the capability `{name}` is not granted to this call"),
        )
    })
}

pub fn obtain_optional(name: &str) -> Option<Capability> {
    Capability::obtain(name).ok()
}

struct Component;

impl Guest for Component {
    fn call(tool: String, arguments: String) -> Result<String, Failure> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| log::last_words(&panic.to_string())))
        });
        let Some(entry) = find(&tool) else {
            return Err(Failure {
                code: "no-such-tool".to_owned(),
                message: format!("the component has no tool `{tool}`"),
            });
        };
        (entry.call)(&arguments)
            .map_err(|error| Failure { code: error.code, message: error.message })
    }
}

crate::bindings::export!(Component with_types_in crate::bindings);
