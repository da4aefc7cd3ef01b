//! `toolward compile`: the process in which one component is compiled. The host starts it; nobody else does.
use std::{io::Write as _, process::ExitCode};

use clap::Args;
use toolward_sandbox::{CompileOrder, compile_apart};

#[derive(Args)]
pub(super) struct Compile {
    /// Of the engine that will run the code.
    fingerprint: String,
    processor_seconds: u64,
    memory_bytes: u64,
}

impl Compile {
    /// Before there is a runtime, a log or a thread: the process limits itself first.
    pub(super) fn run(&self) -> ExitCode {
        let order = CompileOrder {
            fingerprint: self.fingerprint.clone(),
            processor_seconds: self.processor_seconds,
            memory_bytes: self.memory_bytes,
        };
        match compile_apart(&order) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                // The host may be gone; there is nowhere to say so.
                drop(writeln!(std::io::stderr(), "{failure}"));
                ExitCode::from(failure.exit())
            }
        }
    }
}
