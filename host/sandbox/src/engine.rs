//! How is WebAssembly compiled and run in this host?
use std::{fmt, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use toolward_gate::{Clock, SystemClock};
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

/// What the operator may set about the sandbox.
#[derive(Clone)]
pub struct SandboxSettings {
    /// Calls that run at once; one more waits, while its own time runs.
    pub concurrent_calls: u32,
    /// The most that one linear memory can be given, in bytes; the terms of a call ask for less.
    pub memory_bytes: usize,
    /// What tools are told about the time.
    pub clock: Arc<dyn Clock>,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self { concurrent_calls: 128, memory_bytes: 256 << 20, clock: Arc::new(SystemClock) }
    }
}

impl fmt::Debug for SandboxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSettings")
            .field("concurrent_calls", &self.concurrent_calls)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(
        "the sandbox cannot be set up: {0}; lower the number of concurrent calls, or raise the limit on address space"
    )]
    Engine(String),
    #[error("the sandbox cannot start its clock: {0}")]
    Ticker(#[from] std::io::Error),
}

/// An engine whose epoch moves on by itself for as long as somebody holds it.
pub(crate) fn start(settings: &SandboxSettings) -> Result<Engine, SandboxError> {
    let engine = Engine::new(&config(settings))
        .map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
    let weak = engine.weak();
    thread::Builder::new().name("sandbox-epoch".to_owned()).spawn(move || tick(&weak))?;
    Ok(engine)
}

fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}

/// Strict: what no tool needs is off, as most security advisories are about what is new.
/// Garbage collection, threads and asynchronous components are not even compiled in.
fn config(settings: &SandboxSettings) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        // Adapters between the parts of a composed component use several memories: without this, compiling
        // one panics.
        .wasm_multi_memory(true)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

fn pool(settings: &SandboxSettings) -> PoolingAllocationConfig {
    let calls = settings.concurrent_calls.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(16))
        .total_memories(calls.saturating_mul(2))
        .total_tables(calls.saturating_mul(4))
        .total_stacks(calls)
        .max_core_instances_per_component(16)
        .max_memories_per_component(2)
        .max_tables_per_component(4)
        .table_elements(TABLE_ELEMENTS)
        .max_core_instance_size(1 << 18)
        .max_component_instance_size(1 << 18)
        .max_memory_size(settings.memory_bytes)
        .max_unused_warm_slots(100)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .decommit_batch_size(16)
        // Up to version 50 it leaves pages that were swapped out as they were: the next call would read them.
        .pagemap_scan(Enabled::No);
    pool
}

/// Elements of one table; a tool has some hundred functions in it.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// How long a guest runs before the host looks at its life again.
const TICK: Duration = Duration::from_millis(1);
