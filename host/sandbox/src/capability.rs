//! The interfaces that this host can lend to a tool: the list, and what each must do.
mod clock;
mod handle;
mod http;
mod log;
mod progress;
mod random;

#[expect(unreachable_pub, reason = "the bindings re-export the type behind their resource")]
pub use handle::Handle;
pub(crate) use log::Log;

use toolward_gate::Interface;
use wasmtime::component::Linker;

use crate::guest::Guest;

/// One interface.
pub(crate) trait Capability: Sync {
    /// The short name, which is also that of its file in `wit/`.
    fn name(&self) -> &'static str;
    /// Adds this interface, and nothing else.
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()>;
}

/// Every interface that a capability can open.
pub(crate) const ALL: &[&dyn Capability] =
    &[&http::Http, &log::Logging, &clock::Clock, &random::Random, &progress::Reporting];

/// The short names of [`ALL`].
pub(crate) const NAMES: &[&str] = &["http", "log", "clock", "random", "progress"];

/// Handles are lent to every tool: without a granted capability there is none to obtain, so that they open
/// nothing by themselves.
pub(crate) const HANDLES: &dyn Capability = &handle::Handles;

/// The interface that an import names, where it is one of ours in a version that fits.
pub(crate) fn named(import: &str) -> Option<Interface> {
    let (name, version) = import.strip_prefix("toolward:tool/")?.split_once('@')?;
    let known = NAMES.contains(&name) || name == HANDLES.name();
    (known && version == VERSION).then(|| Interface(name.to_owned()))
}

const VERSION: &str = "0.1.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_list() {
        assert_eq!(ALL.iter().map(|one| one.name()).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn an_import_of_another_package_or_version_is_not_ours() {
        assert_eq!(named("toolward:tool/http@0.1.0"), Some(Interface("http".to_owned())));
        for other in [
            "toolward:tool/http@0.2.0",
            "toolward:tool/http",
            "wasi:http/types@0.2.6",
            "toolward:tool/files@0.1.0",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
