//! How private networks that a capability opens are written.
use serde::Deserialize;
use toml::Spanned;

use super::{super::private::BLOCKS, Reader};
use crate::{PrivateRanges, SourceError};

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`allow_private` is a list of ranges, as `[\"10.1.0.0/16\"]`, or `true` for this machine alone"
)]
pub(super) enum WrittenRanges {
    /// `true`: the addresses by which this machine reaches itself, and no network.
    Loopback(bool),
    Named(Vec<String>),
}

impl Reader<'_> {
    pub(super) fn private_ranges(
        &self,
        written: Option<&Spanned<WrittenRanges>>,
    ) -> Result<PrivateRanges, SourceError> {
        let Some(written) = written else { return Ok(PrivateRanges::default()) };
        let texts = match written.get_ref() {
            WrittenRanges::Loopback(true) => return Ok(PrivateRanges::loopback()),
            WrittenRanges::Loopback(false) => return Ok(PrivateRanges::default()),
            WrittenRanges::Named(texts) => texts,
        };
        PrivateRanges::parse(texts.iter().map(String::as_str)).map_err(|(at, why)| {
            let text = texts.get(at).map(String::as_str).unwrap_or_default();
            let message = format!("`{text}` is not a range that can be opened: {why}");
            let help = format!(
                "write ranges within `{}`, as in `allow_private = [\"10.1.0.0/16\"]`",
                BLOCKS.join("`, `")
            );
            self.file.error(written.span(), message).with_help(help)
        })
    }
}
