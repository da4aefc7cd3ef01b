//! One call of one tool: a fresh store, only the granted imports, dropped when it ends.
use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use toolward_gate::{
    Call, CapabilityName, Interface, Limit, Note, Refusal, SandboxTerms, Stop, ToolFailure,
    Unavailable,
};
use toolward_vault::Grant;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::{
    Sandbox,
    bindings::{ToolPre, exports::toolward::tool::calls::Failure},
    capability::{self, HANDLES},
    engine::Installed,
    guest::{Guest, Over},
    limits::{COMPONENT_HANDLES, HOST_CALL_BYTES},
};

/// What a tool answered: JSON that fits its output schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub value: Value,
}

impl Sandbox {
    /// Runs one granted call.
    pub async fn run(&self, grant: Grant) -> Result<Output, Stop> {
        // No `..`: an obligation that nobody enforces does not compile.
        // `handles`, `log_lines` and `log_bytes` are enforced where handles are lent and lines are kept.
        let SandboxTerms {
            capabilities,
            defined: _,
            memory_bytes: _,
            output_bytes,
            handles: _,
            log_lines: _,
            log_bytes: _,
        } = &grant.permit().terms().sandbox;
        let output_bytes = *output_bytes;
        let opened: BTreeSet<&Interface> = capabilities.values().collect();
        let installed = self.installed(grant.call().tool.digest).ok_or_else(not_installed)?;
        let interfaces =
            account_for(&installed, grant.call(), &grant.permit().terms().sandbox, &opened)?;
        let linked = self.link(&installed, &interfaces).map_err(|error| trapped(&error))?;
        let life = grant.permit().life().clone();
        let running = self.call(linked, grant, output_bytes);
        let text = life.bound(running).await.map_err(Stop::Halted)??;
        Ok(Output { value: text_value(&installed, &text.tool, &text.result)? })
    }

    /// Waits for its turn and calls the tool.
    async fn call(
        &self,
        linked: ToolPre<Guest>,
        grant: Grant,
        output_bytes: usize,
    ) -> Result<Text, Stop> {
        let _turn =
            self.turns.acquire().await.map_err(|error| Unavailable::new("the sandbox", error))?;
        let tool = grant.call().tool.name.clone();
        let arguments = grant.call().arguments.canonical().to_owned();
        let mut store = self.store(grant);
        let outcome = invoke(&linked, &mut store, tool.as_str(), &arguments).await;
        let guest = store.data();
        if guest.log.dropped > 0 {
            guest.note(Note::LogDropped { lines: guest.log.dropped });
        }
        match outcome {
            Ok(Ok(result)) if result.len() > output_bytes => Err(Stop::Limit(Limit::Output)),
            Ok(Ok(result)) => Ok(Text { tool, result }),
            Ok(Err(failure)) => Err(Stop::Failed(failed(failure))),
            Err(error) => Err(stop(&error, guest)),
        }
    }

    fn store(&self, grant: Grant) -> Store<Guest> {
        let mut store = Store::new(&self.engine, Guest::new(grant));
        store.limiter(|guest| &mut guest.quota);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_max_component_handles(COMPONENT_HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().life().check().map_err(|cause| wasmtime::Error::new(Over(cause)))?;
            // wasmtime's own yield would starve the runtime's timers.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

/// What a tool answered, before it is read.
struct Text {
    tool: toolward_gate::ToolName,
    result: String,
}

async fn invoke(
    linked: &ToolPre<Guest>,
    store: &mut Store<Guest>,
    tool: &str,
    arguments: &str,
) -> wasmtime::Result<Result<String, Failure>> {
    let instance = linked.instantiate_async(&mut *store).await?;
    instance.toolward_tool_calls().call_call(&mut *store, tool, arguments).await
}

/// The interfaces to link. Fails when the component imports one that nothing in its manifest accounts for.
///
/// What the manifest accounts for, and this call was not granted, is left to traps: an optional capability, or
/// one that only another tool of the component wants. A required one was refused by the policy before.
fn account_for(
    installed: &Installed,
    call: &Call,
    terms: &SandboxTerms,
    opened: &BTreeSet<&Interface>,
) -> Result<BTreeSet<&'static str>, Refusal> {
    let inspection = &installed.inspection;
    let wanted: BTreeSet<&CapabilityName> = inspection
        .manifest
        .tools
        .iter()
        .flat_map(|tool| tool.wants.iter())
        .map(|want| &want.capability)
        .collect();
    let accounted: BTreeSet<&Interface> =
        wanted.iter().filter_map(|name| terms.defined.get(*name)).collect();
    for import in &inspection.imports {
        let known = import.interface.as_ref();
        let fine = known.is_some_and(|one| {
            one.0 == HANDLES.name() || opened.contains(one) || accounted.contains(one)
        });
        if !fine {
            let wanted = call.tool.wants.iter().map(|want| want.capability.clone()).collect();
            return Err(Refusal::NotLinked { interface: import.name.clone(), wanted });
        }
    }
    let names = capability::NAMES.iter().copied();
    Ok(names.filter(|name| opened.iter().any(|one| one.0 == *name)).collect())
}

fn text_value(
    installed: &Installed,
    tool: &toolward_gate::ToolName,
    text: &str,
) -> Result<Value, Stop> {
    let bad = |cause: String| Stop::BadOutput { cause: cause.into() };
    let value: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    let schema = installed
        .outputs
        .get(tool)
        .ok_or_else(|| bad("the tool has no output schema".to_owned()))?;
    schema.check(&value).map_err(|mismatches| {
        let places: Vec<String> =
            mismatches.into_iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
        bad(places.join("; "))
    })?;
    Ok(value)
}

/// The tool's own words, shortened.
fn failed(failure: Failure) -> ToolFailure {
    let short =
        |text: String, most| text.chars().filter(|one| !one.is_control()).take(most).collect();
    ToolFailure {
        code: short(failure.code, MAX_CODE),
        message: short(failure.message, MAX_MESSAGE),
    }
}

/// Why a guest ended without an answer.
fn stop(error: &wasmtime::Error, guest: &Guest) -> Stop {
    if let Some(Over(cause)) = error.downcast_ref::<Over>() {
        return Stop::Halted(cause.clone());
    }
    if guest.quota.refused {
        return Stop::Limit(Limit::Memory);
    }
    let text = format!("{error:#}");
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Stop::Limit(Limit::Stack),
        Some(_) => trapped(error),
        // wasmtime keeps the type of these to itself.
        None if text.contains("too much data is being copied") => Stop::Limit(Limit::HostCall),
        None if text.contains("handle limit") => Stop::Limit(Limit::Handles),
        None => trapped(error),
    }
}

fn trapped(error: &wasmtime::Error) -> Stop {
    let cause: Arc<str> = format!("{error:#}").into();
    tracing::debug!(%cause, "a tool crashed");
    Stop::Trapped { cause }
}

fn not_installed() -> Stop {
    Unavailable::new("the component", "its digest is not installed").into()
}

/// Characters of a tool's own code and message that are passed on.
const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 2_000;
