//! The policies of a running host, which can be exchanged: all of them, or none.
use std::sync::{Arc, PoisonError, RwLock};

use super::CedarPolicy;
use crate::{
    BudgetLimit, Call, Decision, Digest, Exceptions, Facts, InstalledTool, Policy, Principal,
};

/// Hands out the policies of this moment. A call that was admitted keeps the terms it was admitted on.
#[derive(Debug)]
pub struct Exchange(RwLock<Arc<CedarPolicy>>);

impl Exchange {
    pub fn new(policy: CedarPolicy) -> Self {
        Self(RwLock::new(Arc::new(policy)))
    }

    pub fn now(&self) -> Arc<CedarPolicy> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts checked policies in the place of those that were; answers with the version that was.
    pub fn put(&self, policy: CedarPolicy) -> Digest {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, Arc::new(policy)).version()
    }
}

impl Policy for Exchange {
    fn decide(&self, call: &Call, facts: &Facts) -> Decision {
        self.now().decide(call, facts)
    }
    fn current(&self) -> Option<Arc<dyn Policy>> {
        Some(self.now())
    }
    fn version(&self) -> Digest {
        self.now().version()
    }
    fn wants_remaining(&self, call: &Call) -> Vec<BudgetLimit> {
        self.now().wants_remaining(call)
    }
    fn offers(&self, principal: &Principal, tool: &InstalledTool, exceptions: &Exceptions) -> bool {
        self.now().offers(principal, tool, exceptions)
    }
    fn refused_by(&self, call: &Call, facts: &Facts) -> Vec<String> {
        self.now().refused_by(call, facts)
    }
}
