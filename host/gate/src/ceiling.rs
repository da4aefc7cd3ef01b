//! How high may a limit of the sandbox be set?
use std::time::Duration;

use crate::SandboxLimits;

impl SandboxLimits {
    /// The highest limits that an operator who sets none allows.
    pub fn ceiling() -> Self {
        Self {
            call_depth: 16,
            memory_bytes: 256 << 20,
            output_bytes: 16 << 20,
            values: 2 << 20,
            handles: 1024,
            log_lines: 10_000,
            log_bytes: 1 << 20,
            log_lines_per_second: 10_000,
            memories: 16,
            tables: 64,
            table_elements: 100_000,
            instances: 128,
            component_handles: 16_384,
            host_call_bytes: 64 << 20,
            calls_per_tool: 10_000,
            calls_per_principal: 10_000,
            queue_length: 10_000,
            queue_time: Duration::from_secs(5 * 60),
        }
    }

    /// These limits, with none above the one in `ceiling`.
    #[must_use]
    pub fn at_most(self, ceiling: &Self) -> Self {
        // No `..`: a limit that has no ceiling does not compile.
        let Self {
            call_depth,
            memory_bytes,
            output_bytes,
            values,
            handles,
            log_lines,
            log_bytes,
            log_lines_per_second,
            memories,
            tables,
            table_elements,
            instances,
            component_handles,
            host_call_bytes,
            calls_per_tool,
            calls_per_principal,
            queue_length,
            queue_time,
        } = self;
        Self {
            call_depth: call_depth.min(ceiling.call_depth),
            memory_bytes: memory_bytes.min(ceiling.memory_bytes),
            output_bytes: output_bytes.min(ceiling.output_bytes),
            values: values.min(ceiling.values),
            handles: handles.min(ceiling.handles),
            log_lines: log_lines.min(ceiling.log_lines),
            log_bytes: log_bytes.min(ceiling.log_bytes),
            log_lines_per_second: log_lines_per_second.min(ceiling.log_lines_per_second),
            memories: memories.min(ceiling.memories),
            tables: tables.min(ceiling.tables),
            table_elements: table_elements.min(ceiling.table_elements),
            instances: instances.min(ceiling.instances),
            component_handles: component_handles.min(ceiling.component_handles),
            host_call_bytes: host_call_bytes.min(ceiling.host_call_bytes),
            calls_per_tool: calls_per_tool.min(ceiling.calls_per_tool),
            calls_per_principal: calls_per_principal.min(ceiling.calls_per_principal),
            queue_length: queue_length.min(ceiling.queue_length),
            queue_time: queue_time.min(ceiling.queue_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::SandboxLimits;

    #[test]
    fn a_limit_above_its_ceiling_is_lowered_and_another_stays() {
        let wanted = SandboxLimits {
            memory_bytes: usize::MAX,
            handles: 3,
            queue_time: Duration::MAX,
            ..SandboxLimits::default()
        };
        let given = wanted.at_most(&SandboxLimits::ceiling());
        assert_eq!((given.memory_bytes, given.handles), (256 << 20, 3));
        assert_eq!(given.queue_time, Duration::from_secs(300));
    }

    #[test]
    fn no_default_is_above_its_ceiling() {
        let given = SandboxLimits::default().at_most(&SandboxLimits::ceiling());
        assert_eq!(format!("{given:?}"), format!("{:?}", SandboxLimits::default()));
    }
}
