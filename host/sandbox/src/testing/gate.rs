//! A gate that says yes, for the tests of this crate.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use toolward_gate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Arguments, Basis, BudgetLedger, Call, CallId,
    DecideError, Decision, Digest, EgressTerms, Facts, FileError, Filing, Gate, HttpScope,
    Identity, Interface, Kind, Notes, Ownership, Policy, Principal, PrivateRanges, ProgressSink,
    Request, Reservation, ReserveError, ResponseShape, Risk, SandboxGrants, SandboxLimits,
    SandboxTerms, Switch, SwitchFeed, SwitchSet, SwitchTarget, Switchboard, SystemClock, Tally,
    Terms, ToolRef, Trust, Unavailable,
};
use toolward_vault::{Credentials, EgressSettings, Grant, Vault};

/// Terms that grant these capabilities, each with the interface that it opens.
pub(crate) fn terms(granted: &[(&str, &str)]) -> Terms {
    let one =
        |(name, opens): &(&str, &str)| (name.parse().unwrap(), Interface((*opens).to_owned()));
    Terms {
        time: Duration::from_secs(60),
        cost: Tally::default(),
        rates: vec![],
        budgets: vec![],
        egress: EgressTerms::default(),
        sandbox: SandboxTerms {
            grants: SandboxGrants {
                capabilities: granted.iter().map(one).collect(),
                defined: Arc::new(DEFINED.iter().map(one).collect()),
                ..SandboxGrants::default()
            },
            limits: SandboxLimits::default(),
        },
        recording: toolward_gate::Recording::Digest,
        basis: Basis { policies: vec![], policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

/// What can be narrowed of a capability for `http`: two methods, and responses of so many bytes.
pub(crate) fn http(max_bytes: usize) -> HttpScope {
    HttpScope {
        destinations: vec![],
        methods: ["GET".to_owned(), "POST".to_owned()].into(),
        paths: vec![],
        query: None,
        headers: [].into(),
        allow_private: PrivateRanges::default(),
        tls: Trust::default(),
        credential: None,
        session_policy: None,
        oauth_scope: [].into(),
        slot: None,
        max_request_bytes: 100,
        response: ResponseShape { content_types: [].into(), max_bytes, ..ResponseShape::default() },
        trace_context: false,
        meter: None,
    }
}

/// What the operator defined, granted or not.
const DEFINED: [(&str, &str); 2] = [("host:log:write", "log"), ("github:issues:write", "http")];

/// A grant for `act` of the component with this digest, and what throws its kill switches.
pub(crate) async fn grant(digest: Digest, terms: Terms, notes: Notes) -> (Grant, Arc<Switches>) {
    grant_for(&Asked { digest, tool: "act", arguments: json!({}) }, terms, notes).await
}

/// Which tool is called, and with what.
pub(crate) struct Asked {
    pub(crate) digest: Digest,
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
}

pub(crate) async fn grant_for(asked: &Asked, terms: Terms, notes: Notes) -> (Grant, Arc<Switches>) {
    let switches = Arc::new(Switches::default());
    let gate = Gate {
        policy: Arc::new(Yes(terms)),
        approvals: Arc::new(NoApprovals),
        budgets: Arc::new(Free),
        switches: Arc::new(Switchboard::follow(switches.clone()).await.unwrap()),
        ownership: Ownership::open(),
        clock: Arc::new(SystemClock),
    };
    let settled = gate.settle(call(asked, notes)).await.unwrap();
    let permit = gate.admit(settled).await.unwrap();
    // The life of a permit needs its board.
    switches.board.lock().unwrap().replace(gate.switches.clone());
    let vault = Vault::new(Credentials::default(), EgressSettings::default()).unwrap();
    (vault.equip(permit), switches)
}

fn call(asked: &Asked, notes: Notes) -> Call {
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(Identity {
            id: "ana".to_owned(),
            kind: Kind::User,
            roles: [].into(),
            groups: [].into(),
            acts_for: vec![],
            scope: None,
            ends_at: None,
        }),
        tool: ToolRef {
            name: asked.tool.parse().unwrap(),
            component: "guest".parse().unwrap(),
            digest: asked.digest,
            wants: [].into(),
        },
        arguments: Arguments::parse(&asked.arguments.to_string()).unwrap(),
        door: "test",
        notes,
        progress: ProgressSink::default(),
        parent: None,
    }
}

struct Yes(Terms);
impl Policy for Yes {
    fn decide(&self, _call: &Call, _facts: &Facts) -> Decision {
        Decision::Allow(self.0.clone())
    }
}

struct Free;
#[async_trait]
impl BudgetLedger for Free {
    async fn reserve(&self, _reservation: Reservation<'_>) -> Result<(), ReserveError> {
        Ok(())
    }
}

/// Kill switches in memory.
#[derive(Default)]
pub(crate) struct Switches {
    set: Mutex<SwitchSet>,
    board: Mutex<Option<Arc<Switchboard>>>,
}

#[async_trait]
impl SwitchFeed for Switches {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(self.set.lock().unwrap().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.set.lock().unwrap().thrown.push(switch);
        Ok(())
    }
    async fn lift(&self, _: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

impl Switches {
    /// The board of the last grant.
    pub(crate) fn board(&self) -> Arc<Switchboard> {
        self.board.lock().unwrap().clone().unwrap()
    }
}

struct NoApprovals;
#[async_trait]
impl ApprovalBook for NoApprovals {
    async fn file(&self, _: &Filing) -> Result<ApprovalId, FileError> {
        Err(Unavailable::new("the approvals", "nobody is asked here").into())
    }
    async fn wait(&self, _: ApprovalId, _: Duration) -> Result<Request, Unavailable> {
        Err(Unavailable::new("the approvals", "nobody is asked here"))
    }
    async fn list(&self, _: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable> {
        Ok(vec![])
    }
    async fn show(&self, _: ApprovalId) -> Result<Option<Request>, Unavailable> {
        Ok(None)
    }
    async fn decide(&self, id: ApprovalId, _: Answer) -> Result<Request, DecideError> {
        Err(DecideError::Unknown(id))
    }
}
