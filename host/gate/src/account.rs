//! What does one running call use up?
//!
//! The most that a metered request may use is set aside in the ledger before it leaves, and settled after it.
//! Admission has done so already for the first request under each metered capability.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    Adjustment, AnswerLimits, BudgetLedger, BudgetLimit, CallId, CapabilityName, Clock, Cost,
    Refusal, ReserveError, Usage,
};

/// The account of one call, from its admission to the close of its entry. Clones are the same account.
#[derive(Clone)]
pub struct Account(Arc<Book>);

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("call", &self.0.call).finish_non_exhaustive()
    }
}

struct Book {
    call: CallId,
    budgets: Vec<BudgetLimit>,
    ledger: Arc<dyn BudgetLedger>,
    clock: Arc<dyn Clock>,
    sums: Mutex<Sums>,
    limits: Limits,
    /// Totals reach the ledger in the order in which they were made.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Sums {
    /// What the call itself costs, and every request that is settled.
    used: Usage,
    /// For requests on their way.
    aside: Usage,
    /// For the first request under each of these, which has not left.
    ahead: BTreeMap<CapabilityName, Usage>,
}

impl Sums {
    /// All that the ledger must hold.
    fn total(&self) -> Usage {
        self.ahead.values().fold(self.used.with(self.aside), |sum, one| sum.with(*one))
    }
}

impl Account {
    pub(crate) fn open(
        call: CallId,
        opening: Opening,
        budgets: Vec<BudgetLimit>,
        ledger: Arc<dyn BudgetLedger>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Opening { used, ahead, limits } = opening;
        let sums = Mutex::new(Sums { used, aside: Usage::default(), ahead });
        Self(Arc::new(Book {
            call,
            budgets,
            ledger,
            clock,
            sums,
            limits,
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// What the call has used until now. A request on its way counts with the most that it may use.
    pub fn usage(&self) -> Usage {
        let sums = self.0.sums();
        sums.used.with(sums.aside)
    }

    /// Sets aside the most that one request may use. Fails where that does not fit into the budgets: then
    /// nothing leaves.
    pub async fn set_aside(
        &self,
        capability: &CapabilityName,
        most: Usage,
    ) -> Result<Aside, ReserveError> {
        let book = &self.0;
        let _turn = book.turn.lock().await;
        let ahead = book.sums().ahead.remove(capability);
        if let Some(most) = ahead {
            return Ok(self.hold(most));
        }
        let total = book.sums().total().with(most);
        book.limits.check(total)?;
        book.adjust(total, &book.budgets).await?;
        Ok(self.hold(most))
    }

    /// Counts a request that is about to leave; `false` where whoever approved the call allowed no more of them.
    pub fn take_request(&self) -> bool {
        self.0.limits.take_request()
    }

    fn hold(&self, most: Usage) -> Aside {
        let mut sums = self.0.sums();
        sums.aside = sums.aside.with(most);
        Aside { book: self.0.clone(), most: Some(most) }
    }
}

/// What a call starts with.
#[derive(Default)]
pub(crate) struct Opening {
    pub(crate) used: Usage,
    pub(crate) ahead: BTreeMap<CapabilityName, Usage>,
    pub(crate) limits: Limits,
}

/// What whoever approved the call narrowed it to.
#[derive(Default)]
pub(crate) struct Limits {
    cost: Option<Cost>,
    /// Requests that may still leave.
    requests: Option<AtomicU32>,
}

impl Limits {
    pub(crate) fn of(limits: &AnswerLimits) -> Self {
        Self { cost: limits.cost, requests: limits.requests.map(AtomicU32::new) }
    }

    /// Whether all of this may be used.
    pub(crate) fn check(&self, usage: Usage) -> Result<(), Refusal> {
        match self.cost {
            Some(most) if usage.cost > most => Err(Refusal::OverApproved { most }),
            _ => Ok(()),
        }
    }

    fn take_request(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.requests.as_ref().is_none_or(|left| {
            left.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
        })
    }
}

impl Opening {
    /// All that admission sets aside.
    pub(crate) fn total(&self) -> Usage {
        self.ahead.values().fold(self.used, |sum, one| sum.with(*one))
    }
}

impl Book {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn adjust(&self, usage: Usage, budgets: &[BudgetLimit]) -> Result<(), ReserveError> {
        let now = self.clock.now();
        self.ledger.adjust(Adjustment { call: self.call, usage, budgets, now }).await
    }
}

/// What is set aside for one request. Where it is dropped, all of it counts as used: the request may have
/// arrived.
#[must_use = "what is dropped counts as used to the full"]
pub struct Aside {
    book: Arc<Book>,
    most: Option<Usage>,
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Aside {
    /// Nothing left: all of it is given back.
    pub async fn give_back(self) {
        self.settle(Usage::default()).await;
    }

    /// Charges what was used, which may be more than was set aside, and gives back the rest.
    pub async fn settle(mut self, used: Usage) {
        let book = self.book.clone();
        let Some(most) = self.most.take() else { return };
        book.settle(most, used);
        if used == most {
            return;
        }
        let _turn = book.turn.lock().await;
        let total = book.sums().total();
        // The close of the entry settles it once more: until then the ledger holds the greater amount.
        if let Err(error) = book.adjust(total, &[]).await {
            tracing::warn!(call.id = %book.call, %error, "what a request used cannot be written down yet");
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(most) = self.most.take() {
            self.book.settle(most, most);
        }
    }
}

impl Book {
    fn settle(&self, most: Usage, used: Usage) {
        let mut sums = self.sums();
        sums.aside = sums.aside.without(most);
        sums.used = sums.used.with(used);
    }
}

#[cfg(test)]
mod tests;
