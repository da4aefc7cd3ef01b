//! How much may one call take?
use wasmtime::{ResourceLimiter, Result};

use crate::engine::TABLE_ELEMENTS;

/// Counts over all linear memories of a store: a limit per memory would hold for each of several.
#[derive(Debug)]
pub(crate) struct Memory {
    used: usize,
    max: usize,
    refused: bool,
}

impl Memory {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: 0, max, refused: false }
    }
    /// Whether the guest asked for more than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, now: usize, wanted: usize, _max: Option<usize>) -> Result<bool> {
        let more = wanted.saturating_sub(now);
        let used = self.used.checked_add(more).filter(|used| *used <= self.max);
        match used {
            Some(used) => self.used = used,
            None => self.refused = true,
        }
        Ok(used.is_some())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _max: Option<usize>) -> Result<bool> {
        Ok(wanted <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        32
    }
    fn tables(&self) -> usize {
        32
    }
    fn memories(&self) -> usize {
        8
    }
}

/// Bytes that one host call may bring into the host. What a host function keeps has a limit of its own.
pub(crate) const HOST_CALL_BYTES: usize = 4 << 20;
/// Handles of all kinds, own and borrowed, in all tables of a store.
pub(crate) const COMPONENT_HANDLES: usize = 1024;

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter as _;

    use super::Memory;

    #[test]
    fn the_limit_is_over_the_sum_of_all_memories() {
        let mut memory = Memory::new(100);
        assert!(memory.memory_growing(0, 60, None).unwrap());
        assert!(!memory.refused());
        assert!(!memory.memory_growing(0, 60, None).unwrap());
        assert!(memory.refused());
        assert!(memory.memory_growing(60, 100, None).unwrap());
        assert!(!memory.memory_growing(0, usize::MAX, None).unwrap());
    }
}
