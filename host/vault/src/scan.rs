//! What must not come back: the values that went out, in the forms that servers echo.
//!
//! ```text
//! values --forms--> Patterns --registry--> Table
//! text ---lanes--> what it says as it is, and under its escapes, spaces and punctuation --search--> Hit
//! ```
mod forms;
mod held;
mod lanes;
mod registry;
mod search;
mod table;

use http::HeaderMap;

pub(crate) use self::{
    forms::{WINDOW, can_be_found},
    held::Held,
    registry::{Hit, Registered, Registry, Scanner},
    search::Search,
    table::Place,
};
use crate::transport::Raw;

/// A response that holds no credential. How much of it a tool sees is still to be said.
#[expect(missing_debug_implementations, reason = "what was not shaped is not printed")]
pub struct Scanned {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Scanner {
    /// Lets a response through, or keeps all of it back.
    pub(crate) fn scan(&self, raw: Raw) -> Result<Scanned, Hit> {
        let Raw { status, headers, body, hit } = raw;
        match hit.or_else(|| self.find(&written(&headers))) {
            Some(hit) => Err(hit),
            None => Ok(Scanned { status, headers, body }),
        }
    }
}

/// All fields as one text.
fn written(headers: &HeaderMap) -> Vec<u8> {
    let fields = headers
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    fields.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests;
