//! How the place of a credential in a request is written.
use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{HeaderScheme, Slot, SourceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSlot {
    header: Option<String>,
    #[serde(rename = "as")]
    scheme: Option<Scheme>,
    query: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    Bearer,
    Basic,
    Raw,
}

impl Reader<'_> {
    pub(super) fn slot(&self, written: &Spanned<WrittenSlot>) -> Result<Slot, SourceError> {
        let wrong = |message: &str| {
            self.file.error(written.span(), message).with_help(
                "write `{ header = \"authorization\", as = \"bearer\" }` or `{ query = \"key\" }`",
            )
        };
        match written.get_ref() {
            WrittenSlot { header: Some(name), scheme: Some(scheme), query: None } => {
                let name = name.to_ascii_lowercase();
                let token = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !token || NEVER_A_SLOT.contains(&name.as_str()) {
                    return Err(wrong("a credential cannot go into this header"));
                }
                let scheme = match scheme {
                    Scheme::Bearer => HeaderScheme::Bearer,
                    Scheme::Basic => HeaderScheme::Basic,
                    Scheme::Raw => HeaderScheme::Raw,
                };
                Ok(Slot::Header { name, scheme })
            }
            WrittenSlot { header: None, scheme: None, query: Some(name) } => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                if name.is_empty() || !name.bytes().all(plain) {
                    return Err(wrong("a query key has letters, digits and `-_.` only"));
                }
                Ok(Slot::Query { name: name.clone() })
            }
            _ => Err(wrong("`inject` names a header and how to write it, or a query key")),
        }
    }
}

/// Headers that route, frame or decode a message.
pub(super) const NEVER_A_SLOT: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept-encoding",
    "range",
    "forwarded",
];
