//! What does a component that was built for WASI 0.2 find here? One file for each part; this list is the only one.
use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use toolward_gate::{Clock, Stop, Unavailable, WasiScope};
use toolward_vault::Grant;
use wasmtime::component::{Linker, ResourceTable, ResourceType};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    p2::{DynInputStream, DynOutputStream, DynPollable, IoError},
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{guest::Guest, link::Links};

mod clocks;
mod config;
mod environment;
mod filesystem;
mod http;
mod inert;
mod random;
mod stand_in;

use stand_in::StandIns;

/// Some interfaces of WASI, and what the host puts behind them.
pub(crate) trait Part: Sync {
    /// The short name, as in `wasi-clocks`.
    fn name(&self) -> &'static str;
    /// Without their versions.
    fn interfaces(&self) -> &'static [&'static str];
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()>;
}

pub(crate) const PARTS: &[&dyn Part] = &[
    &inert::Inert,
    &clocks::Clocks,
    &random::Random,
    &filesystem::Filesystem,
    &http::Http,
    &config::Config,
];

/// What a capability can open. Sockets are not among them: a connection of a tool's own would pass the check of
/// its destination, the credential and the scan.
pub(crate) const OPENED: [&str; 5] =
    ["wasi-clocks", "wasi-random", "wasi-filesystem", "wasi-environment", "wasi-http"];

/// What is linked without a capability: there is nothing in it.
pub(crate) const INERT: &str = "wasi";
/// What is linked where a granted capability leaves its stand-in there.
pub(crate) const CONFIG: &str = "wasi-config";
const HTTP: &str = "wasi-http";

/// The part that an import such as `wasi:cli/environment@0.2.6` belongs to, in a version that this host has.
pub(crate) fn part(import: &str) -> Option<&'static str> {
    let (name, version) = import.split_once('@')?;
    let part = PARTS.iter().find(|part| part.interfaces().contains(&name))?.name();
    // A draft fits only itself; the stable interfaces keep to semantic versioning.
    let fits = match part {
        CONFIG => version == config::VERSION,
        _ => version.strip_prefix("0.2.").is_some_and(|patch| {
            !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit())
        }),
    };
    fits.then_some(part)
}

/// Everything that a capability over this interface opens.
pub(crate) fn opened(interface: &str) -> impl Iterator<Item = &str> {
    // The authority is over requests; in which words a component asks for them is its own matter.
    let http = (interface == "http").then_some(HTTP);
    std::iter::once(interface).chain(http)
}

/// The type of a resource where its interface is not linked. What belongs to an interface that is linked must be
/// of the same type in both.
pub(crate) fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "error" | "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<NotThere>(),
    }
}

/// A resource of an interface that is not linked: nobody has one.
enum NotThere {}

/// What stands behind the WASI of one call.
pub(crate) struct Context {
    ctx: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    requests: http::Requests,
    settings: BTreeMap<String, String>,
    /// In its directory.
    room: Option<filesystem::Room>,
}

impl Context {
    /// Only where a part is linked: other tools do not pay for it.
    pub(crate) fn open(
        grant: &Grant,
        links: &Links,
        clock: &Arc<dyn Clock>,
        flights: &Flights,
    ) -> Result<Option<Box<Self>>, Stop> {
        if !PARTS.iter().any(|part| links.contains(part.name())) {
            return Ok(None);
        }
        let scopes = &grant.permit().terms().sandbox.grants.wasi;
        let stand_ins = StandIns::generate(scopes)?;
        let mut builder = empty();
        clocks::set(&mut builder, clock.clone(), Instant::now());
        environment::set(&mut builder, scopes, &stand_ins);
        let room = filesystem::set(&mut builder, scopes)?;
        let settings = stand_ins.settings();
        let requests = http::Requests::of(grant, stand_ins, flights);
        let context = Self::new(&mut builder, requests, settings);
        Ok(Some(Box::new(Self { room, ..context })))
    }

    fn new(
        builder: &mut WasiCtxBuilder,
        requests: http::Requests,
        settings: BTreeMap<String, String>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS);
        Self { ctx: builder.build(), table, http, requests, settings, room: None }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(&mut empty(), http::Requests::default(), BTreeMap::new())
    }
}

/// No environment, arguments, directories or streams; no addresses, which the builder denies where nobody says
/// otherwise.
fn empty() -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM);
    builder
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Context { ctx, table, .. } = &mut **self.wasi.get_or_insert_default();
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Context { http, table, requests, .. } = &mut **self.wasi.get_or_insert_default();
        WasiHttpCtxView { hooks: requests, table, ctx: http }
    }
}

/// Requests of one call that are on their way or answered and not yet dropped. They run beside the guest, so
/// the end of a call waits for theirs: what left is in the audit entry.
#[derive(Clone)]
pub(crate) struct Flights(Arc<Semaphore>);

impl Flights {
    pub(crate) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }

    /// Returns when all have ended; the store that holds them has been dropped before.
    pub(crate) async fn landed(&self) {
        drop(self.0.acquire_many(ALL).await);
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL as usize)))
    }
}

fn unavailable(what: &'static str, cause: impl std::fmt::Display) -> Stop {
    Unavailable::new(what, cause).into()
}

type Scopes = BTreeMap<toolward_gate::CapabilityName, Arc<WasiScope>>;

/// The requests of one call at once, and its guest.
const ALL: u32 = 16 + 1;
/// Live resources of WASI in one call.
const RESOURCES: usize = 512;
/// Bytes of the header fields of one message, as they are kept in memory.
const FIELDS: usize = 32 << 10;
/// Random bytes at once.
const RANDOM: u64 = 4 << 10;

#[cfg(test)]
mod tests;
