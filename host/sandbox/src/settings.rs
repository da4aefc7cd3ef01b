//! What may the operator set about the sandbox?
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use toolward_gate::{Clock, KeyValues, SandboxLimits, SystemClock};

use crate::OwnInterface;

/// What the operator may set about the sandbox.
#[derive(Clone)]
pub struct SandboxSettings {
    /// Calls that run at once; one more waits, while its own time runs.
    pub concurrent_calls: u32,
    /// As [`Self::concurrent_calls`], for components that are interpreters or as large as one.
    pub large_calls: u32,
    /// The stack of a guest, in bytes. It is the same for every call.
    pub stack_bytes: usize,
    /// How long a guest runs before the host looks at its life again. A switch that is thrown does not wait for
    /// it: see [`crate::Sandbox::interrupt`].
    pub tick: Duration,
    /// What a call uses of a processor before it goes on where it keeps no other call waiting. Most calls are over
    /// by then.
    pub share: Duration,
    /// No call gets more than this, whatever its terms say.
    pub ceiling: SandboxLimits,
    pub compile: Compile,
    /// The folder in which compiled components are kept from one start to the next, with the key for them
    /// beside it; nothing is kept where absent.
    pub data: Option<PathBuf>,
    /// What tools are told about the time.
    pub clock: Arc<dyn Clock>,
    /// Where tools remember; without it, `key-value` is there and answers that it is unavailable.
    pub key_values: Option<Arc<dyn KeyValues>>,
    /// What the program lends that embeds the host; each name once.
    pub own: Arc<[Arc<dyn OwnInterface>]>,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            concurrent_calls: 128,
            large_calls: 8,
            stack_bytes: 512 << 10,
            tick: Duration::from_millis(1),
            share: Duration::from_millis(2),
            ceiling: SandboxLimits::ceiling(),
            compile: Compile::Here,
            data: None,
            clock: Arc::new(SystemClock),
            key_values: None,
            own: Arc::default(),
        }
    }
}

impl fmt::Debug for SandboxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSettings")
            .field("concurrent_calls", &self.concurrent_calls)
            .field("large_calls", &self.large_calls)
            .field("stack_bytes", &self.stack_bytes)
            .field("compile", &self.compile)
            .finish_non_exhaustive()
    }
}

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compile {
    /// In this process: for tests, and for components that are trusted. A component can keep the compiler
    /// busy for long.
    Here,
    /// In a process of its own, which holds nothing and has limits.
    Apart(Apart),
}

/// The process in which a component is compiled.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The program that compiles when its first argument is `compile`; see [`crate::compile_apart`].
    pub program: PathBuf,
    pub limits: CompileLimits,
}

/// What compiling one component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Over all of its threads.
    pub processor: Duration,
    /// Of address space, in bytes.
    pub memory_bytes: u64,
    /// From start to end.
    pub time: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        // An interpreter of 20 MiB takes 20 s of a processor and 1 GiB.
        Self {
            processor: Duration::from_secs(120),
            memory_bytes: 4 << 30,
            time: Duration::from_secs(180),
        }
    }
}
