//! How does a component become one that can be called?
//!
//! ```text
//! bytes --read once--> Inspected --kept or compiled--> Code --loaded where it has room--> Installed
//! ```
use std::sync::Arc;

use tokio::task::spawn_blocking;
use toolward_gate::Want;
use wasmtime::component::Component;

use crate::{
    capability::own::Own,
    code::{Code, Compiler, told},
    component::{ComponentError, Inspected, Inspection},
    engine::{Engines, Profile, SandboxError},
    installed::Installed,
    settings::SandboxSettings,
};

/// Everything that is done to a component before its first call.
pub(crate) struct Installer {
    pub(crate) engines: Engines,
    pub(crate) compiler: Compiler,
    pub(crate) own: Own,
}

impl Installer {
    pub(crate) fn new(settings: &Arc<SandboxSettings>) -> Result<Self, SandboxError> {
        let engines = Engines::start(settings.clone())?;
        let compiler = Compiler::new(settings, &engines.usual)?;
        Ok(Self { engines, compiler, own: settings.own.clone() })
    }

    pub(crate) async fn inspect(
        self: &Arc<Self>,
        bytes: Vec<u8>,
        wants: Arc<[Want]>,
    ) -> Result<Inspected, ComponentError> {
        self.off(move |_| Inspected::read(bytes, &wants)).await
    }

    pub(crate) async fn install(
        self: &Arc<Self>,
        inspected: Inspected,
    ) -> Result<Installed, ComponentError> {
        let (bytes, inspection) = inspected.into_parts();
        let kept = self.off(move |this| Ok(this.kept(&inspection).ok_or(inspection)));
        let inspection = match kept.await? {
            Ok(installed) => return Ok(installed),
            Err(inspection) => inspection,
        };
        let bytes = Arc::new(bytes);
        let code = self.compiler.compile(inspection.digest, bytes).await?;
        self.off(move |this| {
            let installed = this.assemble(inspection, &code)?;
            this.compiler.keep(&code);
            Ok(installed)
        })
        .await
    }

    /// Reading, loading and checking hold a processor or the disk for milliseconds, and calls are running.
    async fn off<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ComponentError> + Send + 'static,
    ) -> Result<T, ComponentError> {
        let this = self.clone();
        let done = spawn_blocking(move || work(&this)).await;
        done.unwrap_or_else(|_| {
            Err(ComponentError::CompilerCrashed {
                how: "the host's part of it panicked".to_owned(),
            })
        })
    }

    /// As it was compiled at an earlier start.
    fn kept(&self, inspection: &Inspection) -> Option<Installed> {
        let code = self.compiler.kept(inspection.digest)?;
        self.assemble(inspection.clone(), &code)
            .inspect_err(|error| tracing::warn!(%error, "a kept component is compiled anew"))
            .ok()
    }

    fn assemble(&self, inspection: Inspection, code: &Code) -> Result<Installed, ComponentError> {
        let (component, profile) = self.load(code)?;
        Installed::new(component, profile, inspection, self.own.clone())
    }

    /// Where it has room: mostly in the usual engine.
    fn load(&self, code: &Code) -> Result<(Component, Profile), ComponentError> {
        let failed = |error: &wasmtime::Error| ComponentError::Compile(told(error));
        match code.load(&self.engines.usual) {
            Ok(component) => return Ok((component, Profile::Usual)),
            Err(error) if !is_too_large(&error) => return Err(failed(&error)),
            Err(_) => {}
        }
        let large = self
            .engines
            .engine(Profile::Large)
            .map_err(|error| ComponentError::Compile(error.to_string()))?;
        let component = code.load(&large).map_err(|error| failed(&error))?;
        Ok((component, Profile::Large))
    }
}

/// Whether it has more parts than an engine's pool has room for; wasmtime has no public type for that.
fn is_too_large(error: &wasmtime::Error) -> bool {
    let parts = ["exceeds the configured maximum of", "exceeds the per-instance limit of"];
    error.chain().any(|cause| parts.iter().any(|part| cause.to_string().contains(part)))
}
