//! A gate in memory that says yes, and calls for it.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use toolward_gate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Arguments, BudgetLedger, Call, CallId,
    DecideError, Decision, Digest, Facts, FileError, Filing, Gate, Identity, Kind, Notes,
    Ownership, Policy, Principal, ProgressSink, Request, Reservation, ReserveError, Switch,
    SwitchFeed, SwitchSet, SwitchTarget, Switchboard, SystemClock, Terms, ToolRef, Unavailable,
};

/// The gate, and the office behind it, which holds its switches.
pub(crate) async fn gate(terms: Terms) -> anyhow::Result<(Gate, Arc<Office>)> {
    let office = Arc::new(Office::default());
    let gate = Gate {
        policy: Arc::new(Yes(terms)),
        approvals: office.clone(),
        budgets: office.clone(),
        switches: Arc::new(Switchboard::follow(office.clone()).await?),
        ownership: Ownership::open(),
        clock: Arc::new(SystemClock),
    };
    Ok((gate, office))
}

pub(crate) fn call(
    tool: &str,
    digest: Digest,
    arguments: &str,
    progress: ProgressSink,
) -> anyhow::Result<Call> {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    };
    Ok(Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: tool.parse()?,
            component: "bench".parse()?,
            digest,
            wants: [].into(),
        },
        arguments: Arguments::parse(arguments)?,
        door: "bench",
        notes: Notes::default(),
        progress,
        parent: None,
    })
}

struct Yes(Terms);

impl Policy for Yes {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        Decision::Allow(self.0.clone())
    }
}

/// Switches in memory; everything is affordable, and nobody is asked.
#[derive(Default)]
pub(crate) struct Office(pub(crate) Mutex<SwitchSet>);

#[async_trait]
impl SwitchFeed for Office {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(self.0.lock().unwrap().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.0.lock().unwrap().thrown.push(switch);
        Ok(())
    }
    async fn lift(&self, target: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        self.0.lock().unwrap().thrown.retain(|switch| switch.target != *target);
        Ok(true)
    }
}

#[async_trait]
impl BudgetLedger for Office {
    async fn reserve(&self, _: Reservation<'_>) -> Result<(), ReserveError> {
        Ok(())
    }
}

#[async_trait]
impl ApprovalBook for Office {
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
