//! The guests, each compiled once for a run of the tests.
use std::{path::Path, sync::OnceLock};

use toolward::build::{self, Built};

/// A crate of `tests/guests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Does what tests ask for, well, badly or ill.
    Probe,
    /// Imports what nothing in its manifest accounts for.
    Stray,
    /// Does not get past its own start.
    Eager,
}

impl Guest {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Stray => "stray",
            Self::Eager => "eager",
        }
    }

    /// The component. What was compiled by an earlier run is still in the workspace's target folder.
    pub(crate) fn component(self) -> &'static [u8] {
        static BUILT: [OnceLock<Built>; 3] = [const { OnceLock::new() }; 3];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(self.name());
        let build = || build::build_tool(&folder, &mut |_| ()).unwrap();
        &BUILT[self as usize].get_or_init(build).bytes
    }
}
