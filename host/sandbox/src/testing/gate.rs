//! A gate that says yes, for the tests of this crate.
use std::sync::Arc;

use serde_json::{Value, json};
use toolward_gate::{
    Arguments, Call, CallId, Digest, HttpScope, Identity, Interface, Kind, Notes, Principal,
    PrivateRanges, ProgressSink, ResponseShape, SandboxGrants, SandboxLimits, SandboxTerms, Switch,
    SwitchFeed as _, Switchboard, Terms, ToolRef, Trust, Unavailable, testing,
};
use toolward_vault::{Credentials, EgressSettings, Grant, Vault};

/// Terms that grant these capabilities, each with the interface that it opens.
pub(crate) fn terms(granted: &[(&str, &str)]) -> Terms {
    let one =
        |(name, opens): &(&str, &str)| (name.parse().unwrap(), Interface((*opens).to_owned()));
    Terms {
        sandbox: SandboxTerms {
            grants: SandboxGrants {
                capabilities: granted.iter().map(one).collect(),
                defined: Arc::new(DEFINED.iter().map(one).collect()),
                ..SandboxGrants::default()
            },
            limits: SandboxLimits::default(),
        },
        ..testing::terms()
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
    let feed = Arc::new(testing::Switches::default());
    let gate = testing::gate(terms, feed.clone()).await.unwrap();
    let settled = gate.settle(call(asked, notes)).await.unwrap();
    let permit = gate.admit(settled).await.unwrap();
    let vault = Vault::new(Credentials::default(), EgressSettings::default()).unwrap();
    (vault.equip(permit), Arc::new(Switches { feed, board: gate.switches.clone() }))
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

/// What throws the kill switches of a grant, and hears of them.
pub(crate) struct Switches {
    feed: Arc<testing::Switches>,
    /// The life of a permit needs its board.
    board: Arc<Switchboard>,
}

impl Switches {
    /// As another host does it.
    pub(crate) async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.feed.throw(switch).await
    }

    pub(crate) fn board(&self) -> Arc<Switchboard> {
        self.board.clone()
    }
}
