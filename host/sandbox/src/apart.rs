//! How is a component compiled in a process that it may break?
//!
//! The program starts itself with `compile`: component bytes go in, code comes out. That process has no environment,
//! no secret and no open file, and limits itself before it reads.
use std::{
    fmt,
    io::{self, Read as _, Write as _},
    path::Path,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use crate::{
    code::{Fingerprint, told},
    component::{ComponentError, MAX_BYTES},
    engine,
    settings::{Apart, CompileLimits},
    text,
};

/// What one process compiles, and with how much: the arguments after `compile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOrder {
    /// Of the engine that will run the code.
    pub fingerprint: String,
    pub processor_seconds: u64,
    pub memory_bytes: u64,
}

impl CompileOrder {
    fn new(fingerprint: &Fingerprint, limits: &CompileLimits) -> Self {
        Self {
            fingerprint: fingerprint.to_string(),
            processor_seconds: limits.processor.as_secs().max(1),
            memory_bytes: limits.memory_bytes,
        }
    }

    fn arguments(&self) -> [String; 4] {
        let Self { fingerprint, processor_seconds, memory_bytes } = self;
        let words: [&dyn fmt::Display; 4] =
            [&"compile", fingerprint, processor_seconds, memory_bytes];
        words.map(ToString::to_string)
    }
}

/// Compiles in a process of its own.
pub(crate) async fn compile(
    apart: &Apart,
    fingerprint: &Fingerprint,
    bytes: &[u8],
) -> Result<Vec<u8>, ComponentError> {
    let order = CompileOrder::new(fingerprint, &apart.limits);
    let mut child = start(&apart.program, &order)
        .map_err(|error| ComponentError::NoCompiler { why: not_started(&apart.program, &error) })?;
    let ended = tokio::time::timeout(apart.limits.time, converse(&mut child, bytes)).await;
    let Ok(ended) = ended else {
        // Gone before the next one starts.
        drop(child.kill().await);
        let limit = format!("{} s", apart.limits.time.as_secs_f32());
        return Err(ComponentError::CompileLimit { limit });
    };
    let no_answer = |error: io::Error| ComponentError::NoCompiler { why: error.to_string() };
    let (status, code, said) = ended.map_err(no_answer)?;
    judge(status, &said, &apart.limits)?;
    Ok(code)
}

fn start(program: &Path, order: &CompileOrder) -> io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the compiler; no call does this")]
    let command = std::process::Command::new(program);
    Command::from(command)
        .args(order.arguments())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

fn not_started(program: &Path, error: &io::Error) -> String {
    format!("`{}` cannot be started: {error}", program.display())
}

/// Hands the bytes over and takes what comes back, both at once: neither side waits for the other.
async fn converse(child: &mut Child, bytes: &[u8]) -> io::Result<(ExitStatus, Vec<u8>, String)> {
    let (mut to, from, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async move {
        if let Some(to) = to.as_mut() {
            // A compiler that ended early says why in another way.
            drop(to.write_all(bytes).await);
        }
    };
    let ((), code, said) = tokio::join!(give, take(from, MAX_CODE), take(errors, MAX_SAID));
    let status = child.wait().await?;
    Ok((status, code?, text::visible(&String::from_utf8_lossy(&said?), true, MAX_TOLD)))
}

async fn take(from: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// What the end of the compiler means.
fn judge(status: ExitStatus, said: &str, limits: &CompileLimits) -> Result<(), ComponentError> {
    let memory = || ComponentError::CompileLimit {
        limit: format!("{} MiB of memory", limits.memory_bytes >> 20),
    };
    // As the allocator, the operating system and the starter of threads say it.
    let words = ["out of memory", "memory allocation of", "os error 12", "code: 11,"];
    let starved = words.iter().any(|word| said.contains(word));
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match (code, signal(status)) {
        (Some(0), _) => Ok(()),
        _ if starved => Err(memory()),
        (Some(REFUSED), _) => Err(ComponentError::Compile(said.trim().to_owned())),
        (Some(OTHER), _) => Err(ComponentError::NoCompiler { why: said.trim().to_owned() }),
        (_, Some(PROCESSOR_TIME)) => Err(ComponentError::CompileLimit {
            limit: format!("{} s of a processor", limits.processor.as_secs()),
        }),
        _ => {
            tracing::warn!(%status, said, "the compiler crashed on a component");
            Err(ComponentError::CompilerCrashed { how: status.to_string() })
        }
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// Why the compiler's process ends without code.
#[derive(Debug, thiserror::Error)]
pub enum CompileFailure {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Other(String),
}

impl CompileFailure {
    /// How the process ends, for the host that waits for it.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Refused(_) => REFUSED,
            Self::Other(_) => OTHER,
        }
    }
}

/// The other side: what the program does when its first argument is `compile`. Reads a component from standard
/// input and writes its code to standard output.
pub fn compile_apart(order: &CompileOrder) -> Result<(), CompileFailure> {
    let other = |error: &dyn fmt::Display| CompileFailure::Other(error.to_string());
    limit_itself(order).map_err(|error| other(&error))?;
    let engine = engine::compiler().map_err(|error| other(&error))?;
    if Fingerprint::of(&engine).as_str() != order.fingerprint {
        return Err(other(&"the program is another one than the host that runs"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(|error| other(&error))?;
    let code = engine
        .precompile_component(&bytes)
        .map_err(|error| CompileFailure::Refused(told(&error)))?;
    let mut out = io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(|error| other(&error))
}

#[cfg(unix)]
fn limit_itself(order: &CompileOrder) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let seconds = order.processor_seconds;
    let limits = [
        // The soft limit tells what ended the process; the hard one cannot be overheard.
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        (Resource::As, order.memory_bytes, order.memory_bytes),
        (Resource::Core, 0, 0),
        // Files, not pipes.
        (Resource::Fsize, 0, 0),
    ];
    for (resource, soft, hard) in limits {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit_itself(_order: &CompileOrder) -> io::Result<()> {
    Ok(())
}

/// Exit codes between the two sides (after `EX_DATAERR` and `EX_NOINPUT` of sysexits.h).
const REFUSED: u8 = 65;
const OTHER: u8 = 66;
/// `SIGXCPU`.
const PROCESSOR_TIME: i32 = 24;
const MAX_CODE: u64 = 512 << 20;
const MAX_SAID: u64 = 64 << 10;
const MAX_TOLD: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::compile;
    use crate::{
        code::Fingerprint,
        component::ComponentError,
        engine,
        settings::{Apart, CompileLimits},
    };

    /// What comes of a compiler that does this.
    async fn from(script: &str) -> Result<Vec<u8>, ComponentError> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("compiler");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let limits = CompileLimits { time: Duration::from_secs(5), ..CompileLimits::default() };
        let fingerprint = Fingerprint::of(&engine::compiler().unwrap());
        compile(&Apart { program, limits }, &fingerprint, &[7; 100_000]).await
    }

    #[tokio::test]
    async fn what_the_compiler_writes_is_the_code_and_it_gets_all_bytes_and_no_environment() {
        assert_eq!(from("cat").await.unwrap(), [7; 100_000]);
        let told = from("cat >/dev/null; /usr/bin/env").await.unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(!told.contains("PATH=/") && !told.contains("HOME"), "{told}");
    }

    #[tokio::test]
    async fn each_end_of_the_compiler_is_told_apart() {
        let error = async |script: &str| from(script).await.unwrap_err();
        let crashed = error("kill -SEGV $$").await;
        assert!(matches!(&crashed, ComponentError::CompilerCrashed { how } if how.contains("11")));
        let refused = error("echo 'too many parts' >&2; exit 65").await;
        assert!(matches!(&refused, ComponentError::Compile(why) if why == "too many parts"));
        let limit = error("kill -XCPU $$").await;
        assert!(
            matches!(&limit, ComponentError::CompileLimit { limit } if limit.contains("processor"))
        );
        let memory = error("echo 'memory allocation of 8 bytes failed' >&2; kill -ABRT $$").await;
        assert!(matches!(&memory, ComponentError::CompileLimit { limit } if limit.contains("MiB")));
        let other = error("echo 'another version' >&2; exit 66").await;
        assert!(matches!(&other, ComponentError::NoCompiler { why } if why == "another version"));
    }

    #[tokio::test]
    async fn a_compiler_that_does_not_end_is_ended() {
        let begun = std::time::Instant::now();
        let ended = from("while :; do :; done").await;
        assert!(matches!(&ended, Err(ComponentError::CompileLimit { limit }) if limit == "5 s"));
        assert!(begun.elapsed() < Duration::from_secs(6));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let fingerprint = Fingerprint::of(&engine::compiler().unwrap());
        let program = "/nowhere/compiler".into();
        let apart = Apart { program, limits: CompileLimits::default() };
        let told = compile(&apart, &fingerprint, b"").await.unwrap_err();
        assert!(matches!(&told, ComponentError::NoCompiler { why } if why.contains("/nowhere")));
    }
}
