//! A gate in memory that says yes, and calls that passed it: what is left is the way of a request.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use toolward_gate::{
    Answer, ApprovalBook, ApprovalId, ApprovalState, Arguments, Basis, BudgetLedger, Call, CallId,
    Cost, DecideError, Decision, Destination, Digest, EgressTerms, Facts, Filing, Gate,
    HeaderScheme, HttpScope, Identity, Kind, Notes, Policy, Principal, ProgressSink, Request,
    Reservation, ReserveError, ResponseShape, Risk, SandboxTerms, Slot, Switch, SwitchFeed,
    SwitchSet, SwitchTarget, Switchboard, SystemClock, Terms, ToolRef, Unavailable,
};
use toolward_vault::{
    Broker, Credential, Credentials, EgressSettings, MintError, Narrowing, Outbound, Secret, Vault,
};

pub(crate) const TOKEN: &str = "ghp_Zx81kQ7mW0pLr5vTnB4yUj9sEc2aHd6fGi3o";

/// One capability on one destination, and a vault with its credential.
pub(crate) struct Desk {
    gate: Gate,
    vault: Vault,
}

impl Desk {
    pub(crate) async fn open(host: &str, port: u16, root: &str) -> anyhow::Result<Self> {
        let destination = Destination { https: true, host: host.to_owned(), port };
        let gate = Gate {
            policy: Arc::new(Yes(terms(scope(destination)))),
            approvals: Arc::new(Office),
            budgets: Arc::new(Office),
            switches: Arc::new(Switchboard::follow(Arc::new(Office)).await?),
            clock: Arc::new(SystemClock),
        };
        let mut credentials = Credentials::default();
        credentials.add("github".parse()?, Arc::new(Drawer));
        let extra_roots_pem = Some(root.as_bytes().to_vec());
        let settings = EgressSettings { extra_roots_pem, ..EgressSettings::default() };
        Ok(Self { gate, vault: Vault::new(credentials, settings)? })
    }

    /// How long one request takes, in a call of its own. The call is not counted.
    pub(crate) async fn fetch(&self, path: String) -> anyhow::Result<(Duration, usize)> {
        let permit = self.gate.admit(self.gate.settle(call()?).await?).await?;
        let grant = self.vault.equip(permit);
        let outbound = Outbound {
            capability: "shop:items:read".parse()?,
            method: "GET".to_owned(),
            target: path,
            headers: Vec::new(),
            body: None,
            narrowing: Narrowing::default(),
        };
        let began = Instant::now();
        let answer = grant.egress().send(outbound).await?;
        Ok((began.elapsed(), answer.into_body().len()))
    }
}

fn scope(destination: Destination) -> HttpScope {
    HttpScope {
        destinations: vec![destination],
        methods: ["GET".to_owned()].into(),
        paths: vec!["/items/{bytes}".parse().unwrap()],
        query: None,
        headers: [].into(),
        allow_private: true,
        credential: Some("github".parse().unwrap()),
        slot: Some(Slot::Header { name: "authorization".to_owned(), scheme: HeaderScheme::Bearer }),
        max_request_bytes: 64,
        response: ResponseShape {
            content_types: ["application/json".to_owned()].into(),
            max_bytes: 2 << 20,
        },
    }
}

fn terms(scope: HttpScope) -> Terms {
    Terms {
        time: Duration::from_secs(30),
        cost: Cost(0),
        rates: Vec::new(),
        budgets: Vec::new(),
        egress: EgressTerms {
            http: [("shop:items:read".parse().unwrap(), Arc::new(scope))].into(),
        },
        sandbox: SandboxTerms::default(),
        basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

fn call() -> anyhow::Result<Call> {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    };
    Ok(Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: "shop".parse()?,
            component: "shop".parse()?,
            digest: Digest::of(b"shop"),
            wants: [].into(),
        },
        arguments: Arguments::parse("{}")?,
        door: "bench",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    })
}

struct Yes(Terms);

impl Policy for Yes {
    fn decide(&self, _: &Call, _: &Facts) -> Decision {
        Decision::Allow(self.0.clone())
    }
}

struct Drawer;

#[async_trait]
impl Broker for Drawer {
    async fn mint(&self) -> Result<Credential, MintError> {
        Ok(Credential::Token(Secret::new(TOKEN)))
    }
}

/// Nothing is thrown, everything is affordable, and nobody is asked.
struct Office;

#[async_trait]
impl SwitchFeed for Office {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(SwitchSet::default())
    }
    async fn throw(&self, _: Switch) -> Result<(), Unavailable> {
        Err(closed())
    }
    async fn lift(&self, _: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        Err(closed())
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
    async fn file(&self, _: &Filing) -> Result<ApprovalId, Unavailable> {
        Err(closed())
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
