//! Carries one call from a door to the audit log.
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use futures::FutureExt as _;
use toolward_gate::{
    Account, Audit, Call, Ending, Gate, Offer, Principal, STEP, Stop, SwitchSet, SwitchTarget,
    ToolName, Unavailable,
};
use toolward_sandbox::{Output, Sandbox};
use toolward_vault::Vault;
use tracing::Instrument as _;

use crate::{
    callee::Callees,
    tools::{Tool, Tools},
};

/// Everything a call passes, in the order in which it passes it.
#[derive(Debug)]
pub struct Host {
    pub tools: Tools,
    pub audit: Audit,
    pub gate: Gate,
    pub vault: Vault,
    /// Shared where several hosts run in one process: what one compiled, all have.
    pub sandbox: Arc<Sandbox>,
}

/// Some of the tools that a principal may call, in the order of their names.
#[derive(Debug)]
pub struct Page<'a> {
    pub tools: Vec<&'a Tool>,
    /// The last one, where there are more.
    pub next: Option<ToolName>,
}

impl Host {
    /// What is shown to a principal: a tool of which every call would be refused is not. That it is shown
    /// permits nothing.
    pub async fn page(
        &self,
        principal: &Principal,
        after: Option<&ToolName>,
        most: usize,
    ) -> Result<Page<'_>, Unavailable> {
        let offer = self.offer(principal).await?;
        let later = |tool: &&Tool| after.is_none_or(|after| tool.manifest.name > *after);
        let offered = |tool: &&Tool| offer.has(&tool.installed());
        let switches = self.gate.switches.known();
        let on = |tool: &&Tool| !is_off(&switches, tool);
        let shown = self.tools.serving().filter(later).filter(on).filter(offered);
        let mut tools: Vec<&Tool> = shown.take(most.saturating_add(1)).collect();
        let more = tools.len() > most;
        tools.truncate(most);
        let next = tools.last().filter(|_| more).map(|tool| tool.manifest.name.clone());
        Ok(Page { tools, next })
    }

    /// What a principal is shown, tool by tool. The log says why it cannot be read.
    pub async fn offer<'a>(&self, principal: &'a Principal) -> Result<Offer<'a>, Unavailable> {
        let offer = self.gate.offer(principal).await;
        offer.inspect_err(|error| {
            tracing::error!(cause = %error.cause, "what a principal is shown cannot be read");
        })
    }

    /// Carries one call. A caller who goes away does not end it: use [`Host::perform_unless`] for one who
    /// says so.
    pub async fn perform(self: &Arc<Self>, call: Call) -> Result<Output, Stop> {
        self.perform_unless(call, std::future::pending()).await
    }

    /// Carries one call, and stops it when it is cancelled.
    ///
    /// The work goes on when the returned future is dropped: an entry that was opened is closed.
    pub async fn perform_unless(
        self: &Arc<Self>,
        call: Call,
        cancelled: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Output, Stop> {
        self.perform_under(call, cancelled, ()).await
    }

    /// As [`Self::perform_unless`]; `caller` is let go once the call's end is recorded.
    pub(crate) async fn perform_under(
        self: &Arc<Self>,
        call: Call,
        cancelled: impl Future<Output = ()> + Send + 'static,
        caller: impl Send + 'static,
    ) -> Result<Output, Stop> {
        // At the level of errors, so that whatever the log shows of a call names it.
        let span = tracing::error_span!(
            target: STEP,
            "call",
            otel.name = %format_args!("execute_tool {}", call.tool.name),
            gen_ai.operation.name = "execute_tool",
            call.id = %call.id,
            principal.id = call.principal.id(),
            tool.name = %call.tool.name,
            tool.digest = %call.tool.digest,
            door = call.door,
            outcome = tracing::field::Empty,
        );
        let host = self.clone();
        let work = async move {
            let outcome = host.recorded(call, cancelled).await;
            drop(caller);
            outcome
        };
        let done = tokio::spawn(work.instrument(span)).await;
        done.unwrap_or_else(|error| Err(Unavailable::new("the host", error).into()))
    }

    async fn recorded(
        self: &Arc<Self>,
        call: Call,
        cancelled: impl Future<Output = ()> + Send,
    ) -> Result<Output, Stop> {
        let entry = self.audit.open(&call).await?;
        let (callees, mut all_ended) = Callees::of(self);
        // Whatever way the call ends: what it has used until then is charged.
        let account = OnceLock::new();
        let attempt = AssertUnwindSafe(self.attempt(call, callees, &account)).catch_unwind();
        let outcome = tokio::select! {
            biased;
            () = cancelled => Err(Stop::Cancelled),
            done = attempt => done.unwrap_or_else(|_| Err(panicked())),
        };
        // Whoever reads the trail finds the calls that were made for this one within it. Each of them ends with
        // the life of this call, or because nobody waits for it any more.
        all_ended.wait().await;
        let usage = account.get().map(Account::usage).unwrap_or_default();
        let ending = Ending::of(&outcome);
        tracing::Span::current().record("outcome", ending.outcome.as_str());
        if let Err(stop) = &outcome {
            log(stop);
        }
        // What cannot be recorded is not handed out.
        entry.close(ending, usage).await.inspect_err(
            |error| tracing::error!(cause = %error.cause, "a call's end cannot be recorded"),
        )?;
        outcome
    }

    /// The pipeline. The account is there once the call is admitted.
    async fn attempt(
        &self,
        call: Call,
        callees: Arc<Callees>,
        account: &OnceLock<Account>,
    ) -> Result<Output, Stop> {
        let settled = self.gate.settle(call).await?;
        let permit = self.gate.admit(settled).await?;
        account.get_or_init(|| permit.account().clone());
        let grant = self.vault.equip(permit);
        self.sandbox.run_with(grant, Some(callees)).await
    }
}

/// Whether a switch stops every call of the tool.
fn is_off(switches: &SwitchSet, tool: &Tool) -> bool {
    switches.targets().any(|target| match target {
        SwitchTarget::Everything => true,
        SwitchTarget::Tool(name) => {
            [tool.manifest.name.as_str(), tool.component.as_str()].contains(&name.as_str())
        }
        SwitchTarget::Digest(digest) => *digest == tool.digest.to_string(),
        SwitchTarget::Capability(_)
        | SwitchTarget::Use { .. }
        | SwitchTarget::Provider(_)
        | SwitchTarget::Credential(_)
        | SwitchTarget::Principal(_) => false,
    })
}

fn panicked() -> Stop {
    Unavailable::new("the host", "a part of it panicked; its message stands in the log").into()
}

/// What an operator should know and a caller is not told.
fn log(stop: &Stop) {
    match stop {
        Stop::Trapped { cause } | Stop::BadOutput { cause } => tracing::info!(%cause, "{stop}"),
        Stop::Unavailable(error) => tracing::error!(cause = %error.cause, "{stop}"),
        Stop::Held { .. }
        | Stop::Refused(_)
        | Stop::Halted(_)
        | Stop::Failed(_)
        | Stop::Limit(_)
        | Stop::Cancelled => {
            tracing::info!("{stop}");
        }
    }
}
