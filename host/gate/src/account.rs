//! What does one running call use up?
//!
//! The most that a request may use is set aside in the ledger before it leaves, where somebody limits that, and
//! settled after it. Admission has done so already for the first request under each metered capability.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    Adjustment, AnswerLimits, Behalf, BudgetLedger, BudgetLimit, Call, CallId, CapabilityName,
    Clock, Cost, ProviderName, Refusal, ReserveError, Tally, Usage,
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
    behalf: Vec<Behalf>,
    ledger: Arc<dyn BudgetLedger>,
    clock: Arc<dyn Clock>,
    sums: Mutex<Sums>,
    limits: Limits,
    /// Totals reach the ledger in the order in which they were made.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Sums {
    /// What the call itself costs, and every request that is settled.
    used: Tally,
    /// For requests on their way.
    aside: Tally,
    /// For the first request under each of these, which has not left.
    ahead: BTreeMap<CapabilityName, Usage>,
}

impl Sums {
    /// What may have been used, whatever becomes of this host.
    fn spent(&self) -> Tally {
        self.used.clone().with(&self.aside)
    }

    /// All that the ledger must hold.
    fn total(&self) -> Tally {
        self.spent().with(&ahead(&self.ahead))
    }

    /// Sets aside for one request; what was ahead for it is in that.
    fn hold(&mut self, capability: &CapabilityName, most: Usage) {
        self.ahead.remove(capability);
        self.aside.add(Some(capability.provider()), most);
    }
}

fn ahead(all: &BTreeMap<CapabilityName, Usage>) -> Tally {
    let mut sum = Tally::default();
    all.iter().for_each(|(capability, most)| sum.add(Some(capability.provider()), *most));
    sum
}

impl Account {
    pub(crate) fn open(
        call: &Call,
        opening: Opening,
        budgets: Vec<BudgetLimit>,
        ledger: Arc<dyn BudgetLedger>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Opening { used, ahead, limits } = opening;
        let sums = Mutex::new(Sums { used, aside: Tally::default(), ahead });
        let behalf = call.parent.as_ref().map(|parent| parent.behalf().to_vec());
        Self(Arc::new(Book {
            call: call.id,
            budgets,
            behalf: behalf.unwrap_or_default(),
            ledger,
            clock,
            sums,
            limits,
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// What the call has used until now. A request on its way counts with the most that it may use.
    pub fn usage(&self) -> Tally {
        self.0.sums().spent()
    }

    /// Sets aside the most that one request may use. Fails where that does not fit into the budgets: then
    /// nothing leaves.
    pub async fn set_aside(
        &self,
        capability: &CapabilityName,
        most: Usage,
    ) -> Result<Aside, ReserveError> {
        let book = &self.0;
        let provider = capability.provider();
        let is_written = book.is_limited(&provider, most);
        let _turn = book.turn.lock().await;
        if is_written {
            // Durable before anything leaves: a host that is gone has used it.
            let mut sums = book.sums().clone();
            sums.hold(capability, most);
            book.limits.check(sums.total().total())?;
            book.adjust(&sums, &book.budgets, &book.behalf).await?;
        }
        book.sums().hold(capability, most);
        Ok(Aside { book: self.0.clone(), provider, most: Some(most), counts: most, is_written })
    }

    /// Counts a request that is about to leave; `false` where whoever approved the call allowed no more of them.
    pub fn take_request(&self) -> bool {
        self.0.limits.take_request()
    }
}

/// What a call starts with.
#[derive(Default)]
pub(crate) struct Opening {
    pub(crate) used: Tally,
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
        Self { cost: limits.cost, requests: limits.http_requests.map(AtomicU32::new) }
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
    pub(crate) fn total(&self) -> Tally {
        self.used.clone().with(&ahead(&self.ahead))
    }
}

impl Book {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the ledger is to know of a request before it leaves. What nobody limits is written down with the
    /// end of the call.
    fn is_limited(&self, provider: &ProviderName, most: Usage) -> bool {
        let all = || self.budgets.iter().chain(self.behalf.iter().flat_map(|one| &one.budgets));
        most.cost > Cost::default()
            || most.tokens > 0
            || all().any(|budget| budget.counts_requests_of(provider))
    }

    async fn adjust(
        &self,
        sums: &Sums,
        budgets: &[BudgetLimit],
        behalf: &[Behalf],
    ) -> Result<(), ReserveError> {
        let (call, now) = (self.call, self.clock.now());
        let (usage, spent) = (sums.total(), sums.spent());
        self.ledger.adjust(Adjustment { call, usage, spent, budgets, behalf, now }).await
    }
}

/// What is set aside for one request. Where it is dropped, all of it counts as used, or as much as was said
/// last: the request may have arrived.
#[must_use = "what is dropped counts as used to the full"]
pub struct Aside {
    book: Arc<Book>,
    provider: ProviderName,
    most: Option<Usage>,
    counts: Usage,
    is_written: bool,
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

    /// Says what was used until now: where it is dropped, so much counts.
    pub fn counts(&mut self, used: Usage) {
        self.counts = used;
    }

    /// Charges what was used, which may be more than was set aside, and gives back the rest.
    pub async fn settle(mut self, used: Usage) {
        let book = self.book.clone();
        let Some(most) = self.most.take() else { return };
        book.settle(&self.provider, most, used);
        if used == most || !self.is_written {
            return;
        }
        let _turn = book.turn.lock().await;
        let sums = book.sums().clone();
        // The close of the entry settles it once more: until then the ledger holds the greater amount.
        if let Err(error) = book.adjust(&sums, &[], &[]).await {
            tracing::warn!(call.id = %book.call, %error, "what a request used cannot be written down yet");
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(most) = self.most.take() {
            self.book.settle(&self.provider, most, self.counts);
        }
    }
}

impl Book {
    fn settle(&self, provider: &ProviderName, most: Usage, used: Usage) {
        let mut sums = self.sums();
        sums.aside.take(provider, most);
        sums.used.add(Some(provider.clone()), used);
    }
}

#[cfg(test)]
mod tests;
