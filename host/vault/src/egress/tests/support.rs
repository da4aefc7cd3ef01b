//! A gate in memory that says yes, and a call that passed it.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use toolward_gate::{
    Adjustment, Arguments, BudgetLedger, BudgetLimit, Call, CallId, Clock as _, CredentialName,
    Destination, Digest, EgressTerms, Gate, HeaderScheme, HttpScope, Identity, Kind, Note, Notes,
    Ownership, Principal, PrivateRanges, ProgressSink, Refusal, Reservation, ReserveError,
    ResponseShape, Slot, Switch, SwitchFeed, SwitchSet, SwitchTarget, Switchboard, SystemClock,
    Terms, ToolRef, Trust, Unavailable, Usage, testing,
};

use super::server::Server;
use crate::{
    Broker, Credential, Credentials, EgressError, EgressSettings, Grant, MintError, Minted,
    Narrowing, Outbound, Purpose, Revocation, Secret, Shaped, Vault,
    address::{Machine, Network},
};

pub(super) const TOKEN: &str = "ghp_Zx81+kQ/7mW=0pLr5vTn";
/// What the guest and the servers write where no note and no error may repeat it.
pub(super) const PATH: &str = "/items/p4thmark";
pub(super) const QUERY: &str = "qu3rymark";
pub(super) const HEADER: &str = "h3admark";
pub(super) const BODY: &str = "b0dymark";
pub(super) const ANSWER: &str = "answ3rmark";

/// One desk: a granted call, the house it runs in, and what happens to it.
pub(super) struct Desk {
    pub(super) grant: Grant,
    office: Arc<Office>,
    /// Switches are followed while it stands.
    gate: Gate,
    withdrawing: Withdrawing,
}

type Withdrawing = Box<dyn Fn(&SwitchTarget) -> Vec<(CredentialName, Revocation)> + Send + Sync>;

/// What a desk is made of.
pub(super) struct Setup {
    pub(super) scope: HttpScope,
    /// The stored value of the credential; `None` where the store has none.
    pub(super) secret: Option<&'static str>,
    /// A credential of another kind, in place of the value.
    pub(super) other: Option<fn() -> Credential>,
    /// Who answers for names, where it is not this machine.
    pub(super) network: Option<Box<dyn Network>>,
    /// What mints it, in place of a stored value.
    pub(super) broker: Option<Arc<dyn Broker>>,
    pub(super) settings: EgressSettings,
    /// How long the call lives.
    pub(super) time: Duration,
    pub(super) budgets: Vec<BudgetLimit>,
    pub(super) ownership: Ownership,
    /// Whether responses that held a credential are counted.
    pub(super) suspends: bool,
}

impl Setup {
    /// A capability with one destination, and a token that goes out as a bearer.
    pub(super) fn to(server: &Server) -> Self {
        let port = server.address.port();
        Self::at(Destination { https: false, host: "127.0.0.1".to_owned(), port })
    }

    pub(super) fn at(destination: Destination) -> Self {
        let scope = HttpScope {
            destinations: vec![destination],
            methods: set(&["GET", "POST"]),
            paths: vec!["/items/{id}".parse().unwrap()],
            query: Some(set(&["q"])),
            headers: set(&["x-colour"]),
            allow_private: PrivateRanges::loopback(),
            tls: Trust::default(),
            credential: Some("github".parse().unwrap()),
            session_policy: None,
            oauth_scope: [].into(),
            slot: Some(header("authorization", HeaderScheme::Bearer)),
            max_request_bytes: 64,
            response: ResponseShape {
                content_types: set(&["application/json"]),
                max_bytes: 4096,
                ..ResponseShape::default()
            },
            trace_context: false,
            meter: None,
        };
        let (settings, time) = (EgressSettings::default(), Duration::from_secs(30));
        let (other, broker, network) = (None, None, None);
        let (budgets, suspends) = (Vec::new(), false);
        let ownership = Ownership::open();
        let secret = Some(TOKEN);
        Self { scope, secret, other, broker, network, settings, time, budgets, ownership, suspends }
    }

    pub(super) fn slot(mut self, slot: Slot) -> Self {
        self.scope.slot = Some(slot);
        self
    }

    pub(super) fn secret(self, secret: Option<&'static str>) -> Self {
        Self { secret, ..self }
    }

    pub(super) async fn open(self) -> Desk {
        let office = Arc::new(Office { suspends: self.suspends, ..Office::default() });
        let gate = Gate {
            policy: Arc::new(testing::Yes(Terms {
                budgets: self.budgets,
                ..terms(self.scope, self.time)
            })),
            approvals: Arc::new(testing::Nobody),
            budgets: office.clone(),
            switches: Arc::new(Switchboard::follow(office.clone()).await.unwrap()),
            ownership: self.ownership,
            clock: Arc::new(SystemClock),
        };
        let settled = gate.settle(call()).await.unwrap();
        let permit = gate.admit(settled).await.unwrap();
        let mut credentials = Credentials::default();
        let drawer = Drawer(self.secret, self.other);
        credentials.add("github".parse().unwrap(), self.broker.unwrap_or_else(|| Arc::new(drawer)));
        let network = self.network.unwrap_or_else(|| Box::new(Machine::default()));
        let vault = Vault::on(credentials, self.settings, network).unwrap();
        gate.switches.on_change(vault.forgetting());
        let withdrawing = Box::new(vault.withdrawing());
        Desk { grant: vault.equip(permit), office, gate, withdrawing }
    }
}

pub(super) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

pub(super) fn header(name: &str, scheme: HeaderScheme) -> Slot {
    Slot::Header { name: name.to_owned(), scheme }
}

/// What a guest writes, with a mark in every part of it.
pub(super) fn outbound() -> Outbound {
    Outbound {
        capability: "shop:items:read".parse().unwrap(),
        method: "POST".to_owned(),
        target: format!("{PATH}?q={QUERY}"),
        headers: vec![("x-colour".to_owned(), HEADER.to_owned())],
        body: Some(BODY.into()),
        narrowing: Narrowing::default(),
    }
}

impl Desk {
    /// Sends, and looks at what notes and errors say besides.
    pub(super) async fn send(&self, outbound: Outbound) -> Result<Shaped, EgressError> {
        let answer = self.grant.egress().send(outbound).await;
        if let Err(error) = &answer {
            spills_nothing(&format!("{error} {error:?} {}", error.code()));
        }
        self.notes();
        answer
    }

    /// The code of what became of it, and the note it left.
    pub(super) async fn outcome(&self, outbound: Outbound) -> (&'static str, String) {
        let answer = self.send(outbound).await;
        let code = answer.map_or_else(|error| error.code(), |_| "ok");
        (code, self.last_note())
    }

    /// What happened to the call's requests, by the kinds of its notes, with their codes.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = self.grant.call().notes.read();
        spills_nothing(&format!("{notes:?}{}", serde_json::to_string(&notes).unwrap()));
        notes.iter().filter_map(kind).collect()
    }

    pub(super) fn last_note(&self) -> String {
        self.notes().pop().unwrap_or_default()
    }

    /// Throws a switch where it is noticed at once.
    pub(super) async fn throw_here(&self, target: SwitchTarget) {
        let (reason, by) = ("a drill".to_owned(), "ana".to_owned());
        let switch = Switch { target, reason, by, since: SystemClock.now(), expires_at: None };
        self.gate.switches.throw(switch).await.unwrap();
    }

    pub(super) fn withdraw(&self, thrown: &SwitchTarget) -> Vec<(CredentialName, Revocation)> {
        (self.withdrawing)(thrown)
    }

    pub(super) async fn throw(&self, target: SwitchTarget) {
        let (reason, by) = ("a drill".to_owned(), "ana".to_owned());
        let switch = Switch { target, reason, by, since: SystemClock.now(), expires_at: None };
        self.office.throw(switch).await.unwrap();
    }

    /// The switches that are thrown.
    pub(super) fn thrown(&self) -> Vec<String> {
        let set = self.office.switches.lock().unwrap();
        set.thrown.iter().map(|switch| switch.target.to_string()).collect()
    }

    /// What the ledger holds for the call.
    pub(super) fn held(&self) -> Usage {
        *self.office.held.lock().unwrap()
    }
}

fn kind(note: &Note) -> Option<String> {
    match note {
        Note::Sent { path_template, status, .. } => Some(format!("sent {path_template} {status}")),
        Note::Unanswered { path_template, code, .. } => {
            Some(format!("unanswered {path_template} {code}"))
        }
        Note::NotSent { code, .. } => Some(format!("not-sent {code}")),
        Note::Withheld { path_template, .. } => Some(format!("withheld {path_template}")),
        Note::Allowed(_)
        | Note::Asked { .. }
        | Note::Approved { .. }
        | Note::Exceptional { .. }
        | Note::Arguments { .. }
        | Note::Called { .. }
        | Note::Refused { .. }
        | Note::NotCalled { .. }
        | Note::Used { .. }
        | Note::Logged { .. }
        | Note::LogDropped { .. } => None,
    }
}

fn spills_nothing(text: &str) {
    for mark in ["ghp_Zx81", "ghp%5FZx81", "7mW", "p4thmark", QUERY, HEADER, BODY, ANSWER] {
        assert!(!text.contains(mark), "`{mark}` in {text}");
    }
}

fn terms(scope: HttpScope, time: Duration) -> Terms {
    let http = [("shop:items:read".parse().unwrap(), Arc::new(scope))].into();
    Terms { time, egress: EgressTerms { http }, ..testing::terms() }
}

pub(super) fn call() -> Call {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: set(&["assistant"]),
        groups: BTreeSet::new(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    };
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: "shop".parse().unwrap(),
            component: "shop".parse().unwrap(),
            digest: Digest::of(b"shop"),
            wants: [].into(),
        },
        arguments: Arguments::parse("{}").unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

/// A broker with one value, or none.
struct Drawer(Option<&'static str>, Option<fn() -> Credential>);

#[async_trait]
impl Broker for Drawer {
    async fn mint(&self, _: &Purpose<'_>) -> Result<Minted, MintError> {
        if let Some(other) = self.1 {
            return Ok(other().into());
        }
        let missing = || MintError::Unknown("github".parse().unwrap());
        self.0.map(|value| Credential::Token(Secret::new(value)).into()).ok_or_else(missing)
    }
}

/// Everything that the gate asks, in memory.
#[derive(Default)]
struct Office {
    switches: Mutex<SwitchSet>,
    hits: Mutex<u32>,
    suspends: bool,
    held: Mutex<Usage>,
}

#[async_trait]
impl SwitchFeed for Office {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        Ok(self.switches.lock().unwrap().clone())
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.switches.lock().unwrap().thrown.push(switch);
        Ok(())
    }
    async fn count_towards(&self, switch: Switch, most: u32) -> Result<bool, Unavailable> {
        let due = {
            let mut hits = self.hits.lock().unwrap();
            *hits += 1;
            self.suspends && *hits >= most
        };
        if due {
            self.throw(switch).await?;
        }
        Ok(due)
    }
    async fn lift(&self, _: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        Err(closed())
    }
}

#[async_trait]
impl BudgetLedger for Office {
    async fn reserve(&self, reservation: Reservation<'_>) -> Result<(), ReserveError> {
        *self.held.lock().unwrap() = reservation.usage.total();
        Ok(())
    }
    async fn adjust(&self, adjustment: Adjustment<'_>) -> Result<(), ReserveError> {
        if adjustment.budgets.iter().any(|budget| !budget.fits(&adjustment.usage)) {
            return Err(Refusal::OverBudget.into());
        }
        *self.held.lock().unwrap() = adjustment.usage.total();
        Ok(())
    }
}

fn closed() -> Unavailable {
    Unavailable::new("the book", "nobody is asked here")
}
