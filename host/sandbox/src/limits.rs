//! How much may one call take?
use toolward_gate::{Limit, SandboxLimits};
use wasmtime::{ResourceLimiter, Result};

/// Counts over all linear memories and all tables of a store: a limit for each would hold for each of several.
#[derive(Debug)]
pub(crate) struct Quota {
    memory: Share,
    elements: Share,
    instances: usize,
    tables: usize,
    memories: usize,
}

/// What is used of something, and whether more was asked for than there is.
#[derive(Debug)]
struct Share {
    used: usize,
    max: usize,
    refused: bool,
}

impl Share {
    fn new(max: usize) -> Self {
        Self { used: 0, max, refused: false }
    }

    fn grow(&mut self, now: usize, wanted: usize) -> bool {
        let more = wanted.saturating_sub(now);
        let used = self.used.checked_add(more).filter(|used| *used <= self.max);
        match used {
            Some(used) => self.used = used,
            None => self.refused = true,
        }
        used.is_some()
    }
}

impl Quota {
    pub(crate) fn new(limits: &SandboxLimits) -> Self {
        Self {
            memory: Share::new(limits.memory_bytes),
            elements: Share::new(limits.table_elements),
            instances: limits.instances,
            tables: limits.tables,
            memories: limits.memories,
        }
    }

    /// What the guest asked for and did not get. It mostly gives up then; then that is the reason.
    pub(crate) fn refused(&self) -> Option<Limit> {
        let memory = self.memory.refused.then_some(Limit::Memory);
        memory.or_else(|| self.elements.refused.then_some(Limit::Tables))
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(&mut self, now: usize, wanted: usize, _max: Option<usize>) -> Result<bool> {
        Ok(self.memory.grow(now, wanted))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.memory.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, now: usize, wanted: usize, _max: Option<usize>) -> Result<bool> {
        Ok(self.elements.grow(now, wanted))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.elements.refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }
    fn tables(&self) -> usize {
        self.tables
    }
    fn memories(&self) -> usize {
        self.memories
    }
}

/// Which limit an error of wasmtime speaks of. It has no public types for these.
pub(crate) fn told(message: &str) -> Option<Limit> {
    let said = |part: &str| message.contains(part);
    [
        ("too much data is being copied between the host and the guest", Limit::HostCall),
        ("store handle limit exceeded", Limit::Handles),
        ("resource limit exceeded: instance count", Limit::Instances),
        ("resource limit exceeded: memory count", Limit::Memory),
        ("resource limit exceeded: table count", Limit::Tables),
    ]
    .into_iter()
    .find_map(|(part, limit)| said(part).then_some(limit))
}

#[cfg(test)]
mod tests {
    use toolward_gate::{Limit, SandboxLimits};
    use wasmtime::ResourceLimiter as _;

    use super::Quota;

    fn quota() -> Quota {
        Quota::new(&SandboxLimits {
            memory_bytes: 100,
            table_elements: 10,
            ..SandboxLimits::default()
        })
    }

    #[test]
    fn the_limit_is_over_the_sum_of_all_memories() {
        let mut quota = quota();
        assert!(quota.memory_growing(0, 60, None).unwrap());
        assert_eq!(quota.refused(), None);
        assert!(!quota.memory_growing(0, 60, None).unwrap());
        assert_eq!(quota.refused(), Some(Limit::Memory));
        assert!(quota.memory_growing(60, 100, None).unwrap());
        assert!(!quota.memory_growing(0, usize::MAX, None).unwrap());
    }

    #[test]
    fn the_limit_is_over_the_sum_of_all_tables() {
        let mut quota = quota();
        assert!(quota.table_growing(0, 6, None).unwrap());
        assert!(!quota.table_growing(0, 6, None).unwrap());
        assert_eq!(quota.refused(), Some(Limit::Tables));
        assert!(quota.table_growing(6, 10, None).unwrap());
    }
}
