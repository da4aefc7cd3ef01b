//! One directory of this machine, as a component's root. Nothing in it leads out: neither `..` nor a link; and it
//! does not grow beyond its quota.
use toolward_gate::{Stop, WasiScope};
use wasmtime::{Result, component::Linker};
use wasmtime_wasi::{
    FsPerms, WasiCtxBuilder, filesystem::WasiFilesystemView as _, p2::bindings::filesystem,
};

use super::{Part, Scopes, unavailable};
use crate::guest::Guest;
use lent::{Lending, Lent};
pub(super) use quota::Room;

mod lent;
mod quota;

pub(super) struct Filesystem;

impl Part for Filesystem {
    fn name(&self) -> &'static str {
        "wasi-filesystem"
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:filesystem/types", "wasi:filesystem/preopens"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        filesystem::types::add_to_linker::<_, Lending>(linker, lent)?;
        filesystem::preopens::add_to_linker::<_, Lending>(linker, lent)
    }
}

fn lent(guest: &mut Guest) -> Lent<'_> {
    let room = guest.wasi.as_ref().and_then(|wasi| wasi.room.clone());
    Lent { inner: guest.filesystem(), room }
}

/// Opens the directory that is lent, and says how much room there is in it where it can be written.
pub(super) fn set(builder: &mut WasiCtxBuilder, scopes: &Scopes) -> Result<Option<Room>, Stop> {
    let mut lent = scopes.iter().filter_map(|(name, scope)| match &**scope {
        WasiScope::Directory { path, quota } => Some((name, path, *quota)),
        WasiScope::Variables { .. } | WasiScope::StandIn(_) => None,
    });
    let Some((name, path, quota)) = lent.next() else { return Ok(None) };
    if let Some((other, ..)) = lent.next() {
        let cause = format!("`{name}` and `{other}` each lend one, and a call has one root");
        return Err(unavailable("the tool's directory", cause));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        unavailable("the tool's directory", format!("`{}`: {error}", path.display()))
    };
    let access = if quota.is_some() { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
    builder.preopened_dir(path, "/", access).map_err(|error| wrong(&error))?;
    quota.map(|quota| Room::of(path, quota)).transpose().map_err(|error| wrong(&error))
}
