//! What stands in for policies, people, the ledger and switches in tests and benches: a gate that says yes.
//!
//! No host is built with it: `tests/tidy.rs` sees to that.
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Basis, BudgetLedger, Call, DecideError,
    Decision, Digest, EgressTerms, Facts, FileError, Filing, Gate, Ownership, Policy, Recording,
    Request, Reservation, ReserveError, Risk, SandboxTerms, Switch, SwitchFeed, SwitchSet,
    SwitchTarget, Switchboard, SystemClock, Tally, Terms, Unavailable,
};

/// A gate that agrees to every call on these terms, asks nobody and charges nothing; switches stop it.
pub async fn gate(terms: Terms, switches: Arc<dyn SwitchFeed>) -> Result<Gate, Unavailable> {
    Ok(Gate {
        policy: Arc::new(Yes(terms)),
        approvals: Arc::new(Nobody),
        budgets: Arc::new(Free),
        switches: Arc::new(Switchboard::follow(switches).await?),
        ownership: Ownership::open(),
        clock: Arc::new(SystemClock),
    })
}

/// A minute, and nothing besides.
pub fn terms() -> Terms {
    Terms {
        time: Duration::from_secs(60),
        cost: Tally::default(),
        rates: Vec::new(),
        budgets: Vec::new(),
        egress: EgressTerms::default(),
        sandbox: SandboxTerms::default(),
        recording: Recording::Digest,
        basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

/// A policy that agrees to every call, on these terms.
#[derive(Debug)]
pub struct Yes(pub Terms);

impl Policy for Yes {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        Decision::Allow(self.0.clone())
    }
}

/// A ledger for which everything is affordable. Nothing is metered by it.
#[derive(Debug)]
pub struct Free;

#[async_trait]
impl BudgetLedger for Free {
    async fn reserve(&self, _: Reservation<'_>) -> Result<(), ReserveError> {
        Ok(())
    }
}

/// A book of approvals that is closed.
#[derive(Debug)]
pub struct Nobody;

#[async_trait]
impl ApprovalBook for Nobody {
    async fn file(&self, _: &Filing) -> Result<ApprovalId, FileError> {
        Err(closed().into())
    }
    async fn wait(&self, _: ApprovalId, _: Duration) -> Result<Request, Unavailable> {
        Err(closed())
    }
    async fn list(&self, _: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        Err(closed())
    }
    async fn show(&self, _: ApprovalId) -> Result<Option<Request>, Unavailable> {
        Err(closed())
    }
    async fn decide(&self, _: ApprovalId, _: Answer) -> Result<Request, DecideError> {
        Err(closed().into())
    }
}

fn closed() -> Unavailable {
    Unavailable::new("the book", "nobody is asked here")
}

/// Switches in memory.
#[derive(Debug, Default)]
pub struct Switches(Mutex<SwitchSet>);

impl Switches {
    /// Lifts all of them.
    pub fn clear(&self) {
        self.set().thrown.clear();
    }

    fn set(&self) -> MutexGuard<'_, SwitchSet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SwitchFeed for Switches {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(self.set().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.set().thrown.push(switch);
        Ok(())
    }
    async fn lift(&self, target: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        let mut set = self.set();
        let before = set.thrown.len();
        set.thrown.retain(|switch| switch.target != *target);
        Ok(set.thrown.len() < before)
    }
}
