//! Runs one call in a store of its own.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Semaphore;
use toolward_gate::{
    Call, CapabilityName, Clock, Digest, Limit, Refusal, SandboxTerms, Stop, ToolName, Unavailable,
    Want, parse_json,
};
use toolward_vault::Grant;
use wasmtime::{
    Engine,
    component::{
        Component, ComponentExportIndex, InstancePre, Linker, LinkerInstance, ResourceType, Val,
        types::{ComponentInstance, ComponentItem},
    },
};

use crate::{
    capability,
    capability::handles::Handle,
    component::{ComponentError, Import, Inspection, inspect_wanting},
    engine::{self, SandboxError, SandboxSettings},
    guest::{self, Guest},
    manifest::{Manifest, ToolManifest},
    plain::{self, Export, Exports, Signature},
    schema::Schema,
    stop, text,
};
use bindings::{Tool, ToolPre};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world tool { export toolward:tool/calls@0.1.0; }",
        world: "toolward:host/tool",
        exports: { default: async },
    });
}

/// Compiled components, and the way to run them.
pub struct Sandbox {
    engine: Engine,
    clock: Arc<dyn Clock>,
    /// One for each call that may run at once: the pool has no more room.
    places: Semaphore,
    installed: Mutex<HashMap<Digest, Arc<Installed>>>,
    linked: Mutex<HashMap<(Digest, Links), Linked>>,
}

/// The short names of the interfaces that are linked.
type Links = BTreeSet<&'static str>;

/// A component that is compiled and read.
struct Installed {
    component: Component,
    inspection: Inspection,
    tools: Callables,
}

/// How the tools of a component are called.
enum Callables {
    /// By name, in JSON; what comes back is held against the schema.
    Named(BTreeMap<ToolName, Schema>),
    /// As functions with types of their own.
    Plain(BTreeMap<ToolName, Callable>),
}

#[derive(Clone)]
struct Callable {
    function: ComponentExportIndex,
    signature: Arc<Signature>,
}

/// A component whose imports are satisfied.
#[derive(Clone)]
enum Linked {
    Named(ToolPre<Guest>),
    Plain(InstancePre<Guest>),
}

/// What a tool answered. It fits the tool's output schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub value: Value,
}

impl Output {
    /// The value as JSON.
    pub fn text(&self) -> String {
        self.value.to_string()
    }
}

impl Sandbox {
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let engine = engine::start(&settings)?;
        let places = usize::try_from(settings.concurrent_calls.max(1)).unwrap_or(usize::MAX);
        Ok(Self {
            engine,
            clock: settings.clock,
            places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
            installed: Mutex::default(),
            linked: Mutex::default(),
        })
    }

    /// The short names of all interfaces that a capability can open.
    pub fn interfaces() -> impl Iterator<Item = &'static str> {
        capability::names().iter().copied().filter(|name| *name != HANDLES)
    }

    /// Reads and compiles a component. The digest is taken over the very bytes that are compiled; the same
    /// bytes are compiled once.
    pub async fn install(&self, bytes: Vec<u8>) -> Result<Inspection, ComponentError> {
        self.install_wanting(bytes, Arc::default()).await
    }

    /// As [`Self::install`]; where the component brings no manifest, each of its tools wants what the operator
    /// says.
    pub async fn install_wanting(
        &self,
        bytes: Vec<u8>,
        wants: Arc<[Want]>,
    ) -> Result<Inspection, ComponentError> {
        if let Some(installed) = self.find(Digest::of(&bytes)) {
            return Ok(installed.inspection.clone());
        }
        let engine = self.engine.clone();
        // Compiling takes processor time, and has panicked on strange components.
        let compiled =
            tokio::task::spawn_blocking(move || Installed::compile(&engine, &bytes, &wants));
        let compiled = compiled
            .await
            .map_err(|_| ComponentError::Compile("the compiler gave up on it".to_owned()))??;
        let inspection = compiled.inspection.clone();
        locked(&self.installed).entry(inspection.digest).or_insert_with(|| Arc::new(compiled));
        Ok(inspection)
    }

    /// Runs the call that was granted, once, while its life lasts.
    pub async fn run(&self, grant: Grant) -> Result<Output, Stop> {
        let life = grant.permit().life().clone();
        let work = Box::pin(stop::guarded(self.run_to_its_end(grant)));
        life.bound(work).await.map_err(Stop::Halted)?
    }

    async fn run_to_its_end(&self, grant: Grant) -> Result<Output, Stop> {
        let installed = self.installed(grant.call())?;
        let tool = grant.call().tool.name.clone();
        let arguments = grant.call().arguments.canonical().to_owned();
        let output_bytes = grant.permit().terms().sandbox.output_bytes;
        let links = links(&installed.inspection, &tool, &grant.permit().terms().sandbox)?;
        let linked = self.linked(&installed, links)?;
        let closed = |error| Unavailable::new("the sandbox", error);
        let _place = self.places.acquire().await.map_err(closed)?;
        match linked {
            Linked::Named(linked) => {
                let answer = self.answer(grant, &linked, &tool, &arguments).await?;
                installed.output(&tool, &answer, output_bytes)
            }
            Linked::Plain(linked) => {
                let value = self.result(grant, &linked, installed.callable(&tool)?).await?;
                if value.to_string().len() > output_bytes {
                    return Err(Stop::Limit(Limit::Output));
                }
                Ok(Output { value })
            }
        }
    }

    /// What a function of its own types answered. The store lives and dies in here.
    async fn result(
        &self,
        grant: Grant,
        linked: &InstancePre<Guest>,
        Callable { function, signature }: Callable,
    ) -> Result<Value, Stop> {
        let arguments = plain::arguments(&signature, grant.call().arguments.value());
        let arguments =
            arguments.map_err(|error| stop::of_failure("arguments", &error.to_string()))?;
        let mut results = vec![Val::Bool(false); usize::from(signature.result.is_some())];
        let mut store = guest::store(&self.engine, grant, self.clock.clone());
        let called = async {
            let instance = linked.instantiate_async(&mut store).await?;
            let function = instance
                .get_func(&mut store, function)
                .ok_or_else(|| wasmtime::Error::msg("the function is not there"))?;
            function.call_async(&mut store, &arguments, &mut results).await
        };
        match called.await {
            Ok(()) => plain::answer(results.first().zip(signature.result.as_ref())),
            Err(error) => Err(stop::of_error(&error, store.data())),
        }
    }

    /// What the tool said. The store lives and dies in here.
    async fn answer(
        &self,
        grant: Grant,
        linked: &ToolPre<Guest>,
        tool: &ToolName,
        arguments: &str,
    ) -> Result<String, Stop> {
        let mut store = guest::store(&self.engine, grant, self.clock.clone());
        let called = async {
            let instance: Tool = linked.instantiate_async(&mut store).await?;
            let calls = instance.toolward_tool_calls();
            calls.call_call(&mut store, tool.as_str(), arguments).await
        };
        match called.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(stop::of_failure(&failure.code, &failure.message)),
            Err(error) => Err(stop::of_error(&error, store.data())),
        }
    }

    fn installed(&self, call: &Call) -> Result<Arc<Installed>, Stop> {
        let missing = || Unavailable::new("the component", "no such digest is installed");
        Ok(self.find(call.tool.digest).ok_or_else(missing)?)
    }

    fn find(&self, digest: Digest) -> Option<Arc<Installed>> {
        locked(&self.installed).get(&digest).cloned()
    }

    /// Linking is done once for a component and a set of interfaces.
    fn linked(&self, installed: &Installed, links: Links) -> Result<Linked, Stop> {
        let key = (installed.inspection.digest, links);
        if let Some(linked) = locked(&self.linked).get(&key) {
            return Ok(linked.clone());
        }
        let linked = installed
            .link(&self.engine, &key.1)
            .map_err(|error| Unavailable::new("the linked component", format!("{error:#}")))?;
        locked(&self.linked).insert(key, linked.clone());
        Ok(linked)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Installed {
    fn compile(engine: &Engine, bytes: &[u8], wants: &Arc<[Want]>) -> Result<Self, ComponentError> {
        let inspection = inspect_wanting(bytes, wants)?;
        let component = Component::from_binary(engine, bytes)
            .map_err(|error| ComponentError::Compile(told(&error)))?;
        let tools = match &inspection.exports {
            None => Callables::Named(output_schemas(&inspection.manifest)?),
            Some(exports) => Callables::Plain(callables(&component, exports)?),
        };
        let installed = Self { component, inspection, tools };
        // With everything there is: a function of another type shows here, and not in the first call.
        installed
            .link(engine, &capability::names().iter().copied().collect())
            .map_err(|error| ComponentError::Misfit(told(&error)))?;
        Ok(installed)
    }

    /// Links the interfaces in `links` and fills the rest with traps. Whether that is right for a call is
    /// decided before.
    fn link(&self, engine: &Engine, links: &Links) -> wasmtime::Result<Linked> {
        let linker = linker(engine, &self.component, links)?;
        let instance = linker.instantiate_pre(&self.component)?;
        Ok(match self.tools {
            Callables::Named(_) => Linked::Named(ToolPre::new(instance)?),
            Callables::Plain(_) => Linked::Plain(instance),
        })
    }

    fn callable(&self, tool: &ToolName) -> Result<Callable, Stop> {
        let found = match &self.tools {
            Callables::Plain(tools) => tools.get(tool).cloned(),
            Callables::Named(_) => None,
        };
        found.ok_or_else(|| {
            Unavailable::new("the component", format!("it has no tool `{tool}`")).into()
        })
    }

    fn output(&self, tool: &ToolName, answer: &str, limit: usize) -> Result<Output, Stop> {
        if answer.len() > limit {
            return Err(Stop::Limit(Limit::Output));
        }
        let bad = |cause: String| Stop::BadOutput { cause: cause.into() };
        let value = parse_json(answer).map_err(|error| bad(error.to_string()))?;
        let schema = match &self.tools {
            Callables::Named(schemas) => schemas.get(tool),
            Callables::Plain(_) => None,
        };
        let schema = schema.ok_or_else(|| bad("no schema".to_owned()))?;
        schema.check(&value).map_err(|mismatches| {
            let each: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            bad(text::visible(&each.join("; "), false, 1 << 10))
        })?;
        Ok(Output { value })
    }
}

fn output_schemas(manifest: &Manifest) -> Result<BTreeMap<ToolName, Schema>, ComponentError> {
    let compiled = |tool: &ToolManifest| {
        let schema = Schema::compile(&tool.output_schema)
            .map_err(|error| ComponentError::Compile(error.to_string()))?;
        Ok((tool.name.clone(), schema))
    };
    manifest.tools.iter().map(compiled).collect()
}

/// Where each tool's function is, and what it takes.
fn callables(
    component: &Component,
    exports: &Exports,
) -> Result<BTreeMap<ToolName, Callable>, ComponentError> {
    let missing =
        |export: &Export| ComponentError::Misfit(format!("`{}` is not there", export.function));
    let found = |(name, export): (&ToolName, &Export)| {
        let instance = match &export.interface {
            None => None,
            Some(interface) => {
                let index = component.get_export_index(None, interface.as_str());
                Some(index.ok_or_else(|| missing(export))?)
            }
        };
        let (item, function) = component
            .get_export(instance.as_ref(), export.function.as_str())
            .ok_or_else(|| missing(export))?;
        let ComponentItem::ComponentFunc(types) = item else { return Err(missing(export)) };
        let parameters = types.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let signature = Signature { parameters, result: types.results().next() };
        Ok((name.clone(), Callable { function, signature: Arc::new(signature) }))
    };
    exports.iter().map(found).collect()
}

/// What this call is linked to. Fails with the first import that nothing in the manifest accounts for.
///
/// An interface that the manifest accounts for, and this call was not granted, is filled with traps: it
/// belongs to an optional capability, or to another tool of the component. A required one was refused by the
/// policy before.
fn links(inspection: &Inspection, tool: &ToolName, terms: &SandboxTerms) -> Result<Links, Stop> {
    let unknown = || Unavailable::new("the tool's manifest", format!("it has no tool `{tool}`"));
    let manifest = inspection.manifest.tool(tool).ok_or_else(unknown)?;
    let granted: BTreeSet<&str> = terms.capabilities.values().map(|one| one.0.as_str()).collect();
    let wants = inspection.manifest.tools.iter().flat_map(|tool| tool.wants.iter());
    let accounted: BTreeSet<&str> = wants
        .filter_map(|want| terms.defined.get(&want.capability))
        .map(|interface| interface.0.as_str())
        .collect();
    let mut links = Links::new();
    for import in &inspection.imports {
        match known(import) {
            // Without a granted capability there is no handle to obtain: a tool asks, and hears that.
            Some(name) if name == HANDLES || granted.contains(name) => drop(links.insert(name)),
            Some(name) if accounted.contains(name) => {}
            _ => {
                let wanted = manifest.wants.iter().map(|want| want.capability.clone()).collect();
                return Err(not_linked(import, wanted));
            }
        }
    }
    Ok(links)
}

fn not_linked(import: &Import, wanted: Vec<CapabilityName>) -> Stop {
    Refusal::NotLinked { interface: import.name.clone(), wanted }.into()
}

fn known(import: &Import) -> Option<&'static str> {
    let interface = import.interface.as_ref()?;
    capability::names().iter().copied().find(|name| *name == interface.0)
}

fn linker(
    engine: &Engine,
    component: &Component,
    links: &Links,
) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let mut names = BTreeSet::new();
    for one in capability::ALL.iter().filter(|one| links.contains(one.interface())) {
        one.link(&mut linker)?;
        names.insert(format!("toolward:tool/{}@0.1.0", one.interface()));
    }
    for (name, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(instance) = item.ty
            && !names.contains(name)
        {
            fill(engine, &mut linker.instance(name)?, &instance)?;
        }
    }
    Ok(linker)
}

fn fill(
    engine: &Engine,
    into: &mut LinkerInstance<'_, Guest>,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                into.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg(NOT_LENT)))?;
            }
            // The one resource there is; where `http` uses it, it must be the same as in `capabilities`.
            ComponentItem::Resource(_) => {
                into.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
            }
            // A type has nothing behind it; what is of another kind does not link.
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::ComponentInstance(_)
            | ComponentItem::Type(_) => {}
        }
    }
    Ok(())
}

fn told(error: &wasmtime::Error) -> String {
    text::visible(&format!("{error:#}"), false, 1 << 10)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const HANDLES: &str = "capabilities";
const NOT_LENT: &str = "the tool used an interface that this call was not lent";
