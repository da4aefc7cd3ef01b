//! Tools that remember.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, Limits, ToolError, ToolType, clock, key_value, tool};

use crate::Text;

#[derive(Deserialize, ToolType)]
struct Note {
    key: String,
    /// Absent: read it.
    value: Option<String>,
    /// How often the value is repeated.
    times: Option<u32>,
}

/// Writes a note, or reads it.
#[tool]
fn remember(
    note: Note,
    #[capability("shop:notes:use")] notes: Capability,
) -> Result<Text, ToolError> {
    match note.value {
        Some(value) => {
            let value = value.repeat(usize::try_from(note.times.unwrap_or(1)).unwrap_or(1));
            key_value::set(&note.key, value.as_bytes(), &notes)?;
            Ok(Text::new("noted".to_owned()))
        }
        None => {
            let found = key_value::get(&note.key, &notes)?;
            Ok(Text::new(found.map_or("nothing".to_owned(), |found| {
                String::from_utf8_lossy(&found).into_owned()
            })))
        }
    }
}

#[derive(Deserialize, ToolType)]
struct Change {
    key: String,
    expected: Option<String>,
    value: Option<String>,
}

/// Changes a note, if it is as expected.
#[tool]
fn amend(of: Change, #[capability("shop:notes:use")] notes: Capability) -> Result<Text, ToolError> {
    let done = key_value::swap(
        &of.key,
        of.expected.as_deref().map(str::as_bytes),
        of.value.as_deref().map(str::as_bytes),
        &notes,
    )?;
    Ok(Text::new(format!("{done}")))
}

#[derive(Deserialize, ToolType)]
struct Key {
    key: String,
}

/// Deletes a note.
#[tool]
fn forget(of: Key, #[capability("shop:notes:use")] notes: Capability) -> Result<Text, ToolError> {
    Ok(Text::new(format!("{}", key_value::delete(&of.key, &notes)?)))
}

#[derive(Deserialize, ToolType)]
struct Prefix {
    prefix: String,
}

#[derive(Serialize, ToolType)]
struct Keys {
    keys: Vec<String>,
}

/// The keys of all notes, page by page.
#[tool(read_only)]
fn list_notes(
    of: Prefix,
    #[capability("shop:notes:use")] notes: Capability,
) -> Result<Keys, ToolError> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = key_value::keys(&of.prefix, keys.last().map(String::as_str), &notes)?;
        if page.is_empty() {
            return Ok(Keys { keys });
        }
        keys.extend(page);
    }
}

/// Uses a handle for notes that is good for one use, twice.
#[tool]
fn remember_once(#[capability("shop:notes:use")] notes: Capability) -> Result<Text, ToolError> {
    let once = notes.narrow(Limits { uses: Some(1), ..Limits::default() })?;
    key_value::set("once", b"1", &once)?;
    key_value::set("once", b"2", &once)?;
    Ok(Text::new("twice".to_owned()))
}

/// Uses a handle that is for something else.
#[tool]
fn remember_elsewhere(
    #[capability("shop:items:read")] items: Capability,
    #[capability("shop:notes:use")] _notes: Capability,
) -> Result<Text, ToolError> {
    key_value::set("key", b"value", &items)?;
    Ok(Text::new("written".to_owned()))
}

/// What time it is.
#[tool(read_only, capabilities("host:clock:read"))]
fn read_clock() -> Result<Text, ToolError> {
    Ok(Text::new(format!("{}", clock::now().as_millis())))
}
