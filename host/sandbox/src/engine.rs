//! How is WebAssembly compiled and run in this host?
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use crate::{settings::SandboxSettings, swap};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(
        "the sandbox cannot be set up: {0}; lower the number of concurrent calls, or raise the limit on address space"
    )]
    Engine(String),
    #[error("the sandbox cannot start its clock: {0}")]
    Ticker(#[from] std::io::Error),
    #[error("the sandbox cannot start its threads: {0}")]
    Threads(std::io::Error),
    #[error("the cache of compiled components cannot be used: {0}")]
    Cache(String),
}

/// For which kind of component an engine has room. What is compiled is the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// A component of one program, as the compilers of most languages make it.
    Usual,
    /// An interpreter and the program it reads, in many parts.
    Large,
}

/// The engines of a sandbox. The one for large components reserves much, and is made when one comes.
pub(crate) struct Engines {
    settings: Arc<SandboxSettings>,
    pub(crate) usual: Engine,
    large: Mutex<Option<Engine>>,
}

impl Engines {
    pub(crate) fn start(settings: Arc<SandboxSettings>) -> Result<Self, SandboxError> {
        let usual = start(&settings, Profile::Usual)?;
        Ok(Self { settings, usual, large: Mutex::default() })
    }

    pub(crate) fn engine(&self, profile: Profile) -> Result<Engine, SandboxError> {
        if profile == Profile::Usual {
            return Ok(self.usual.clone());
        }
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = large.as_ref() {
            return Ok(engine.clone());
        }
        tracing::info!("a component is large: the engine for such is made");
        Ok(large.insert(start(&self.settings, Profile::Large)?).clone())
    }

    /// Makes every guest that runs look at its life now, and not only at the next tick.
    pub(crate) fn interrupt(&self) {
        self.usual.increment_epoch();
        if let Some(large) = self.large.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            large.increment_epoch();
        }
    }

    #[cfg(test)]
    pub(crate) fn has_large(&self) -> bool {
        self.large.lock().unwrap().is_some()
    }
}

/// An engine whose epoch moves on by itself for as long as somebody holds it.
fn start(settings: &SandboxSettings, profile: Profile) -> Result<Engine, SandboxError> {
    let mut config = compiling();
    config
        .max_wasm_stack(settings.stack_bytes)
        .async_stack_size(settings.stack_bytes.saturating_add(HOST_STACK))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings, profile)));
    let engine =
        Engine::new(&config).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
    let (weak, pause) = (engine.weak(), settings.tick);
    thread::Builder::new().name("sandbox-epoch".to_owned()).spawn(move || tick(&weak, pause))?;
    Ok(engine)
}

/// An engine that compiles and cannot run much: it reserves no memory.
pub(crate) fn compiler() -> Result<Engine, SandboxError> {
    Engine::new(&compiling()).map_err(|error| SandboxError::Engine(format!("{error:#}")))
}

fn tick(engine: &EngineWeak, pause: Duration) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(pause);
    }
}

/// Everything that compiled code depends on. Strict: what no tool needs is off, as most security advisories are
/// about what is new. Garbage collection, threads and asynchronous components are not even compiled in.
pub(crate) fn compiling() -> Config {
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
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        .memory_init_cow(true);
    config
}

/// What one component may be made of, and how many run at once.
struct Room {
    calls: u32,
    instances: u32,
    memories: u32,
    tables: u32,
    instance_bytes: usize,
}

fn room(settings: &SandboxSettings, profile: Profile) -> Room {
    match profile {
        Profile::Usual => {
            let calls = settings.concurrent_calls;
            Room { calls, instances: 16, memories: 2, tables: 4, instance_bytes: 1 << 18 }
        }
        Profile::Large => {
            let calls = settings.large_calls;
            Room { calls, instances: 48, memories: 4, tables: 8, instance_bytes: 1 << 20 }
        }
    }
}

fn pool(settings: &SandboxSettings, profile: Profile) -> PoolingAllocationConfig {
    let Room { calls, instances, memories, tables, instance_bytes } = room(settings, profile);
    let calls = calls.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(instances))
        .total_memories(calls.saturating_mul(memories))
        .total_tables(calls.saturating_mul(tables))
        .total_stacks(calls)
        .max_core_instances_per_component(instances)
        .max_memories_per_component(memories)
        .max_tables_per_component(tables)
        .table_elements(settings.ceiling.table_elements)
        .max_core_instance_size(1 << 18)
        .max_component_instance_size(instance_bytes)
        .max_memory_size(settings.ceiling.memory_bytes)
        .max_unused_warm_slots(100)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        // Whose call it was gives its memory back, and no short call does it for sixteen others.
        .decommit_batch_size(1)
        .pagemap_scan(if swap::impossible() { Enabled::Auto } else { Enabled::No });
    pool
}

/// What host functions need of a call's stack, beyond the guest's part.
const HOST_STACK: usize = 512 << 10;
