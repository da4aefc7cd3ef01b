//! The engine, the clock that makes guests yield, and the components that are compiled.
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Semaphore;
use toolward_gate::{Digest, ToolName};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};

use crate::{
    Inspection, Schema,
    bindings::ToolPre,
    capability::{self, HANDLES},
    component::{ComponentError, inspect},
    guest::Guest,
    limits::TABLE_ELEMENTS,
};

/// How much of the machine the sandbox takes.
#[derive(Clone, Copy, Debug)]
pub struct SandboxSettings {
    /// Calls that run at the same time; more wait for their turn.
    pub concurrent_calls: u32,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self { concurrent_calls: 100 }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot start: {0}")]
pub struct SandboxError(String);

/// Runs tools, each call in a store of its own.
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) turns: Semaphore,
    installed: RwLock<HashMap<Digest, Arc<Installed>>>,
    linked: RwLock<HashMap<(Digest, BTreeSet<&'static str>), ToolPre<Guest>>>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

/// A compiled component, and what is known of it.
pub(crate) struct Installed {
    pub(crate) component: Component,
    pub(crate) inspection: Inspection,
    pub(crate) outputs: HashMap<ToolName, Schema>,
}

impl Sandbox {
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError(format!("{error:#}"));
        let engine = Engine::new(&config(settings)).map_err(failed)?;
        tick(&engine).map_err(|error| SandboxError(error.to_string()))?;
        let turns =
            Semaphore::new(usize::try_from(settings.concurrent_calls).unwrap_or(usize::MAX));
        Ok(Self { engine, turns, installed: RwLock::default(), linked: RwLock::default() })
    }

    /// The short names of the interfaces that capabilities can open.
    pub fn interfaces() -> &'static [&'static str] {
        capability::NAMES
    }

    /// Inspects and compiles a component. The digest is of the very bytes that are compiled.
    pub async fn install(&self, bytes: Vec<u8>) -> Result<Inspection, ComponentError> {
        let engine = self.engine.clone();
        let compiled = tokio::task::spawn_blocking(move || compile(&engine, &bytes)).await;
        let installed =
            compiled.map_err(|_| ComponentError::Compile("the compiler crashed".to_owned()))??;
        let inspection = installed.inspection.clone();
        let mut all = self.installed.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(inspection.digest, Arc::new(installed));
        Ok(inspection)
    }

    pub(crate) fn installed(&self, digest: Digest) -> Option<Arc<Installed>> {
        self.installed.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    /// The component with these interfaces linked, and no others. What else it imports are traps with nothing
    /// behind them.
    pub(crate) fn link(
        &self,
        installed: &Installed,
        interfaces: &BTreeSet<&'static str>,
    ) -> wasmtime::Result<ToolPre<Guest>> {
        let key = (installed.inspection.digest, interfaces.clone());
        if let Some(linked) = self.linked.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(linked.clone());
        }
        let mut linker = Linker::new(&self.engine);
        HANDLES.link(&mut linker)?;
        for capability in capability::ALL.iter().filter(|one| interfaces.contains(one.name())) {
            capability.link(&mut linker)?;
        }
        linker.define_unknown_imports_as_traps(&installed.component)?;
        let linked = ToolPre::new(linker.instantiate_pre(&installed.component)?)?;
        self.linked.write().unwrap_or_else(PoisonError::into_inner).insert(key, linked.clone());
        Ok(linked)
    }
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Installed, ComponentError> {
    let inspection = inspect(bytes)?;
    let component = Component::new(engine, bytes)
        .map_err(|error| ComponentError::Compile(format!("{error:#}")))?;
    let output = |tool: &crate::ToolManifest| {
        Some((tool.name.clone(), Schema::compile(&tool.output_schema).ok()?))
    };
    let outputs = inspection.manifest.tools.iter().filter_map(output).collect();
    Ok(Installed { component, inspection, outputs })
}

/// The smallest WebAssembly that every tool needs; each proposal left out is one that cannot have a flaw.
fn config(settings: SandboxSettings) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // The component model's own adapters use several memories.
        .wasm_multi_memory(true)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_extended_const(true)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16))
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings.concurrent_calls)));
    config
}

fn pool(calls: u32) -> PoolingAllocationConfig {
    let times = |each: u32| calls.saturating_mul(each);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(times(CORE_INSTANCES))
        .total_memories(times(MEMORIES))
        .total_tables(times(TABLES))
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_core_instance_size(1 << 18)
        .max_component_instance_size(1 << 18)
        .max_memory_size(MEMORY)
        .linear_memory_keep_resident(192 << 10)
        .table_keep_resident(64 << 10)
        // A page that was swapped out would keep what the last guest left in it.
        .pagemap_scan(Enabled::No);
    pool
}

/// Makes running guests look at their life once a millisecond, as long as there is an engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("toolward-epoch".to_owned()).spawn(run).map(drop)
}

const TICK: Duration = Duration::from_millis(1);
const WASM_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 1 << 20;
/// Per call: a Rust component with several interfaces has some 13 core instances.
const CORE_INSTANCES: u32 = 24;
const MEMORIES: u32 = 2;
const TABLES: u32 = 4;
/// The most a linear memory can have, in bytes; the terms of a call can say less.
const MEMORY: usize = 64 << 20;
