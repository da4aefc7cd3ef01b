//! When is a tool's use of a capability suspended? After responses that held a credential.
use std::{fmt, sync::Weak};

use crate::{
    CapabilityName, Clock, Digest, Switch, SwitchFeed, SwitchTarget, Unavailable, life::Board,
};
use std::sync::Arc;

/// Counts, for one running call, the responses that were kept back because they held a credential. The
/// [`HITS`]th throws the kill switch for the tool's digest and the capability, whichever calls, hosts and
/// starts of hosts they came to.
#[derive(Clone)]
pub struct Tripwire {
    digest: Digest,
    feed: Arc<dyn SwitchFeed>,
    /// A board that is gone has nobody left to tell.
    board: Weak<Board>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Tripwire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tripwire").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Tripwire {
    pub(crate) fn new(
        digest: Digest,
        feed: Arc<dyn SwitchFeed>,
        board: Weak<Board>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { digest, feed, board, clock }
    }

    /// Counts one response that held a credential. Where that suspends, every call that it concerns has ended
    /// when this returns, on this host.
    pub async fn hit(&self, capability: &CapabilityName) -> Result<(), Unavailable> {
        let target = SwitchTarget::Use { digest: self.digest, capability: capability.clone() };
        let switch = Switch {
            target,
            reason: REASON.to_owned(),
            by: HOST.to_owned(),
            since: self.clock.now(),
            expires_at: None,
        };
        if self.feed.count_towards(switch, HITS).await?
            && let Some(board) = self.board.upgrade()
        {
            board.learn(self.feed.read().await?);
        }
        Ok(())
    }
}

/// Responses with a credential in them, until their cause is suspended.
pub const HITS: u32 = 3;
const REASON: &str = "three responses held a credential";
/// Who throws a switch when nobody did.
const HOST: &str = "toolward";
