//! What can a capability open to a component that was built for WASI?
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// What a capability says of WASI besides its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WasiScope {
    /// One directory of this machine, which the component sees as its root.
    Directory {
        path: PathBuf,
        /// How much may be written; absent where nothing may.
        quota: Option<DirectoryQuota>,
    },
    /// Variables of the environment. One that has no value here has that of the host's environment.
    Variables { names: BTreeSet<String>, values: BTreeMap<String, String> },
    /// Where the component finds a stand-in for the capability's credential.
    StandIn(StandIn),
}

/// How large a directory may be that components write into, with what is in it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryQuota {
    /// Over all files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

impl Default for DirectoryQuota {
    fn default() -> Self {
        Self { bytes: 256 << 20, entries: 10_000 }
    }
}

/// A component that was built for another host expects its key in one of these places. It finds a value there
/// that means nothing, new in every call, and the credential takes its place in the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// A variable of its environment.
    Variable(String),
    /// A key of `wasi:config/store`.
    Config(String),
}

/// Whether a capability over this interface says which requests may leave.
pub(super) fn has_destinations(interface: &str) -> bool {
    matches!(interface, "http" | "wasi-http")
}
