//! What a fuzzer feeds to the sandbox. The same targets run under `cargo fuzz`, and for a moment in every test run.
use arbitrary::{Result, Unstructured};
use toolward_sandbox::fuzzing;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    ManglingAndAbi, Resolve,
    decoding::{DecodedWasm, decode},
};

/// Bytes as they are, the same after the preamble of a component, and a component made from them.
pub(crate) fn loading(data: &[u8]) {
    fuzzing::loading(data);
    fuzzing::loading(&[PREAMBLE, data].concat());
    let config = wasm_smith::Config { max_components: 3, ..wasm_smith::Config::default() };
    if let Ok(component) = wasm_smith::Component::new(config, &mut Unstructured::new(data)) {
        fuzzing::loading(&component.to_bytes());
    }
}

/// The worlds of any WIT as components.
pub(crate) fn schemas(data: &[u8]) {
    let _ = each_world(&mut Unstructured::new(data), |component, _| {
        drop(fuzzing::schemas(component));
        Ok(())
    });
}

/// JSON for the functions of any WIT, and back.
pub(crate) fn values(data: &[u8]) {
    let _ = each_world(&mut Unstructured::new(data), |component, data| {
        fuzzing::values(component, data).map(drop)
    });
}

/// Components whose functions do nothing, for the worlds of a generated WIT package. The rest of the data is left.
pub(crate) fn each_world(
    data: &mut Unstructured<'_>,
    mut visit: impl FnMut(&[u8], &mut Unstructured<'_>) -> Result<()>,
) -> Result<()> {
    let config = wit_smith::Config {
        max_packages: 2,
        max_files_per_package: 2,
        max_type_size: 40,
        max_resource_items: 2,
        // Seldom: one function with any of these and the component is refused.
        streams: data.ratio(1, 16)?,
        futures: data.ratio(1, 16)?,
        async_: data.ratio(1, 16)?,
        ..wit_smith::Config::default()
    };
    let package = wit_smith::smith(&config, data)?;
    let Ok(DecodedWasm::WitPackage(resolve, package)) = decode(&package) else { return Ok(()) };
    let worlds: Vec<_> = resolve.packages[package].worlds.values().copied().collect();
    for world in worlds {
        if let Some(component) = component(&resolve, world) {
            visit(&component, data)?;
        }
    }
    Ok(())
}

fn component(resolve: &Resolve, world: wit_parser::WorldId) -> Option<Vec<u8>> {
    let mut module = wit_component::dummy_module(resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}

const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
