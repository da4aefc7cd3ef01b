//! What a component is and wants, read from its bytes. Nothing is compiled, nothing runs.
use std::str;

use toolward_gate::{Digest, Interface};
use wasmparser::{
    BinaryReaderError, Encoding, Parser, Payload, Validator, WasmFeatures,
    component_types::ComponentEntityType, types::Types,
};

use crate::{
    capability,
    manifest::{Manifest, ManifestError},
};

/// What can be known of a component before it runs.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// SHA-256 over the bytes that are compiled.
    pub digest: Digest,
    pub bytes: usize,
    pub imports: Vec<Import>,
    pub manifest: Manifest,
}

/// One thing that a component asks to be linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// As it stands in the component, as in `toolward:tool/http@0.1.0`.
    pub name: String,
    /// The short name, where it is an interface that this host can link.
    pub interface: Option<Interface>,
    pub functions: Vec<String>,
}

/// Why bytes are not a tool component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    #[error("it is empty; build the component again")]
    Empty,
    #[error(
        "it is not WebAssembly: it does not begin with `\\0asm`; name the `.wasm` file that `toolward build` wrote"
    )]
    NotWasm,
    #[error(
        "it is WebAssembly in text form; only the binary form is loaded, as `toolward build` writes it"
    )]
    Text,
    #[error(
        "it is compiled code, which is never loaded from outside; name the component it was made from"
    )]
    Compiled,
    #[error(
        "it is a core module, not a component; `toolward build` in the tool's folder makes the component"
    )]
    CoreModule,
    #[error(
        "it ends in the middle, at byte {offset}; it was cut off on its way here: copy or build it again"
    )]
    Truncated { offset: u64 },
    #[error("it is not a valid component: {cause} (at byte {offset})")]
    Invalid { cause: String, offset: u64 },
    #[error("it is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    #[error(
        "it has no manifest (custom section `{SECTION}`); build it with the guest SDK and `toolward build`"
    )]
    NoManifest,
    #[error("it has two manifests (custom section `{SECTION}`); build it again")]
    TwoManifests,
    #[error("its manifest cannot be read: {0}")]
    Manifest(#[from] ManifestError),
    #[error("it does not export the interface `{EXPORT}`; build it with the guest SDK")]
    NoCalls,
    #[error("it cannot be compiled: {0}")]
    Compile(String),
}

/// Reads and validates a component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    check_beginning(bytes)?;
    let manifest = manifest_text(bytes)?;
    let types = Validator::new_with_features(features()).validate_all(bytes).map_err(invalid)?;
    let imports = imports(bytes, &types)?;
    if types.component_item_for_export(EXPORT).is_none() {
        return Err(ComponentError::NoCalls);
    }
    let manifest = Manifest::parse(manifest.ok_or(ComponentError::NoManifest)?)?;
    Ok(Inspection { digest: Digest::of(bytes), bytes: bytes.len(), imports, manifest })
}

fn check_beginning(bytes: &[u8]) -> Result<(), ComponentError> {
    if bytes.len() > MAX_BYTES {
        return Err(ComponentError::TooLarge);
    }
    let text = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match bytes {
        [] => Err(ComponentError::Empty),
        // The binary format's preamble: magic, version and layer.
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(ComponentError::CoreModule),
        [0, b'a', b's', b'm', ..] => Ok(()),
        [0x7f, b'E', b'L', b'F', ..] => Err(ComponentError::Compiled),
        _ if text == Some(&b'(') => Err(ComponentError::Text),
        _ => Err(ComponentError::NotWasm),
    }
}

/// The manifest of the component itself; sections of what is nested in it do not count.
fn manifest_text(bytes: &[u8]) -> Result<Option<&str>, ComponentError> {
    let (mut depth, mut found) = (0_u32, None);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } | Payload::Version { .. } => {
                depth = depth.saturating_add(1)
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                if found.is_some() {
                    return Err(ComponentError::TwoManifests);
                }
                found = Some(manifest_section(section.data())?);
            }
            _ => {}
        }
    }
    Ok(found)
}

fn manifest_section(data: &[u8]) -> Result<&str, ManifestError> {
    if data.len() > MAX_MANIFEST {
        return Err(ManifestError::Json(format!("it is longer than {} KiB", MAX_MANIFEST >> 10)));
    }
    str::from_utf8(data).map_err(|error| ManifestError::Json(format!("it is not UTF-8: {error}")))
}

fn imports(bytes: &[u8], types: &Types) -> Result<Vec<Import>, ComponentError> {
    let (mut depth, mut imports) = (0_u32, Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { .. } => depth = depth.saturating_add(1),
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = import.map_err(invalid)?.name.name.to_owned();
                    imports.push(Import {
                        interface: capability::named(&name),
                        functions: functions(types, &name),
                        name,
                    });
                }
            }
            _ => {}
        }
    }
    Ok(imports)
}

fn functions(types: &Types, import: &str) -> Vec<String> {
    match types.component_item_for_import(import).map(|item| &item.ty) {
        Some(ComponentEntityType::Instance(instance)) => types[*instance]
            .exports
            .iter()
            .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
            .map(|(name, _)| name.clone())
            .collect(),
        _ => Vec::new(),
    }
}

/// The WebAssembly that the engine is configured for, and no more.
fn features() -> WasmFeatures {
    WasmFeatures::MVP
        | WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::FLOATS
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::GC_TYPES
}

fn invalid(error: BinaryReaderError) -> ComponentError {
    let (offset, cause) = (error.offset(), error.message().to_owned());
    if cause.contains("unexpected end") {
        ComponentError::Truncated { offset }
    } else {
        ComponentError::Invalid { cause, offset }
    }
}

/// Where the manifest stands.
const SECTION: &str = "toolward:manifest";
/// What the host calls.
const EXPORT: &str = "toolward:tool/calls@0.1.0";
const MAX_BYTES: usize = 64 << 20;
const MAX_MANIFEST: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A component with nothing in it, and sections behind it.
    fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for (name, data) in sections {
            let body = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), data].concat();
            bytes.extend([0, u8::try_from(body.len()).unwrap()]);
            bytes.extend(body);
        }
        bytes
    }

    #[test]
    fn bytes_that_are_no_tool_component_are_told_apart() {
        let whole = component(&[("other", b"data")]);
        let cases: [(&str, Vec<u8>); 9] = [
            ("empty", vec![]),
            ("text", b"  (component)".to_vec()),
            ("picture", b"\x89PNG\r\n".to_vec()),
            ("compiled", b"\x7fELF\x02".to_vec()),
            ("core module", b"\0asm\x01\0\0\0".to_vec()),
            ("cut off", whole[..whole.len() - 2].to_vec()),
            ("another layer", b"\0asm\x0d\0\x07\0".to_vec()),
            ("no calls", whole),
            ("two manifests", component(&[(SECTION, b"{}"), (SECTION, b"{}")])),
        ];
        let said = cases.map(|(name, bytes)| format!("{name}: {}", inspect(&bytes).unwrap_err()));
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_inspected_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(inspect(&bytes).is_err());
            let after_preamble = [b"\0asm\x0d\0\x01\0".as_slice(), &bytes].concat();
            prop_assert!(inspect(&after_preamble).is_err());
        }
    }
}
