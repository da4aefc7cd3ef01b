//! How the keys of a capability over an interface of this host are written.
use std::{sync::Arc, time::Duration};

use toml::Spanned;

use super::Reader;
use crate::{DirectoryQuota, KeyQuota, Scope, SourceError, ToolsScope};

/// The keys, whatever interface they belong to.
#[derive(Default)]
pub(super) struct ScopeKeys {
    pub(super) quota_bytes: Option<Spanned<u64>>,
    pub(super) quota_entries: Option<Spanned<u64>>,
    pub(super) resolution_ms: Option<Spanned<u64>>,
    pub(super) tools: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) lends: Option<Spanned<Vec<Spanned<String>>>>,
}

impl Reader<'_> {
    /// What the keys say; fails with one that belongs to another interface.
    pub(super) fn own_scope(
        &self,
        interface: &str,
        keys: &ScopeKeys,
    ) -> Result<Option<Arc<Scope>>, SourceError> {
        self.own(interface, keys)?;
        let scope = match interface {
            "key-value" => Scope::KeyValue(self.quota(keys)?),
            "clock" => Scope::Clock(self.resolution(keys)?),
            "tools" => Scope::Tools(self.tools(keys)?),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(scope)))
    }

    fn own(&self, interface: &str, keys: &ScopeKeys) -> Result<(), SourceError> {
        let written = [
            ("quota_bytes", QUOTA, keys.quota_bytes.as_ref().map(Spanned::span)),
            ("quota_entries", QUOTA, keys.quota_entries.as_ref().map(Spanned::span)),
            ("resolution_ms", "clock", keys.resolution_ms.as_ref().map(Spanned::span)),
            ("tools", "tools", keys.tools.as_ref().map(Spanned::span)),
            ("lends", "tools", keys.lends.as_ref().map(Spanned::span)),
        ];
        let fits = |of: &str| of == interface || (of == QUOTA && interface == "wasi-filesystem");
        for (key, of, span) in written {
            if let Some(span) = span
                && !fits(of)
            {
                let message = format!(
                    "`{key}` belongs to the interface `{of}`, and this one opens `{interface}`"
                );
                return Err(self.file.error(span, message).with_help(format!("take `{key}` out")));
            }
        }
        Ok(())
    }

    fn quota(&self, keys: &ScopeKeys) -> Result<KeyQuota, SourceError> {
        let usual = KeyQuota::default();
        Ok(KeyQuota {
            bytes: self.at_most(keys.quota_bytes.as_ref(), usual.bytes, MAX_BYTES)?,
            entries: self.at_most(keys.quota_entries.as_ref(), usual.entries, MAX_ENTRIES)?,
        })
    }

    /// How large a directory may be that can be written; one that cannot has no quota.
    pub(super) fn directory_quota(
        &self,
        keys: &ScopeKeys,
        writable: bool,
    ) -> Result<Option<DirectoryQuota>, SourceError> {
        let (bytes, entries) = (keys.quota_bytes.as_ref(), keys.quota_entries.as_ref());
        if writable {
            let usual = DirectoryQuota::default();
            let bytes = self.at_most(bytes, usual.bytes, MAX_DIRECTORY_BYTES)?;
            let entries = self.at_most(entries, usual.entries, MAX_ENTRIES)?;
            return Ok(Some(DirectoryQuota { bytes, entries }));
        }
        match bytes.or(entries) {
            None => Ok(None),
            Some(written) => Err(self
                .file
                .error(written.span(), "a directory that is lent for reading needs no quota")
                .with_help("take it out, or write `access = \"read-write\"`")),
        }
    }

    fn resolution(&self, keys: &ScopeKeys) -> Result<Duration, SourceError> {
        let milliseconds = self.at_most(keys.resolution_ms.as_ref(), 1, MAX_RESOLUTION)?;
        Ok(Duration::from_millis(milliseconds))
    }

    /// A number from 1 to `most`.
    fn at_most(
        &self,
        written: Option<&Spanned<u64>>,
        usual: u64,
        most: u64,
    ) -> Result<u64, SourceError> {
        let Some(written) = written else { return Ok(usual) };
        match *written.get_ref() {
            number if (1..=most).contains(&number) => Ok(number),
            number => {
                let message = format!("`{number}` is not from 1 to {most}");
                Err(self.file.error(written.span(), message).with_help("write a number in between"))
            }
        }
    }

    fn tools(&self, keys: &ScopeKeys) -> Result<ToolsScope, SourceError> {
        let written = keys.tools.as_ref().filter(|names| !names.get_ref().is_empty());
        let written = written.ok_or_else(|| {
            self.lacks(
                "a capability over `tools` names the `tools` that may be called",
                "write `tools = [\"get_forecast\"]`",
            )
        })?;
        let tools = written.get_ref().iter().map(|name| self.read(name));
        let lends = keys.lends.iter().flat_map(Spanned::get_ref).map(|name| self.read(name));
        Ok(ToolsScope {
            tools: tools.collect::<Result<_, _>>()?,
            lends: lends.collect::<Result<_, _>>()?,
        })
    }
}

/// The interface whose keys for a quota others have, too.
const QUOTA: &str = "key-value";
/// Of one directory.
const MAX_DIRECTORY_BYTES: u64 = 1 << 40;
/// Of one caller of one component.
const MAX_BYTES: u64 = 64 << 20;
const MAX_ENTRIES: u64 = 100_000;
/// A day.
const MAX_RESOLUTION: u64 = 24 * 60 * 60 * 1000;
