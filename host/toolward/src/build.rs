//! A tool's crate, compiled and made a component with its manifest.
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use toolward_gate::Digest;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// A component, ready to be installed.
#[derive(Clone)]
pub struct Built {
    pub bytes: Vec<u8>,
    pub digest: Digest,
    /// How many tools its manifest has.
    pub tools: usize,
    /// Where the core module was found.
    pub module: PathBuf,
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built")
            .field("digest", &self.digest)
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}

/// Why a tool was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("there is no `Cargo.toml` in `{}`; name the folder of a tool's crate", .0.display())]
    NoCrate(PathBuf),
    #[error("`{program}` cannot be run: {cause}; install Rust from https://rustup.rs")]
    NoProgram { program: String, cause: io::Error },
    #[error("the target `{TARGET}` cannot be added; run `rustup target add {TARGET}`")]
    NoTarget,
    #[error("the crate does not compile; what the compiler said stands above")]
    NotCompiled,
    #[error("the crate makes no WebAssembly module; add `crate-type = [\"cdylib\"]` under `[lib]` in `{}`", .0.display())]
    NoModule(PathBuf),
    #[error("the module has no tools; mark a function with `#[tool]`")]
    NoTools,
    #[error("the module cannot be made a component: {0}")]
    NotAComponent(String),
    #[error("`{path}` cannot be read: {cause}", path = .path.display())]
    Io { path: PathBuf, cause: io::Error },
}

/// Builds the crate in a folder. The Wasm target is added through rustup when it is missing.
///
/// `progress` hears what is being done. What the compiler says goes to standard error.
pub fn build_tool(directory: &Path, progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let manifest = directory.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::NoCrate(directory.to_owned()));
    }
    // The compiler runs in the crate's folder, where a relative path would lead elsewhere.
    let manifest = manifest
        .canonicalize()
        .map_err(|cause| BuildError::Io { path: manifest.clone(), cause })?;
    ensure_target(progress)?;
    progress("compiling");
    let module = compile(&manifest)?;
    progress("making the component");
    let core = fs::read(&module).map_err(|cause| BuildError::Io { path: module.clone(), cause })?;
    let (bytes, tools) = componentize(&core)?;
    Ok(Built { digest: Digest::of(&bytes), bytes, tools, module })
}

/// Makes a core module that was built with the SDK a component, and counts its tools.
pub fn componentize(core: &[u8]) -> Result<(Vec<u8>, usize), BuildError> {
    let failed = |error: &dyn std::fmt::Display| BuildError::NotAComponent(error.to_string());
    let (core, lines) = take_lines(core).map_err(|error| failed(&error))?;
    let mut tools: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    if tools.is_empty() {
        return Err(BuildError::NoTools);
    }
    // The linker's order is its own affair: the same source makes the same manifest.
    tools.sort_by_cached_key(|tool| tool.get("name").map(ToString::to_string));
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(|encoder| { encoder }.encode());
    let mut component = encoded.map_err(|error| BuildError::NotAComponent(format!("{error:#}")))?;
    let count = tools.len();
    let manifest = serde_json::json!({ "version": 1, "tools": tools }).to_string();
    append_section(&mut component, "toolward:manifest", manifest.as_bytes());
    Ok((component, count))
}

/// The module without the tools' lines, and the lines.
fn take_lines(core: &[u8]) -> Result<(Vec<u8>, Vec<u8>), wasmparser::BinaryReaderError> {
    let (mut module, mut lines) = (core.get(..8).unwrap_or_default().to_vec(), Vec::new());
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload
            && section.name() == "toolward:tool"
        {
            lines.extend_from_slice(section.data());
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start).unwrap_or_default()
                ..usize::try_from(range.end).unwrap_or_default();
            let body = core.get(range).unwrap_or_default();
            module.push(id);
            module.extend(leb128(body.len()));
            module.extend_from_slice(body);
        }
    }
    Ok((module, lines))
}

fn append_section(component: &mut Vec<u8>, name: &str, data: &[u8]) {
    let body = [&leb128(name.len()), name.as_bytes(), data].concat();
    component.push(0);
    component.extend(leb128(body.len()));
    component.extend(body);
}

/// Unsigned LEB128, as WebAssembly writes lengths.
fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn ensure_target(progress: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let installed =
        command("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let installed =
        installed.map_err(|cause| BuildError::NoProgram { program: "rustc".to_owned(), cause })?;
    let folder = String::from_utf8_lossy(&installed.stdout).trim().to_owned();
    if installed.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    progress("adding the WebAssembly target");
    let added = command("rustup").args(["target", "add", TARGET]).stdout(Stdio::null()).status();
    match added {
        Ok(status) if status.success() => Ok(()),
        _ => Err(BuildError::NoTarget),
    }
}

fn compile(manifest: &Path) -> Result<PathBuf, BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = command(&cargo);
    command.args([
        "build",
        "--release",
        "--quiet",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    command.arg("--manifest-path").arg(manifest);
    command.args(["--config", &format!("target.{TARGET}.rustflags={FLAGS}")]);
    // Flags from the surroundings are meant for programs of this machine, and would take the place of ours.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR");
    if let Some(directory) = manifest.parent() {
        command.current_dir(directory);
    }
    let output = command.stderr(Stdio::inherit()).stdout(Stdio::piped()).output();
    let program = || cargo.to_string_lossy().into_owned();
    let output = output.map_err(|cause| BuildError::NoProgram { program: program(), cause })?;
    if !output.status.success() {
        return Err(BuildError::NotCompiled);
    }
    let mut messages = output.stdout.rsplit(|byte| *byte == b'\n');
    let last = messages.find_map(|line| module(line, manifest));
    last.ok_or_else(|| BuildError::NoModule(manifest.to_owned()))
}

/// The module that one message of cargo names, if it is this crate's.
fn module(line: &[u8], manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_slice(line).ok()?;
    let of = Path::new(message.get("manifest_path")?.as_str()?);
    let same = fs::canonicalize(of).ok()? == fs::canonicalize(manifest).ok()?;
    let files = message.get("filenames")?.as_array()?;
    let wasm = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"));
    wasm.filter(|_| same).map(PathBuf::from)
}

#[expect(
    clippy::disallowed_methods,
    reason = "building a tool is running the compiler; no call does this"
)]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

const TARGET: &str = "wasm32-unknown-unknown";
/// A small stack keeps the memory of a fresh instance small; the SDK serves `getrandom`.
const FLAGS: &str = r#"["-Clink-arg=-zstack-size=131072", "--cfg=getrandom_backend=\"custom\""]"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_webassembly_reads_them() {
        assert_eq!(leb128(0), [0]);
        assert_eq!(leb128(127), [0x7f]);
        assert_eq!(leb128(624_485), [0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn a_module_without_tools_or_that_is_none_is_refused() {
        assert!(matches!(componentize(b"\0asm\x01\0\0\0"), Err(BuildError::NoTools)));
        assert!(matches!(componentize(b"nonsense"), Err(BuildError::NotAComponent(_))));
    }
}
