//! How a response of a capability over `http` is written.
use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{ResponseShape, SourceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenResponse {
    #[serde(default)]
    content_types: Vec<Spanned<String>>,
    max_bytes: Option<Spanned<usize>>,
}

impl Reader<'_> {
    pub(super) fn response(
        &self,
        written: Option<WrittenResponse>,
    ) -> Result<ResponseShape, SourceError> {
        let Some(WrittenResponse { content_types, max_bytes }) = written else {
            return Ok(ResponseShape { content_types: BTreeSet::new(), max_bytes: DEFAULT_BYTES });
        };
        let media_type = |written: &Spanned<String>| {
            let text = written.get_ref().as_str();
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/+-.".contains(&byte)
            };
            if text.split('/').filter(|part| !part.is_empty()).count() == 2
                && text.bytes().all(plain)
            {
                return Ok(text.to_owned());
            }
            let message = format!("`{text}` is not a media type");
            Err(self.file.error(written.span(), message).with_help(
                "write it in lower case and without parameters, as in `application/json`",
            ))
        };
        let content_types = content_types.iter().map(media_type).collect::<Result<_, _>>()?;
        let max_bytes = max_bytes.map(|bytes| self.response_bytes(&bytes)).transpose()?;
        Ok(ResponseShape { content_types, max_bytes: max_bytes.unwrap_or(DEFAULT_BYTES) })
    }

    fn response_bytes(&self, written: &Spanned<usize>) -> Result<usize, SourceError> {
        let bytes = *written.get_ref();
        if bytes <= MAX_RESPONSE_BYTES {
            return Ok(bytes);
        }
        let message = format!("a response of {bytes} bytes is more than the host takes");
        let help = format!(
            "a response is held whole while it is scanned; write at most {MAX_RESPONSE_BYTES}"
        );
        Err(self.file.error(written.span(), message).with_help(help))
    }
}

/// The ceiling of a response: it is in memory at once, for each call that waits for one.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Of a request or response body where the file says nothing.
pub(super) const DEFAULT_BYTES: usize = 1 << 20;
