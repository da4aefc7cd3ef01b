//! Capability handles: obtained by name, narrowed, used; never read, never widened.
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use toolward_gate::CapabilityName;
use toolward_vault::Narrowing;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::Capability;
use crate::{
    bindings::toolward::tool::capabilities::{self, Limits, Refusal},
    guest::Guest,
};

pub(super) struct Handles;

impl Capability for Handles {
    fn name(&self) -> &'static str {
        "capabilities"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        capabilities::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

/// What stands behind a guest's handle: a name and limits. No credential is near it.
#[expect(unreachable_pub, reason = "the bindings re-export the type behind their resource")]
#[derive(Clone, Debug)]
pub struct Handle {
    capability: CapabilityName,
    narrowing: Narrowing,
    ends_at: Option<Instant>,
    /// The uses left, here and in every handle this one was made from.
    uses: Vec<Arc<AtomicU32>>,
}

impl Handle {
    fn of(capability: CapabilityName) -> Self {
        Self { capability, narrowing: Narrowing::default(), ends_at: None, uses: Vec::new() }
    }

    pub(super) fn capability(&self) -> &CapabilityName {
        &self.capability
    }
    pub(super) fn narrowing(&self) -> &Narrowing {
        &self.narrowing
    }

    /// Counts one use. Fails when the handle's time or one of its counters is over.
    pub(super) fn count_use(&self) -> Result<(), &'static str> {
        if self.ends_at.is_some_and(|end| end <= Instant::now()) {
            return Err("the handle's time is over");
        }
        let take = |left: &Arc<AtomicU32>| {
            left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |uses| uses.checked_sub(1))
                .is_ok()
        };
        if self.uses.iter().all(take) { Ok(()) } else { Err("the handle's uses are over") }
    }

    /// A handle that can do less.
    fn narrow(&self, to: Limits) -> Result<Self, Refusal> {
        let mut narrower = self.clone();
        if let Some(methods) = to.methods {
            let methods: BTreeSet<String> = methods.into_iter().collect();
            let before = self.narrowing.methods.as_ref();
            if methods.is_empty() || before.is_some_and(|before| !methods.is_subset(before)) {
                return Err(Refusal::NotNarrower);
            }
            narrower.narrowing.methods = Some(methods);
        }
        if let Some(prefix) = to.path_prefix {
            let before = self.narrowing.path_prefix.as_deref().unwrap_or("/");
            if !prefix.starts_with(before) {
                return Err(Refusal::NotNarrower);
            }
            narrower.narrowing.path_prefix = Some(prefix);
        }
        narrower.uses.extend(to.uses.map(|uses| Arc::new(AtomicU32::new(uses))));
        if let Some(millis) = to.time_ms {
            let end = Instant::now().checked_add(Duration::from_millis(millis));
            narrower.ends_at = self.ends_at.into_iter().chain(end).min();
        }
        Ok(narrower)
    }
}

impl Guest {
    fn lend(&mut self, handle: Handle) -> Result<Resource<Handle>, Refusal> {
        if self.handles >= self.terms().handles {
            return Err(Refusal::TooMany);
        }
        let lent = self.table.push(handle).map_err(|_| Refusal::TooMany)?;
        self.handles = self.handles.saturating_add(1);
        Ok(lent)
    }
}

impl capabilities::Host for Guest {
    async fn obtain(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<Handle>, Refusal>> {
        let granted = name
            .parse()
            .ok()
            .filter(|name: &CapabilityName| self.terms().capabilities.contains_key(name));
        Ok(match granted {
            Some(name) => self.lend(Handle::of(name)),
            None => Err(Refusal::NotGranted),
        })
    }
}

impl capabilities::HostCapability for Guest {
    async fn name(&mut self, handle: Resource<Handle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&handle)?.capability.to_string())
    }

    async fn expires_in_ms(&mut self, handle: Resource<Handle>) -> wasmtime::Result<u64> {
        let own = self
            .table
            .get(&handle)?
            .ends_at
            .map(|end| end.saturating_duration_since(Instant::now()));
        let left = own.map_or(self.life().remaining(), |own| own.min(self.life().remaining()));
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    async fn narrow(
        &mut self,
        handle: Resource<Handle>,
        to: Limits,
    ) -> wasmtime::Result<Result<Resource<Handle>, Refusal>> {
        let handle = self.table.get(&handle)?;
        if handle.ends_at.is_some_and(|end| end <= Instant::now()) {
            return Ok(Err(Refusal::Expired));
        }
        Ok(match handle.narrow(to) {
            Ok(narrower) => self.lend(narrower),
            Err(refusal) => Err(refusal),
        })
    }

    async fn drop(&mut self, handle: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        self.handles = self.handles.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits { methods: None, path_prefix: None, uses: None, time_ms: None }
    }

    fn handle() -> Handle {
        Handle::of("github:issues:read".parse().unwrap())
    }

    #[test]
    fn a_handle_only_ever_gets_narrower() {
        let get = || Some(vec!["GET".to_owned()]);
        let narrow = handle()
            .narrow(Limits {
                methods: get(),
                path_prefix: Some("/repos/acme/".to_owned()),
                ..limits()
            })
            .unwrap();
        assert!(
            narrow
                .narrow(Limits {
                    methods: get(),
                    path_prefix: Some("/repos/acme/site".to_owned()),
                    ..limits()
                })
                .is_ok()
        );
        assert!(
            narrow
                .narrow(Limits {
                    methods: Some(vec!["GET".to_owned(), "POST".to_owned()]),
                    ..limits()
                })
                .is_err()
        );
        assert!(
            narrow.narrow(Limits { path_prefix: Some("/repos/".to_owned()), ..limits() }).is_err()
        );
        assert!(narrow.narrow(Limits { methods: Some(Vec::new()), ..limits() }).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_shorter_time_counts() {
        let brief = handle().narrow(Limits { time_ms: Some(10), ..limits() }).unwrap();
        let longer = brief.narrow(Limits { time_ms: Some(1_000), ..limits() }).unwrap();
        assert_eq!(longer.count_use(), Ok(()));
        tokio::time::advance(Duration::from_millis(11)).await;
        assert!(longer.count_use().is_err() && brief.count_use().is_err());
        assert_eq!(handle().count_use(), Ok(()));
    }

    proptest! {
        #[test]
        fn uses_of_a_child_count_in_every_parent(parent in 0_u32..10, child in 0_u32..10) {
            let parent_handle = handle().narrow(Limits { uses: Some(parent), ..limits() }).unwrap();
            let child_handle = parent_handle.narrow(Limits { uses: Some(child), ..limits() }).unwrap();
            let used = (0..20).filter(|_| child_handle.count_use().is_ok()).count();
            prop_assert_eq!(used, usize::try_from(parent.min(child)).unwrap());
        }
    }
}
