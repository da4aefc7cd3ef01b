//! The guests, each compiled once for a run of the tests.
#![expect(clippy::disallowed_methods, reason = "building a guest is running the compiler")]
use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use serde_json::Value;
use toolward::build;
use toolward_gate::Want;

/// A crate of `tests/guests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// Does what tests ask for, well, badly or ill.
    Probe,
    /// Imports what nothing in its manifest accounts for.
    Stray,
    /// Does not get past its own start.
    Eager,
    /// Has other tools do something.
    Relay,
    /// Was built for WASI, as those below, and uses only what there is without a capability.
    Plain,
    /// Uses the clocks and random numbers.
    Clockwork,
    /// Uses files.
    Files,
    /// Sends requests through `wasi:http`.
    Client,
    /// Looks for its key in `wasi:config/store`.
    Settings,
}

impl Guest {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Stray => "stray",
            Self::Eager => "eager",
            Self::Relay => "relay",
            Self::Plain => "plain",
            Self::Clockwork => "clockwork",
            Self::Files => "files",
            Self::Client => "client",
            Self::Settings => "settings",
        }
    }

    /// The component. What was compiled by an earlier run is still in the workspace's target folder.
    pub(crate) fn component(self) -> &'static [u8] {
        static BUILT: [OnceLock<Vec<u8>>; 9] = [const { OnceLock::new() }; 9];
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
        let build = || match self {
            Self::Probe | Self::Stray | Self::Eager | Self::Relay => {
                build::build_tool(&guests.join(self.name()), &mut |_| ()).unwrap().bytes
            }
            Self::Plain | Self::Clockwork | Self::Files | Self::Client | Self::Settings => {
                std::fs::read(built_for_wasi(&guests.join("wasi").join(self.name()))).unwrap()
            }
        };
        BUILT[self as usize].get_or_init(build)
    }
}

/// Compiles a crate as its makers do, who know nothing of this host: the compiler makes a component of it.
fn built_for_wasi(folder: &Path) -> PathBuf {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet", "--target", "wasm32-wasip2"]);
    cargo.args(["--message-format=json-render-diagnostics", "--manifest-path"]).arg(&manifest);
    cargo.current_dir(folder).stderr(Stdio::inherit());
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        cargo.env_remove(flags);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{} does not compile", folder.display());
    let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut messages = messages.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let own = |message: &Value| {
        message["manifest_path"] == manifest.to_string_lossy().as_ref()
            && message["filenames"][0].as_str().is_some_and(|file| file.ends_with(".wasm"))
    };
    let message = messages.find(own).unwrap();
    PathBuf::from(message["filenames"][0].as_str().unwrap())
}

/// A component that says nothing of what it wants; the operator does.
#[derive(Clone)]
pub(crate) struct PlainGuest {
    pub(crate) name: &'static str,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) wants: &'static [&'static str],
}

impl PlainGuest {
    pub(crate) fn wants(&self) -> Arc<[Want]> {
        let want = |name: &&str| Want { capability: name.parse().unwrap(), required: true };
        self.wants.iter().map(want).collect()
    }
}

impl fmt::Debug for PlainGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainGuest").field("name", &self.name).finish_non_exhaustive()
    }
}
