//! Calls of other tools under a handle. The host carries them; this file says who may be called, and with what.
use std::{collections::BTreeSet, sync::Arc};

use tokio::time::Instant;
use toolward_gate::{
    CallId, CapabilityName, Note, Notes, Parent, Scope, Stop, ToolFailure, ToolName, ToolsScope,
    Unavailable,
};
use toolward_vault::Grant;
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource},
};

use super::{
    Capability,
    handles::{Handle, Handles, Spent},
};
use crate::{
    guest::Guest,
    run::Output,
    service::{Delegation, DelegationError, ToolCaller},
};
use bindings::toolward::tool::tools::{self as wit, Failure, ToolError};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world callers { import toolward:tool/tools@0.1.0; }",
        world: "toolward:host/callers",
        imports: { default: async | trappable },
        with: {
            "toolward:tool/capabilities":
                crate::capability::handles::bindings::toolward::tool::capabilities,
        },
    });
}

pub(crate) struct Tools;

impl Capability for Tools {
    fn interface(&self) -> &'static str {
        "tools"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, Self>(linker, |guest| Calls {
            handles: &mut guest.handles,
            grant: &guest.grant,
            depth: guest.call_depth,
            caller: guest.caller.as_ref(),
        })
    }
}

impl HasData for Tools {
    type Data<'a> = Calls<'a>;
}

/// The handles of a call, and the way to other tools for them.
pub(crate) struct Calls<'a> {
    handles: &'a mut Handles,
    grant: &'a Grant,
    depth: usize,
    caller: Option<&'a Arc<dyn ToolCaller>>,
}

impl wit::Host for Calls<'_> {
    async fn call(
        &mut self,
        tool: String,
        arguments: String,
        under: Resource<Handle>,
    ) -> Result<Result<String, ToolError>> {
        let handle = self.handles.lent(&under)?;
        let delegation = match self.delegation(handle, &tool, arguments) {
            Ok(delegation) => delegation,
            Err(refused) => return Ok(Err(self.refuse(handle, refused))),
        };
        let missing = || Unavailable::new("other tools", "this host calls none for a tool");
        let caller = self.caller.ok_or_else(|| wasmtime::Error::new(missing()))?;
        let mut trace = Trace::begin(&self.grant.call().notes, handle, &delegation);
        let answer = caller.call(delegation);
        let Some(end) = handle.expires_at else { return Ok(trace.end(answer.await)) };
        // The handle's time can be over before that of the call: this ends the called tool only.
        match tokio::time::timeout_at(end, answer).await {
            Ok(outcome) => Ok(trace.end(outcome)),
            Err(_) => {
                trace.outcome = "handle-expired";
                Ok(Err(ToolError::Refused(Spent::Time.to_string())))
            }
        }
    }
}

impl Calls<'_> {
    /// What the handle allows of what was asked. Counts one use.
    fn delegation(
        &self,
        handle: &Handle,
        tool: &str,
        arguments: String,
    ) -> Result<Delegation, ToolError> {
        let grants = &self.grant.permit().terms().sandbox.grants;
        let Some(Scope::Tools(scope)) = grants.scopes.get(&handle.name).map(|scope| &**scope)
        else {
            let other = format!("`{}` does not open `tools`", handle.name);
            return Err(ToolError::Refused(other));
        };
        let tool = callable(tool, scope, handle).ok_or(ToolError::NotCallable)?;
        let parent = Parent::of(self.grant.permit(), handle.expires_at);
        if parent.is_running(&tool) || parent.depth() >= self.depth {
            return Err(ToolError::TooDeep);
        }
        handle.spend().map_err(|spent| ToolError::Refused(spent.to_string()))?;
        let held: BTreeSet<_> = grants.capabilities.keys().chain(&scope.lends).cloned().collect();
        let principal = self.grant.permit().principal_within(held);
        Ok(Delegation { call: CallId::generate(), parent, principal, tool, arguments })
    }

    fn refuse(&self, handle: &Handle, refused: ToolError) -> ToolError {
        let code = match &refused {
            ToolError::Refused(_) => "handle-refused",
            ToolError::NotCallable => "not-callable",
            ToolError::TooDeep => "too-deep",
            ToolError::Arguments(_) | ToolError::Failed(_) | ToolError::Stopped(_) => "stopped",
        };
        not_called(&self.grant.call().notes, handle, code);
        refused
    }
}

fn not_called(notes: &Notes, handle: &Handle, code: &str) {
    notes.add(Note::NotCalled { capability: handle.name.to_string(), code: code.to_owned() });
}

/// The tool, where the capability names it and the handle still does. What exists besides is not told.
fn callable(tool: &str, scope: &ToolsScope, handle: &Handle) -> Option<ToolName> {
    let tool: ToolName = tool.parse().ok()?;
    (scope.tools.contains(&tool) && handle.reaches(&tool)).then_some(tool)
}

/// Sees to it that a call that was made is in the audit entry of its caller, even where nobody waits for its
/// end: whoever runs the caller may drop it meanwhile.
struct Trace {
    notes: Notes,
    note: Option<(CapabilityName, ToolName, CallId)>,
    outcome: &'static str,
    since: Instant,
}

impl Trace {
    fn begin(notes: &Notes, handle: &Handle, delegation: &Delegation) -> Self {
        let note = (handle.name.clone(), delegation.tool.clone(), delegation.call);
        Self { notes: notes.clone(), note: Some(note), outcome: ABANDONED, since: Instant::now() }
    }

    fn end(mut self, outcome: Result<Output, DelegationError>) -> Result<String, ToolError> {
        match outcome {
            Ok(output) => {
                self.outcome = "ok";
                Ok(output.text())
            }
            Err(DelegationError::Unread(why)) => {
                self.was_no_call("arguments");
                Err(ToolError::Arguments(why))
            }
            Err(DelegationError::NotThere) => {
                self.was_no_call("not-callable");
                Err(ToolError::NotCallable)
            }
            Err(DelegationError::Stopped(stop)) => {
                self.outcome = stop.code();
                Err(stopped(stop))
            }
        }
    }
}

impl Trace {
    /// There is no entry that a note could lead to.
    fn was_no_call(&mut self, code: &str) {
        if let Some((capability, ..)) = self.note.take() {
            let (capability, code) = (capability.to_string(), code.to_owned());
            self.notes.add(Note::NotCalled { capability, code });
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some((capability, tool, call)) = self.note.take() {
            let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let outcome = self.outcome.to_owned();
            self.notes.add(Note::Called { capability, tool, call, outcome, millis });
        }
    }
}

/// A stop says the same to a tool as to any other caller.
fn stopped(stop: Stop) -> ToolError {
    if let Stop::Failed(ToolFailure { code, message }) = stop {
        return ToolError::Failed(Failure { code, message });
    }
    ToolError::Stopped(Failure { code: stop.code().to_owned(), message: stop.to_string() })
}

/// The outcome of a call whose end nobody waited for.
const ABANDONED: &str = "abandoned";
