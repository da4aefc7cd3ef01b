//! Bare wasmtime: the engine of the host and the same component, and nothing else of the host.
use anyhow::Context as _;
use bindings::{Tool, ToolPre};
use toolward_gate::Clock as _;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package toolward:bare; world tool { export toolward:tool/calls@0.1.0; }",
        world: "toolward:bare/tool",
        exports: { default: async },
    });
}

/// A component that is compiled and linked.
pub(crate) struct Bare {
    engine: Engine,
    linked: ToolPre<()>,
}

impl Bare {
    pub(crate) fn new(bytes: &[u8]) -> anyhow::Result<Self> {
        Self::with_epochs(bytes, true)
    }

    pub(crate) fn with_epochs(bytes: &[u8], epochs: bool) -> anyhow::Result<Self> {
        let mut config = config();
        config.epoch_interruption(epochs);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        linker
            .instance("toolward:tool/clock@0.1.0")?
            .func_wrap("now-ms", |_, ()| Ok((milliseconds(),)))?;
        // The SDK imports handles; this tool asks for none.
        linker.define_unknown_imports_as_traps(&component)?;
        let linked = ToolPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, linked })
    }

    /// A fresh store, a fresh instance, one call.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> anyhow::Result<String> {
        let mut store = Store::new(&self.engine, ());
        // Nobody moves the epoch on.
        store.set_epoch_deadline(1 << 50);
        let instance: Tool = self.linked.instantiate_async(&mut store).await?;
        let answer = instance.toolward_tool_calls().call_call(&mut store, tool, arguments).await?;
        answer.ok().context("the tool failed")
    }
}

/// As the host's clock tells it.
fn milliseconds() -> u64 {
    u64::try_from(toolward_gate::SystemClock.now().as_millisecond()).unwrap_or_default()
}

/// As in `host/sandbox/src/engine.rs`.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_multi_memory(true)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CALLS)
        .total_core_instances(CALLS * 16)
        .total_memories(CALLS * 2)
        .total_tables(CALLS * 4)
        .total_stacks(CALLS)
        .max_core_instances_per_component(16)
        .max_memories_per_component(2)
        .max_tables_per_component(4)
        .table_elements(20_000)
        .max_core_instance_size(1 << 18)
        .max_component_instance_size(1 << 18)
        .max_memory_size(256 << 20)
        .max_unused_warm_slots(100)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .decommit_batch_size(16)
        .pagemap_scan(Enabled::No);
    pool
}

const CALLS: u32 = 128;
