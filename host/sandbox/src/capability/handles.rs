//! Handles for what a call was granted. They narrow, and never widen.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use toolward_gate::{CapabilityName, HttpScope, Life, Permit, SandboxLimits, Scope, ToolName};
use toolward_vault::Narrowing;
use wasmtime::{
    Result,
    component::{HasSelf, Linker, Resource, ResourceTable},
};

use super::Capability;
use crate::guest::Guest;
use bindings::toolward::tool::capabilities::{self as wit, Limits, Refusal};

#[cfg(test)]
mod narrowing;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world handles { import toolward:tool/capabilities@0.1.0; }",
        world: "toolward:host/handles",
        imports: { default: trappable },
        with: { "toolward:tool/capabilities.capability": super::Handle },
    });
}

pub(crate) struct Capabilities;

impl Capability for Capabilities {
    fn interface(&self) -> &'static str {
        "capabilities"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<Handles>>(linker, |guest| &mut guest.handles)
    }
}

/// What a guest holds is the number of one of these. It names a capability; it holds no credential.
#[expect(unreachable_pub, reason = "the bindings export it again")]
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) name: CapabilityName,
    pub(crate) narrowing: Narrowing,
    /// The tools that are left of those that the capability names; absent: all of them.
    tools: Option<BTreeSet<ToolName>>,
    /// Absent: as long as the call.
    pub(crate) expires_at: Option<Instant>,
    /// The counters of this handle and of every one that it was made from.
    uses: Vec<Arc<AtomicU32>>,
}

impl Handle {
    fn new(name: CapabilityName) -> Self {
        let narrowing = Narrowing::default();
        Self { name, narrowing, tools: None, expires_at: None, uses: Vec::new() }
    }

    /// Whether the handle was not narrowed to other tools.
    pub(crate) fn reaches(&self, tool: &ToolName) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }

    /// Counts one use, here and in all that it was made from; all of them or none.
    pub(crate) fn spend(&self) -> Result<(), Spent> {
        if self.is_over() {
            return Err(Spent::Time);
        }
        if self.uses.iter().any(|left| left.load(Ordering::Relaxed) == 0) {
            return Err(Spent::Uses);
        }
        // A guest makes one host call at a time: nobody counts in between.
        for left in &self.uses {
            left.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.expires_at.is_some_and(|end| end <= Instant::now())
    }

    /// The handle with less; never with more. `widest` is what the capability itself allows.
    fn narrow(&self, to: Limits, widest: &Widest) -> Result<Self, Refusal> {
        let Limits { methods, path_prefix, tools, max_bytes, uses, time_ms } = to;
        if self.is_over() {
            return Err(Refusal::Expired);
        }
        if methods.is_none()
            && path_prefix.is_none()
            && tools.is_none()
            && max_bytes.is_none()
            && uses.is_none()
            && time_ms.is_none()
        {
            return Err(Refusal::NotNarrower);
        }
        let mut less = self.clone();
        if let Some(methods) = methods {
            less.narrow_methods(methods.into_iter().collect(), widest.http.as_deref())?;
        }
        if let Some(prefix) = path_prefix {
            less.narrow_path(prefix, widest.http.as_deref())?;
        }
        if let Some(tools) = tools {
            less.narrow_tools(&tools, widest)?;
        }
        if let Some(most) = max_bytes {
            less.narrow_bytes(most, widest.http.as_deref())?;
        }
        less.uses.extend(uses.map(|uses| Arc::new(AtomicU32::new(uses))));
        if let Some(time) = time_ms {
            less.narrow_time(Duration::from_millis(time));
        }
        Ok(less)
    }

    fn narrow_tools(&mut self, tools: &[String], widest: &Widest) -> Result<(), Refusal> {
        let allowed = self.tools.as_ref().or(widest.tools()).ok_or(Refusal::NotNarrower)?;
        // What is no name is not among them either.
        let known = |tool: &String| tool.parse().ok().filter(|tool| allowed.contains(tool));
        let left: Option<BTreeSet<ToolName>> = tools.iter().map(known).collect();
        self.tools = Some(left.ok_or(Refusal::NotNarrower)?);
        Ok(())
    }

    fn narrow_methods(
        &mut self,
        methods: BTreeSet<String>,
        scope: Option<&HttpScope>,
    ) -> Result<(), Refusal> {
        let scope = scope.ok_or(Refusal::NotNarrower)?;
        let allowed = self.narrowing.methods.as_ref().unwrap_or(&scope.methods);
        if !methods.is_subset(allowed) {
            return Err(Refusal::NotNarrower);
        }
        self.narrowing.methods = Some(methods);
        Ok(())
    }

    fn narrow_path(&mut self, prefix: String, scope: Option<&HttpScope>) -> Result<(), Refusal> {
        let longer = |before: &String| prefix.len() > before.len() && prefix.starts_with(before);
        let narrower =
            prefix.starts_with('/') && self.narrowing.path_prefix.as_ref().is_none_or(longer);
        if scope.is_none() || !narrower {
            return Err(Refusal::NotNarrower);
        }
        self.narrowing.path_prefix = Some(prefix);
        Ok(())
    }

    fn narrow_bytes(&mut self, most: u64, scope: Option<&HttpScope>) -> Result<(), Refusal> {
        let scope = scope.ok_or(Refusal::NotNarrower)?;
        let allowed = scope.max_request_bytes.max(scope.response.max_bytes);
        let allowed = self.narrowing.max_bytes.map_or(allowed, |before| before.min(allowed));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if most >= allowed {
            return Err(Refusal::NotNarrower);
        }
        self.narrowing.max_bytes = Some(most);
        Ok(())
    }

    fn narrow_time(&mut self, time: Duration) {
        // A time beyond the calendar does not shorten anything: the call ends before.
        let Some(end) = Instant::now().checked_add(time) else { return };
        self.expires_at = Some(self.expires_at.map_or(end, |before| before.min(end)));
    }
}

/// Why a handle cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Spent {
    #[error("the handle's time is over")]
    Time,
    #[error("the handle's uses are spent")]
    Uses,
}

/// What a capability allows of what a handle can be narrowed by.
#[derive(Clone, Debug, Default)]
struct Widest {
    http: Option<Arc<HttpScope>>,
    own: Option<Arc<Scope>>,
}

impl Widest {
    fn of(permit: &Permit, name: &CapabilityName) -> Self {
        let terms = permit.terms();
        let http = terms.egress.http.get(name).cloned();
        Self { http, own: terms.sandbox.grants.scopes.get(name).cloned() }
    }

    fn tools(&self) -> Option<&BTreeSet<ToolName>> {
        match self.own.as_deref()? {
            Scope::Tools(scope) => Some(&scope.tools),
            Scope::KeyValue(_) | Scope::Clock(_) => None,
        }
    }
}

/// All handles of one call.
pub(crate) struct Handles {
    table: ResourceTable,
    live: usize,
    max: usize,
    granted: BTreeMap<CapabilityName, Widest>,
    life: Life,
}

impl Handles {
    /// `limits` are those of the permit under the host's ceiling.
    pub(crate) fn new(permit: &Permit, limits: &SandboxLimits) -> Self {
        let granted = permit.terms().sandbox.grants.capabilities.keys();
        let widest = |name: &CapabilityName| (name.clone(), Widest::of(permit, name));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            table,
            live: 0,
            max: limits.handles,
            granted: granted.map(widest).collect(),
            life: permit.life().clone(),
        }
    }

    /// The handle behind a number that the guest lent.
    pub(crate) fn lent(&self, handle: &Resource<Handle>) -> Result<&Handle> {
        Ok(self.table.get(handle)?)
    }

    fn keep(&mut self, handle: Handle) -> Result<Result<Resource<Handle>, Refusal>> {
        if self.live >= self.max {
            return Ok(Err(Refusal::TooMany));
        }
        let kept = self.table.push(handle)?;
        self.live = self.live.saturating_add(1);
        Ok(Ok(kept))
    }
}

impl wit::Host for Handles {
    fn obtain(&mut self, name: String) -> Result<Result<Resource<Handle>, Refusal>> {
        // What is no name is not granted either: a guest learns nothing about what exists.
        let granted = name.parse().ok().filter(|name| self.granted.contains_key(name));
        match granted {
            Some(name) => self.keep(Handle::new(name)),
            None => Ok(Err(Refusal::NotGranted)),
        }
    }
}

impl wit::HostCapability for Handles {
    fn name(&mut self, handle: Resource<Handle>) -> Result<String> {
        Ok(self.lent(&handle)?.name.to_string())
    }

    fn expires_in_ms(&mut self, handle: Resource<Handle>) -> Result<u64> {
        let of_call = self.life.remaining();
        let left = match self.lent(&handle)?.expires_at {
            Some(end) => of_call.min(end.saturating_duration_since(Instant::now())),
            None => of_call,
        };
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn narrow(
        &mut self,
        handle: Resource<Handle>,
        to: Limits,
    ) -> Result<Result<Resource<Handle>, Refusal>> {
        let handle = self.lent(&handle)?;
        let widest = self.granted.get(&handle.name).ok_or_else(ungranted)?;
        match handle.narrow(to, widest) {
            // Not a child in the table: a guest may drop the wider one first.
            Ok(less) => self.keep(less),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn drop(&mut self, handle: Resource<Handle>) -> Result<()> {
        self.table.delete(handle)?;
        self.live = self.live.saturating_sub(1);
        Ok(())
    }
}

fn ungranted() -> wasmtime::Error {
    wasmtime::Error::msg("a handle for what was not granted")
}

#[cfg(test)]
mod tests;
