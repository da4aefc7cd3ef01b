//! One directory of this machine, as a component's root. Nothing in it leads out: neither `..` nor a link.
use toolward_gate::{Stop, WasiScope};
use wasmtime::{Result, component::Linker};
use wasmtime_wasi::{
    FsPerms, WasiCtxBuilder,
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::bindings::filesystem,
};

use super::{Part, Scopes, unavailable};
use crate::guest::Guest;

pub(super) struct Filesystem;

impl Part for Filesystem {
    fn name(&self) -> &'static str {
        "wasi-filesystem"
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:filesystem/types", "wasi:filesystem/preopens"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)?;
        filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Guest::filesystem)
    }
}

pub(super) fn set(builder: &mut WasiCtxBuilder, scopes: &Scopes) -> Result<(), Stop> {
    let mut lent = scopes.iter().filter_map(|(name, scope)| match &**scope {
        WasiScope::Directory { path, writable } => Some((name, path, *writable)),
        WasiScope::Variables { .. } | WasiScope::StandIn(_) => None,
    });
    let Some((name, path, writable)) = lent.next() else { return Ok(()) };
    if let Some((other, ..)) = lent.next() {
        let cause = format!("`{name}` and `{other}` each lend one, and a call has one root");
        return Err(unavailable("the tool's directory", cause));
    }
    let access = if writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    builder.preopened_dir(path, "/", access).map_err(|error| {
        unavailable("the tool's directory", format!("`{}`: {error}", path.display()))
    })?;
    Ok(())
}
