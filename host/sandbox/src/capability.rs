//! Which interfaces can a tool be lent? One file for each; this list is the only one.
use std::sync::LazyLock;

use wasmtime::component::Linker;

use crate::guest::Guest;

pub(crate) mod clock;
pub(crate) mod handles;
pub(crate) mod http;
pub(crate) mod key_value;
pub(crate) mod log;
pub(crate) mod own;
pub(crate) mod progress;
pub(crate) mod random;
pub(crate) mod tools;

/// One interface of `wit/`, and what the host puts behind it.
pub(crate) trait Capability: Sync {
    /// Its short name, as in `http`.
    fn interface(&self) -> &'static str;
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()>;
}

pub(crate) const ALL: &[&dyn Capability] = &[
    &handles::Capabilities,
    &http::Http,
    &log::Logging,
    &clock::Clocks,
    &random::Random,
    &progress::Reporting,
    &key_value::Remembering,
    &tools::Tools,
];

/// The short names of all interfaces.
pub(crate) fn names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| ALL.iter().map(|capability| capability.interface()).collect());
    &NAMES
}
