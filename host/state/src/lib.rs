//! Remember it. (signatures only, until the crate lands)
use async_trait::async_trait;
use std::{path::Path, sync::Arc, time::Duration};
use toolward_gate::*;
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub String);
#[derive(Clone)]
pub struct State(());
#[derive(Clone, Debug, Default)]
pub struct LinkFilter {
    pub after: Option<u64>,
    pub last: Option<u32>,
    pub call: Option<CallId>,
}
#[derive(Clone, Debug)]
pub struct Verified {
    pub links: u64,
    pub head: Digest,
    pub fault: Option<Fault>,
}
#[derive(Clone, Debug)]
pub struct Fault {
    pub sequence: u64,
    pub what: String,
}
impl State {
    pub async fn open(_p: &Path, _c: Arc<dyn Clock>) -> Result<Self, StateError> {
        Ok(Self(()))
    }
    pub async fn close_interrupted(&self) -> Result<u64, StateError> {
        Ok(0)
    }
    pub async fn links(&self, _f: LinkFilter) -> Result<Vec<Link>, StateError> {
        Ok(vec![])
    }
    pub async fn verify(
        &self,
        _progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Verified, StateError> {
        Ok(Verified { links: 0, head: Digest::ZERO, fault: None })
    }
}
fn no<T>() -> Result<T, Unavailable> {
    Err(Unavailable::new("the state", "not yet"))
}
#[async_trait]
impl ApprovalBook for State {
    async fn file(&self, _f: &Filing) -> Result<ApprovalId, Unavailable> {
        no()
    }
    async fn wait(&self, _i: ApprovalId, _p: Duration) -> Result<Request, Unavailable> {
        no()
    }
    async fn list(&self, _s: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        no()
    }
    async fn show(&self, _i: ApprovalId) -> Result<Option<Request>, Unavailable> {
        no()
    }
    async fn decide(&self, _i: ApprovalId, _a: Answer) -> Result<Request, DecideError> {
        Err(Unavailable::new("the state", "not yet").into())
    }
}
#[async_trait]
impl BudgetLedger for State {
    async fn reserve(&self, _r: Reservation<'_>) -> Result<(), ReserveError> {
        Ok(())
    }
}
#[async_trait]
impl SwitchFeed for State {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        no()
    }
    async fn throw(&self, _s: Switch) -> Result<(), Unavailable> {
        no()
    }
    async fn lift(&self, _t: &SwitchTarget, _b: &str, _r: &str) -> Result<bool, Unavailable> {
        no()
    }
}
#[async_trait]
impl AuditLog for State {
    async fn append(&self, _r: &Record) -> Result<(), Unavailable> {
        no()
    }
    async fn close(&self, _c: Closed) -> Result<(), Unavailable> {
        no()
    }
}
