//! What is in these bytes? Read without compiling and without running any of it.
use std::{fmt, sync::Arc};

use toolward_gate::{Digest, Interface, Want};
use wasmparser::{
    BinaryReader, ComponentImportSectionReader, CustomSectionReader, Validator,
    component_types::{ComponentAnyTypeId, ComponentEntityType},
    types::Types,
};

use crate::{
    capability,
    manifest::{Manifest, ManifestError},
    plain::{self, Exports, PlainError},
    text, wasi,
};

/// What a component is, imports and says about itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Over the very bytes that were read.
    pub digest: Digest,
    pub bytes: usize,
    pub imports: Vec<Import>,
    /// What the component says of its tools, or what its exported functions say.
    pub manifest: Manifest,
    /// Where its tools stand, when it brought no manifest.
    pub(crate) exports: Option<Exports>,
}

impl Inspection {
    /// Whether the component was built for this host, and says itself what it wants.
    pub fn has_manifest(&self) -> bool {
        self.exports.is_none()
    }
}

/// The bytes of a component, and what was read in these very bytes. Only this file makes one.
pub struct Inspected {
    bytes: Vec<u8>,
    inspection: Inspection,
}

impl Inspected {
    /// As [`inspect_wanting`], of bytes that nobody else changes.
    pub fn read(bytes: Vec<u8>, wants: &Arc<[Want]>) -> Result<Self, ComponentError> {
        let inspection = inspect_wanting(&bytes, wants)?;
        Ok(Self { bytes, inspection })
    }

    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Inspection) {
        (self.bytes, self.inspection)
    }
}

impl fmt::Debug for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = &self.inspection.digest;
        f.debug_struct("Inspected").field("digest", digest).finish_non_exhaustive()
    }
}

/// One import: something a component can reach if the host links it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// As in `toolward:tool/http@0.1.0`.
    pub name: String,
    /// The short name, as in `http`, when it is one of this host's interfaces in this host's version; for
    /// WASI that of the part it belongs to, as in `wasi-clocks`.
    pub interface: Option<Interface>,
    /// The functions of it that are imported.
    pub functions: Vec<String>,
}

impl Import {
    /// Whether it is linked without a capability, as there is nothing in it.
    pub fn is_inert(&self) -> bool {
        let of_wasi = self.name.starts_with("wasi:");
        // Types without functions, which other interfaces are written in, let nobody do anything.
        of_wasi && self.functions.is_empty()
            || self.interface.as_ref().is_some_and(|part| part.0 == wasi::INERT)
    }
}

/// Why bytes are not a component that this host takes.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("the file is empty; give the path of a `.wasm` component")]
    Empty,
    #[error(
        "the file is text, not a WebAssembly component; give the path of the `.wasm` file that `toolward build` writes"
    )]
    Text,
    #[error(
        "the file is not WebAssembly: it does not begin with `\\0asm`; give the path of a `.wasm` component"
    )]
    NotWasm,
    #[error(
        "the file is a core WebAssembly module, not a component; make one of it with `toolward build` or `wasm-tools component new`"
    )]
    CoreModule,
    #[error(
        "the file is WebAssembly of another format version; build it again with tools for the component model of 2024 or later"
    )]
    OtherVersion,
    #[error(
        "the component has {bytes} bytes, and {MAX_BYTES} are allowed; build it for release and strip it"
    )]
    TooLarge { bytes: usize },
    #[error(
        "the file is cut off: a section that begins at byte {at} goes beyond its end at byte {end}; copy or build it again"
    )]
    Truncated { at: usize, end: usize },
    #[error("the component is not valid at byte {offset}: {message}; build it again")]
    Invalid { offset: u64, message: String },
    #[error(
        "the component has no section `{SECTION}`, which names its tools, and exports no functions that could be some; build it with `toolward build`"
    )]
    NoTools,
    #[error(
        "the component has no section `{SECTION}`, which names its tools; build it with `toolward build`"
    )]
    NoManifest,
    #[error(
        "the component says itself which capabilities its tools want; remove `capabilities` from its configuration"
    )]
    WantsTwice,
    #[error("the component's functions cannot be tools: {0}")]
    Plain(#[from] PlainError),
    #[error(
        "the component has more than one section `{SECTION}`; build it again with `toolward build`"
    )]
    ManifestTwice,
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "the component does not export `{CALLS}` with its function `call`, so none of its tools can be called; build it against the WIT package `toolward:tool@0.1.0`"
    )]
    NoCalls,
    #[error("the component cannot be compiled for this host: {0}")]
    Compile(String),
    #[error(
        "compiling the component took more than {limit}; make it smaller, or raise the limit under `[sandbox.compile]`"
    )]
    CompileLimit { limit: String },
    #[error(
        "the compiler crashed on the component ({how}); nothing else was harmed; build the component again, and report it when that does not help"
    )]
    CompilerCrashed { how: String },
    #[error(
        "the compiler does not work: {why}; start the host again, and install it again when that does not help"
    )]
    NoCompiler { why: String },
    #[error(
        "the component does not fit the interfaces of this host: {0}; build it against the WIT package `toolward:tool@0.1.0`"
    )]
    Misfit(String),
}

/// Reads a component's sections and validates it. Nothing is compiled, and nothing runs.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    inspect_wanting(bytes, &Arc::default())
}

/// As [`inspect`]; where the component brings no manifest, each of its tools wants what the operator says.
pub fn inspect_wanting(bytes: &[u8], wants: &Arc<[Want]>) -> Result<Inspection, ComponentError> {
    check_preamble(bytes)?;
    let sections = sections(bytes)?;
    let types = Validator::new().validate_all(bytes).map_err(invalid)?;
    let (manifest, exports) = match manifest_section(&sections)? {
        Some(_) if !wants.is_empty() => return Err(ComponentError::WantsTwice),
        Some(section) => {
            let manifest = Manifest::parse(section)?;
            check_calls(&types)?;
            (manifest, None)
        }
        None => plain_tools(bytes, wants, &types)?,
    };
    let imports = imports(&sections, &types)?;
    Ok(Inspection { digest: Digest::of(bytes), bytes: bytes.len(), imports, manifest, exports })
}

fn plain_tools(
    bytes: &[u8],
    wants: &Arc<[Want]>,
    types: &Types,
) -> Result<(Manifest, Option<Exports>), ComponentError> {
    if check_calls(types).is_ok() {
        return Err(ComponentError::NoManifest);
    }
    let (manifest, exports) = plain::read(bytes, wants)?;
    if exports.is_empty() { Err(ComponentError::NoTools) } else { Ok((manifest, Some(exports))) }
}

fn check_preamble(bytes: &[u8]) -> Result<(), ComponentError> {
    match bytes {
        [] => Err(ComponentError::Empty),
        _ if bytes.len() > MAX_BYTES => Err(ComponentError::TooLarge { bytes: bytes.len() }),
        // Version 0x0d, layer 1: the encoding of components (component-model/Binary.md).
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(ComponentError::CoreModule),
        [0, b'a', b's', b'm', _, _, _, _, ..] => Err(ComponentError::OtherVersion),
        _ if b"\0asm".starts_with(bytes) || bytes.starts_with(b"\0asm") => {
            Err(ComponentError::Truncated { at: 0, end: bytes.len() })
        }
        _ if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() => Err(ComponentError::Text),
        _ => Err(ComponentError::NotWasm),
    }
}

/// A section of the outermost component.
struct Section<'a> {
    id: u8,
    at: usize,
    data: &'a [u8],
}

fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, ComponentError> {
    let mut sections = Vec::new();
    let mut reader = BinaryReader::new(bytes, 0);
    let end = bytes.len();
    reader.read_bytes(PREAMBLE).map_err(invalid)?;
    while !reader.eof() {
        let at = end.saturating_sub(reader.bytes_remaining());
        let cut = |_| ComponentError::Truncated { at, end };
        let id = reader.read_u8().map_err(cut)?;
        let length = match reader.read_var_u32() {
            Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Err(_) if reader.eof() => return Err(ComponentError::Truncated { at, end }),
            Err(error) => return Err(invalid(error)),
        };
        let data_at = end.saturating_sub(reader.bytes_remaining());
        let data = reader.read_bytes(length).map_err(cut)?;
        sections.push(Section { id, at: data_at, data });
    }
    Ok(sections)
}

fn manifest_section<'a>(sections: &[Section<'a>]) -> Result<Option<&'a [u8]>, ComponentError> {
    let mut found = None;
    for section in sections.iter().filter(|section| section.id == CUSTOM) {
        let custom = CustomSectionReader::new(section.reader()).map_err(invalid)?;
        if custom.name() == SECTION && found.replace(custom.data()).is_some() {
            return Err(ComponentError::ManifestTwice);
        }
    }
    Ok(found)
}

fn check_calls(types: &Types) -> Result<(), ComponentError> {
    match types.as_ref().component_item_for_export(CALLS).map(|item| item.ty) {
        Some(ty) if functions(types, &ty).iter().any(|name| name == "call") => Ok(()),
        _ => Err(ComponentError::NoCalls),
    }
}

fn imports(sections: &[Section<'_>], types: &Types) -> Result<Vec<Import>, ComponentError> {
    let mut imports = Vec::new();
    for section in sections.iter().filter(|section| section.id == IMPORTS) {
        let reader = ComponentImportSectionReader::new(section.reader()).map_err(invalid)?;
        for import in reader {
            let name = import.map_err(invalid)?.name.name;
            let item = types.as_ref().component_item_for_import(name);
            if item.is_some_and(|item| is_types_alone(types, &item.ty)) {
                continue;
            }
            imports.push(Import {
                name: name.to_owned(),
                interface: interface(name),
                functions: item.map(|item| functions(types, &item.ty)).unwrap_or_default(),
            });
        }
    }
    Ok(imports)
}

/// Such an import brings nothing in: it names what values look like. A resource is more.
fn is_types_alone(types: &Types, ty: &ComponentEntityType) -> bool {
    match ty {
        ComponentEntityType::Type { referenced, .. } => {
            !matches!(referenced, ComponentAnyTypeId::Resource(_))
        }
        ComponentEntityType::Instance(id) => types.as_ref().get(*id).is_some_and(|instance| {
            instance.exports.values().all(|item| is_types_alone(types, &item.ty))
        }),
        ComponentEntityType::Module(_)
        | ComponentEntityType::Func(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Component(_) => false,
    }
}

/// Only the exact version: another one may mean something else under the same name.
fn interface(import: &str) -> Option<Interface> {
    if let Some(part) = wasi::part(import) {
        return Some(Interface(part.to_owned()));
    }
    let short = import.strip_prefix("toolward:tool/")?.strip_suffix("@0.1.0")?;
    capability::names().contains(&short).then(|| Interface(short.to_owned()))
}

fn functions(types: &Types, ty: &ComponentEntityType) -> Vec<String> {
    let ComponentEntityType::Instance(id) = ty else { return Vec::new() };
    let Some(instance) = types.as_ref().get(*id) else { return Vec::new() };
    let is_function = |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Func(_));
    instance
        .exports
        .iter()
        .filter(|(_, item)| is_function(&item.ty))
        .map(|(name, _)| name.clone())
        .collect()
}

impl<'a> Section<'a> {
    fn reader(&self) -> BinaryReader<'a> {
        BinaryReader::new(self.data, u64::try_from(self.at).unwrap_or(u64::MAX))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn invalid(error: wasmparser::BinaryReaderError) -> ComponentError {
    // The message can repeat names out of the file.
    let message = text::visible(error.message(), false, 512);
    ComponentError::Invalid { offset: error.offset(), message }
}

/// The custom section that names the tools.
pub(crate) const SECTION: &str = "toolward:manifest";
const CALLS: &str = "toolward:tool/calls@0.1.0";
/// More than any component of a tool has; an interpreter in one has 20 MiB.
pub(crate) const MAX_BYTES: usize = 64 << 20;
const PREAMBLE: usize = 8;
/// Section ids (component-model/Binary.md).
const CUSTOM: u8 = 0;
const IMPORTS: u8 = 10;
