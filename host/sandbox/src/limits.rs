//! What one call may take of the host's memory.
use wasmtime::ResourceLimiter;

/// The memory of one call: the sum over all its linear memories.
#[derive(Debug)]
pub(crate) struct Quota {
    used: usize,
    max: usize,
    /// Whether something was refused: it tells a crash for want of memory from another.
    pub(crate) refused: bool,
}

impl Quota {
    pub(crate) fn of(max: usize) -> Self {
        Self { used: 0, max, refused: false }
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = self.used.saturating_add(desired.saturating_sub(current));
        if more > self.max {
            self.refused = true;
            return Ok(false);
        }
        self.used = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }
    fn tables(&self) -> usize {
        TABLES
    }
    fn memories(&self) -> usize {
        MEMORIES
    }
}

pub(crate) const TABLE_ELEMENTS: usize = 20_000;
const INSTANCES: usize = 32;
const TABLES: usize = 16;
const MEMORIES: usize = 4;
/// Bytes that a guest may hand to the host in one call of a host function.
pub(crate) const HOST_CALL_BYTES: usize = 4 << 20;
/// Handles of every kind that a store may hold.
pub(crate) const COMPONENT_HANDLES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_quota() {
        let mut quota = Quota::of(100);
        assert!(quota.memory_growing(0, 60, None).unwrap());
        assert!(quota.memory_growing(0, 40, None).unwrap());
        assert!(!quota.refused);
        assert!(!quota.memory_growing(40, 41, None).unwrap());
        assert!(quota.refused);
    }
}
