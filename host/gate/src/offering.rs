//! Which tools is a principal shown?
use std::sync::Arc;

use jiff::Timestamp;

use crate::{Exceptions, Gate, InstalledTool, Policy, Principal, Request, Unavailable};

/// What stands for one principal at one moment: asked for once, for as many tools as there are.
pub struct Offer<'a> {
    policy: Arc<dyn Policy>,
    principal: &'a Principal,
    /// What people allowed the principal for a time.
    approved: Vec<Request>,
    now: Timestamp,
}

impl std::fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer").field("principal", &self.principal.id()).finish_non_exhaustive()
    }
}

impl Gate {
    pub async fn offer<'a>(&self, principal: &'a Principal) -> Result<Offer<'a>, Unavailable> {
        let approved = self.approvals.accesses(principal.id()).await?;
        let policy = self.policy.current().unwrap_or_else(|| self.policy.clone());
        Ok(Offer { policy, principal, approved, now: self.clock.now() })
    }
}

impl Offer<'_> {
    /// `false` only where every call of it would be refused; `true` permits nothing.
    pub fn has(&self, tool: &InstalledTool) -> bool {
        let version = self.policy.version();
        let this = (&tool.name, tool.digest);
        let exceptions = Exceptions::of(&self.approved, self.principal, this, version, self.now);
        self.policy.offers(self.principal, tool, &exceptions)
    }
}
