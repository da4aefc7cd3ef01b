//! Runs one call in a store of its own.
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use toolward_gate::{
    Call, Digest, Limit, Projection, Refusal, STEP, SandboxLimits, Stop, ToolName, Unavailable,
    Want, step,
};
use toolward_vault::Grant;
use tracing::{debug_span, field::Empty};
use wasmtime::{
    Store,
    component::{InstancePre, Val},
};

use crate::{
    background::Background,
    capability,
    component::{ComponentError, Inspected, Inspection},
    engine::SandboxError,
    guest::{self, Guest, Means},
    install::Installer,
    installed::{Callable, Installed, Linked, Most, Tool, ToolPre},
    link::{HANDLES, Links, Unlinked, links},
    plain::{self, ValueError},
    queue::{Entrant, Queue},
    service::ToolCaller,
    settings::SandboxSettings,
    stop,
    wasi::{self, Flights},
};

/// Compiled components, and the way to run them.
pub struct Sandbox {
    installer: Arc<Installer>,
    means: Means,
    /// One place for each call that may run at once: the pool has no more room.
    queue: Queue,
    background: Background,
    ceiling: SandboxLimits,
    installed: Mutex<HashMap<Digest, Arc<Installed>>>,
    linked: Mutex<HashMap<(Digest, Links), Linked>>,
    /// The components whose imports refuse when they are used, where nothing opens them.
    refusing: Mutex<HashSet<Digest>>,
}

/// What a tool answered. It fits the tool's output schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub value: Value,
}

impl Output {
    /// What every projection keeps of a result. With one, it need not fit the tool's output schema.
    fn kept(value: Value, projections: &[Projection]) -> Self {
        Self { value: projections.iter().fold(value, |value, one| one.of(&value)) }
    }

    /// The value as JSON.
    pub fn text(&self) -> String {
        self.value.to_string()
    }
}

impl Sandbox {
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let settings = Arc::new(settings);
        Ok(Self {
            installer: Arc::new(Installer::new(&settings)?),
            means: Means { clock: settings.clock.clone(), key_values: settings.key_values.clone() },
            queue: Queue::new(&settings),
            background: Background::start(settings.share).map_err(SandboxError::Threads)?,
            ceiling: settings.ceiling.clone(),
            installed: Mutex::default(),
            linked: Mutex::default(),
            refusing: Mutex::default(),
        })
    }

    /// Makes every call that runs look at its life now: for [`toolward_gate::Switchboard::on_change`].
    pub fn interrupt(&self) {
        self.installer.engines.interrupt();
    }

    /// How many components this sandbox compiled; the others were kept from an earlier start.
    pub fn compiled(&self) -> u64 {
        self.installer.compiler.compiled()
    }

    /// The short names of all interfaces that a capability can open.
    pub fn interfaces() -> impl Iterator<Item = &'static str> {
        let ours = capability::names().iter().copied().filter(|name| *name != HANDLES);
        ours.chain(wasi::OPENED)
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
        self.install_inspected(self.installer.inspect(bytes, wants).await?).await
    }

    /// As [`Self::install`], of what was read already.
    pub async fn install_inspected(
        &self,
        inspected: Inspected,
    ) -> Result<Inspection, ComponentError> {
        if let Some(installed) = self.find(inspected.inspection().digest) {
            return Ok(installed.inspection.clone());
        }
        let compiled = self.installer.install(inspected).await?;
        let inspection = compiled.inspection.clone();
        locked(&self.installed).entry(inspection.digest).or_insert_with(|| Arc::new(compiled));
        Ok(inspection)
    }

    /// What this component imports and nothing opens ends it when it is used, and not before.
    pub fn refuse_unlinked(&self, digest: Digest) {
        locked(&self.refusing).insert(digest);
    }

    /// Runs the call that was granted, once, while its life lasts. The tool calls no other tool.
    pub async fn run(&self, grant: Grant) -> Result<Output, Stop> {
        self.run_with(grant, None).await
    }

    /// As [`Self::run`]; what the tool asks of other tools goes to `caller`.
    pub async fn run_with(
        &self,
        grant: Grant,
        caller: Option<Arc<dyn ToolCaller>>,
    ) -> Result<Output, Stop> {
        let span = debug_span!(target: STEP, "run", outcome = Empty);
        step(span, self.run_while_it_lives(grant, caller), Stop::code).await
    }

    async fn run_while_it_lives(
        &self,
        grant: Grant,
        caller: Option<Arc<dyn ToolCaller>>,
    ) -> Result<Output, Stop> {
        let life = grant.permit().life().clone();
        let flights = Flights::default();
        let work = Box::pin(stop::guarded(self.run_to_its_end(grant, caller, flights.clone())));
        let ended = life.bound(work).await;
        flights.landed().await;
        ended.map_err(Stop::Halted)?
    }

    async fn run_to_its_end(
        &self,
        grant: Grant,
        caller: Option<Arc<dyn ToolCaller>>,
        flights: Flights,
    ) -> Result<Output, Stop> {
        let installed = self.installed(grant.call())?;
        let tool = grant.call().tool.name.clone();
        let limits = self.limits(&grant);
        let grants = &grant.permit().terms().sandbox.grants;
        let projections = grants.projections.clone();
        let unlinked = self.unlinked(grant.call().tool.digest);
        let own = &self.installer.own;
        let links = links(&installed.inspection, &tool, grants, unlinked, own)?;
        let wasi = wasi::Context::open(&grant, &links, &self.means.clock, &flights)?;
        let linked = self.linked(&installed, links)?;
        let entrant = Entrant::new(installed.profile, grant.call(), &limits);
        let span = debug_span!(target: STEP, "queue", outcome = Empty);
        let place = step(span, self.queue.enter(entrant, &limits), Refusal::code).await?;
        let mut store = guest::store(installed.engine(), grant, &limits, &self.means, wasi);
        store.data_mut().caller = caller;
        let which = (installed.inspection.digest, tool.clone());
        let held = (place, flights.begin());
        let work = async move {
            let _held = held;
            let value = value(store, &installed, linked, &tool).await?;
            Ok(Output::kept(value, &projections))
        };
        self.background.carry(which, Box::pin(stop::guarded(work))).await
    }

    fn limits(&self, grant: &Grant) -> SandboxLimits {
        let mut limits = grant.permit().terms().sandbox.limits.clone().at_most(&self.ceiling);
        if grant.call().parent.is_some() {
            // The caller holds a place while it waits: places that wait for each other would never be free.
            limits.queue_length = 0;
        }
        limits
    }

    fn installed(&self, call: &Call) -> Result<Arc<Installed>, Stop> {
        let missing = || Unavailable::new("the component", "no such digest is installed");
        Ok(self.find(call.tool.digest).ok_or_else(missing)?)
    }

    fn unlinked(&self, digest: Digest) -> Unlinked {
        if locked(&self.refusing).contains(&digest) {
            Unlinked::Refuses
        } else {
            Unlinked::RefusesTheCall
        }
    }

    #[cfg(test)]
    pub(crate) fn has_large_engine(&self) -> bool {
        self.installer.engines.has_large()
    }

    #[cfg(test)]
    pub(crate) fn linked_components(&self) -> usize {
        locked(&self.linked).len()
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
            .link(&key.1)
            .map_err(|error| Unavailable::new("the linked component", format!("{error:#}")))?;
        locked(&self.linked).insert(key, linked.clone());
        Ok(linked)
    }
}

/// What the tool answered. The store dies in here.
async fn value(
    store: Store<Guest>,
    installed: &Installed,
    linked: Linked,
    tool: &ToolName,
) -> Result<Value, Stop> {
    match linked {
        Linked::Named(linked) => {
            let (answer, most) = answer(store, &linked, tool).await?;
            installed.output(tool, &answer, most)
        }
        Linked::Plain(linked) => {
            let (value, most) = result(store, &linked, installed.callable(tool)?).await?;
            if value.to_string().len() > most.bytes {
                return Err(Stop::Limit(Limit::Output));
            }
            Ok(value)
        }
    }
}

/// What a function of its own types answered, and how much that may be. The store dies in here.
async fn result(
    mut store: Store<Guest>,
    linked: &InstancePre<Guest>,
    Callable { function, signature }: Callable,
) -> Result<(Value, Most), Stop> {
    let (guest, most) = (store.data(), store.data().values);
    let arguments = plain::arguments(&signature, guest.grant.call().arguments.value(), most);
    let arguments = arguments.map_err(|error| match error {
        ValueError::TooMany => Stop::Limit(Limit::Values),
        wrong @ ValueError::Wrong { .. } => stop::of_failure("arguments", &wrong.to_string()),
    })?;
    let mut results = vec![Val::Bool(false); usize::from(signature.result.is_some())];
    let called = async {
        let instance = linked.instantiate_async(&mut store).await?;
        let function = instance
            .get_func(&mut store, function)
            .ok_or_else(|| wasmtime::Error::msg("the function is not there"))?;
        function.call_async(&mut store, &arguments, &mut results).await
    };
    match called.await {
        Ok(()) => {
            let result = results.first().zip(signature.result.as_ref());
            if result.is_some_and(|(value, _)| plain::count(value) > most) {
                return Err(Stop::Limit(Limit::Values));
            }
            Ok((plain::answer(result)?, store.data().most()))
        }
        Err(error) => Err(stop::of_error(&error, store.data())),
    }
}

/// What the tool said, and how much that may be. The store dies in here.
async fn answer(
    mut store: Store<Guest>,
    linked: &ToolPre<Guest>,
    tool: &ToolName,
) -> Result<(String, Most), Stop> {
    let arguments = store.data().grant.call().arguments.canonical().to_owned();
    let called = async {
        let instance: Tool = linked.instantiate_async(&mut store).await?;
        let calls = instance.toolward_tool_calls();
        calls.call_call(&mut store, tool.as_str(), &arguments).await
    };
    match called.await {
        Ok(Ok(answer)) => Ok((answer, store.data().most())),
        Ok(Err(failure)) => Err(stop::of_failure(&failure.code, &failure.message)),
        Err(error) => Err(stop::of_error(&error, store.data())),
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
