//! How does a component become code that this process runs?
//!
//! ```text
//! bytes --cache or compiler--> Code --load--> Component
//! ```
use std::{
    fmt,
    hash::{Hash as _, Hasher},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking};
use toolward_gate::Digest;
use wasmtime::{Engine, component::Component};

use crate::{
    apart,
    cache::{Cache, Entry},
    component::ComponentError,
    engine::SandboxError,
    settings::{Compile, SandboxSettings},
    text,
};

/// Compiled code, from a compiler that this host started or from its own cache. Only this file makes one.
pub(crate) struct Code {
    bytes: Vec<u8>,
    /// Where it is to be kept, when it is new.
    entry: Option<Entry>,
}

/// Compiles components, and keeps what it compiled.
pub(crate) struct Compiler {
    how: Compile,
    engine: Engine,
    fingerprint: Fingerprint,
    cache: Option<Arc<Cache>>,
    /// One for each processor.
    turns: Semaphore,
    compiled: AtomicU64,
}

impl Compiler {
    pub(crate) fn new(settings: &SandboxSettings, engine: &Engine) -> Result<Self, SandboxError> {
        let cache = settings.data.as_deref().map(Cache::open).transpose()?;
        Ok(Self {
            how: settings.compile.clone(),
            engine: engine.clone(),
            fingerprint: Fingerprint::of(engine),
            cache: cache.map(Arc::new),
            turns: Semaphore::new(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
            compiled: AtomicU64::new(0),
        })
    }

    /// How often something was compiled, and not taken from the cache.
    pub(crate) fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }

    /// What an earlier start of this host compiled. It waits for the disk.
    pub(crate) fn kept(&self, component: Digest) -> Option<Code> {
        let bytes = self.cache.as_ref()?.read(&self.entry(component))?;
        Some(Code { bytes, entry: None })
    }

    /// Compiles, on one processor or more, whatever it takes.
    pub(crate) async fn compile(
        &self,
        component: Digest,
        bytes: Arc<Vec<u8>>,
    ) -> Result<Code, ComponentError> {
        let _turn = self.turns.acquire().await.map_err(|_| ComponentError::CompilerCrashed {
            how: "the host is ending".to_owned(),
        })?;
        let compiled = match &self.how {
            Compile::Here => here(&self.engine, bytes).await?,
            Compile::Apart(apart) => apart::compile(apart, &self.fingerprint, &bytes).await?,
        };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(Code { bytes: compiled, entry: Some(self.entry(component)) })
    }

    /// Keeps code that was loaded, when it is new. A cache that cannot be written costs time, and no more.
    pub(crate) fn keep(&self, code: &Code) {
        if let (Some(cache), Some(entry)) = (&self.cache, &code.entry) {
            cache.write(entry, &code.bytes);
        }
    }

    fn entry(&self, component: Digest) -> Entry {
        Entry::new(component, &self.fingerprint)
    }
}

async fn here(engine: &Engine, bytes: Arc<Vec<u8>>) -> Result<Vec<u8>, ComponentError> {
    let engine = engine.clone();
    // Compiling takes processor time, and has panicked on strange components.
    let compiled = spawn_blocking(move || engine.precompile_component(&bytes)).await;
    let compiled =
        compiled.map_err(|_| ComponentError::CompilerCrashed { how: "it panicked".to_owned() })?;
    compiled.map_err(|error| ComponentError::Compile(told(&error)))
}

impl Code {
    /// Maps the code into this process. Fails when it was compiled for something else, or needs more room than
    /// the engine's pool has.
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        #[expect(unsafe_code, reason = "machine code is loaded; this is the only place")]
        // SAFETY: `bytes` is what wasmtime itself made of a component, whole and unchanged. A `Code` is only
        // made above: of what the compiler returned, in this process or in one of the same program that this
        // host started and that nobody else can write to, or of a file whose HMAC under the host's own key fits
        // this component, engine and version. They are in memory, where nobody changes them after the check.
        unsafe {
            Component::deserialize(engine, &self.bytes)
        }
    }
}

pub(crate) fn told(error: &wasmtime::Error) -> String {
    text::visible(&format!("{error:#}"), false, 1 << 10)
}

/// Everything but the component that compiled code depends on: the engine, its settings, this processor, and
/// the version of the host.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut hash = Hashed(Sha256::new());
        env!("CARGO_PKG_VERSION").hash(&mut hash);
        engine.precompile_compatibility_hash().hash(&mut hash);
        Self(hex::encode(hash.0.finalize()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hash that is the same in every process of this program.
struct Hashed(Sha256);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(&self) -> u64 {
        // The digest is taken out whole.
        0
    }
}
