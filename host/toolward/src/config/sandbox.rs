//! What is written under `[sandbox]`: places, limits, and how high a limit may be.
//!
//! ```toml
//! [sandbox]
//! concurrent_calls = 128
//! [sandbox.limits]
//! memory_bytes = 67_108_864
//! [sandbox.ceiling]
//! memory_bytes = 268_435_456
//! [sandbox.compile]
//! time_ms = 180_000
//! ```
use std::time::Duration;

use serde::Deserialize;
use toolward_gate::SandboxLimits;
use toolward_sandbox::{CompileLimits, SandboxSettings};

/// The sandbox, as it was set.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    pub concurrent_calls: u32,
    pub large_calls: u32,
    pub stack_bytes: usize,
    /// Of every call.
    pub limits: SandboxLimits,
    /// No limit goes above it.
    pub ceiling: SandboxLimits,
    pub compile: CompileLimits,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let settings = SandboxSettings::default();
        Self {
            concurrent_calls: settings.concurrent_calls,
            large_calls: settings.large_calls,
            stack_bytes: settings.stack_bytes,
            limits: SandboxLimits::default(),
            ceiling: settings.ceiling,
            compile: CompileLimits::default(),
        }
    }
}

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sandbox {
    concurrent_calls: Option<u32>,
    large_calls: Option<u32>,
    stack_bytes: Option<usize>,
    limits: Limits,
    ceiling: Limits,
    compile: Compiling,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Compiling {
    processor_seconds: Option<u64>,
    memory_bytes: Option<u64>,
    time_ms: Option<u64>,
}

/// Names every limit once: how it is written is how it is called in the terms.
macro_rules! limits {
    ($($name:ident),*) => {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Limits {
            $($name: Option<usize>,)*
            queue_time_ms: Option<u64>,
        }

        impl Limits {
            /// These limits, with what is written in place of theirs.
            fn over(&self, limits: SandboxLimits) -> SandboxLimits {
                SandboxLimits {
                    $($name: self.$name.unwrap_or(limits.$name),)*
                    queue_time: self.queue_time_ms.map_or(limits.queue_time, Duration::from_millis),
                }
            }
        }

        /// The limit that is above its ceiling, if one is.
        fn above(limits: &SandboxLimits, ceiling: &SandboxLimits) -> Option<&'static str> {
            $(if limits.$name > ceiling.$name {
                return Some(stringify!($name));
            })*
            (limits.queue_time > ceiling.queue_time).then_some("queue_time_ms")
        }
    };
}

limits!(
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
    queue_length
);

impl Sandbox {
    /// What it means. Fails where the pieces do not fit together.
    pub(super) fn read(self) -> Result<SandboxConfig, String> {
        let usual = SandboxConfig::default();
        let ceiling = self.ceiling.over(usual.ceiling);
        // What nobody wrote follows a ceiling that was lowered.
        let limits = self.limits.over(usual.limits.at_most(&ceiling));
        if let Some(name) = above(&limits, &ceiling) {
            return Err(format!(
                "the limit `{name}` is above its ceiling; lower it, or raise `{name}` under `[sandbox.ceiling]`"
            ));
        }
        Ok(SandboxConfig {
            concurrent_calls: places(
                self.concurrent_calls,
                usual.concurrent_calls,
                "concurrent_calls",
            )?,
            large_calls: places(self.large_calls, usual.large_calls, "large_calls")?,
            stack_bytes: stack(self.stack_bytes.unwrap_or(usual.stack_bytes))?,
            limits,
            ceiling,
            compile: self.compile.over(usual.compile)?,
        })
    }
}

impl Compiling {
    fn over(self, usual: CompileLimits) -> Result<CompileLimits, String> {
        let limits = CompileLimits {
            processor: self.processor_seconds.map_or(usual.processor, Duration::from_secs),
            memory_bytes: self.memory_bytes.unwrap_or(usual.memory_bytes),
            time: self.time_ms.map_or(usual.time, Duration::from_millis),
        };
        if limits.processor.is_zero() || limits.time.is_zero() || limits.memory_bytes < 1 << 28 {
            return Err("compiling needs time, and 268435456 bytes of memory; raise what is set under `[sandbox.compile]`".to_owned());
        }
        Ok(limits)
    }
}

fn places(set: Option<u32>, usual: u32, name: &str) -> Result<u32, String> {
    match set.unwrap_or(usual) {
        calls @ 1..=MAX_CALLS => Ok(calls),
        calls => Err(format!("`{name}` is {calls}; it can be 1 to {MAX_CALLS}")),
    }
}

fn stack(bytes: usize) -> Result<usize, String> {
    let (least, most) = (64 << 10, 8 << 20);
    if (least..=most).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("`stack_bytes` is {bytes}; it can be {least} to {most}"))
}

/// Each running call takes 6 mappings of memory, and Linux gives a process 65,530.
const MAX_CALLS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Sandbox, SandboxConfig};

    fn read(text: &str) -> Result<SandboxConfig, String> {
        let written: Sandbox = toml::from_str(text).map_err(|error| error.to_string())?;
        written.read()
    }

    #[test]
    fn what_is_not_written_is_as_usual() {
        assert_eq!(format!("{:?}", read("").unwrap()), format!("{:?}", SandboxConfig::default()));
    }

    #[test]
    fn every_part_can_be_set() {
        let set = read(
            "concurrent_calls = 7\nlarge_calls = 2\nstack_bytes = 1048576\n[limits]\nmemory_bytes = 1048576\nqueue_time_ms = 20\n[ceiling]\nhandles = 70\n[compile]\ntime_ms = 5\n",
        )
        .unwrap();
        assert_eq!((set.concurrent_calls, set.large_calls, set.stack_bytes), (7, 2, 1 << 20));
        assert_eq!((set.limits.memory_bytes, set.limits.handles), (1 << 20, 64));
        assert_eq!(set.limits.queue_time, Duration::from_millis(20));
        assert_eq!((set.ceiling.handles, set.compile.time), (70, Duration::from_millis(5)));
    }

    #[test]
    fn a_limit_above_its_ceiling_is_refused_and_an_unwritten_one_follows_it() {
        let told = read("[limits]\nhandles = 5\n[ceiling]\nhandles = 4\n").unwrap_err();
        assert!(told.contains("`handles` is above its ceiling"), "{told}");
        assert_eq!(read("[ceiling]\nhandles = 4\n").unwrap().limits.handles, 4);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "concurrent_calls = 0",
            "large_calls = 10001",
            "stack_bytes = 1",
            "concurent_calls = 3",
            "[limits]\nmemory = 3",
            "[compile]\nmemory_bytes = 1000",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
