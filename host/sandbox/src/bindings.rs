//! The host's side of `wit/`, made from the same files that a reviewer reads.
wasmtime::component::bindgen!({
    path: "../../wit",
    world: "tool",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "toolward:tool/capabilities.capability": crate::capability::Handle },
});
