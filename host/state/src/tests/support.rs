//! What every test stands on: a folder with a database, a clock, calls and answers.
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use toolward_gate::{
    Answer, AnswerLimits, Arguments, Call, CallId, Clock, Closed, Cost, Digest, Ending, Identity,
    Kind, Notes, Opened, Principal, ProgressSink, Record, RolesFrom, ToolRef, Verdict,
};

use crate::{LinkFilter, State};

/// Shows the time it was set to.
pub(super) struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub(super) fn at_ten() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-01-05T10:00:00Z".parse().unwrap())))
    }

    pub(super) fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    pub(super) fn step_back(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_sub(time).unwrap();
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A folder of one database, and the clock of all who open it.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) clock: Arc<SetClock>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), clock: SetClock::at_ten() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// One more host on the same file.
    pub(super) async fn open(&self) -> State {
        State::open(&self.path(), self.clock.clone()).await.unwrap()
    }

    pub(super) async fn reopen(&self, state: State) -> State {
        state.shut().await;
        self.open().await
    }

    /// Runs statements as somebody would who has the file, and not this crate.
    pub(super) async fn run(&self, statements: &'static str) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await;
        let done = sqlx::raw_sql(statements).execute(&mut connection).await;
        connection.close().await.unwrap();
        done.map(drop)
    }

    pub(super) async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(5));
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(super) fn call_with(principal: &str, arguments: &str) -> Call {
    let identity = Identity {
        id: principal.to_owned(),
        kind: Kind::Agent,
        roles: ["assistant".to_owned()].into(),
        groups: [].into(),
        acts_for: vec!["owen".to_owned()],
        scope: None,
        ends_at: None,
    };
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: "charge".parse().unwrap(),
            component: "shop".parse().unwrap(),
            digest: Digest::of(b"shop"),
            wants: Arc::new([]),
        },
        arguments: Arguments::parse(arguments).unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

pub(super) fn call(principal: &str) -> Call {
    call_with(principal, r#"{"amount":5}"#)
}

pub(super) fn opened(call: &Call) -> Record {
    Record::Opened(Opened {
        call: call.id,
        principal: call.principal.id().to_owned(),
        kind: call.principal.kind(),
        roles: call.principal.roles().clone(),
        groups: call.principal.groups().clone(),
        acts_for: call.principal.acts_for().to_vec(),
        door: call.door,
        component: call.tool.component.clone(),
        tool: call.tool.name.clone(),
        tool_digest: call.tool.digest,
        arguments_digest: call.arguments.digest(),
        parent: None,
        host: None,
    })
}

pub(super) fn closed(call: &Call, cost: u64) -> Closed {
    Closed {
        call: call.id,
        ending: Ending { outcome: "ok".to_owned(), detail: None },
        cost: Cost(cost),
        tokens: 0,
        used: Cost(cost).into(),
        millis: 3,
        notes: Vec::new(),
    }
}

pub(super) fn answer(place: &Place, by: &str, verdict: Verdict) -> Answer {
    answer_at(place.now(), by, verdict)
}

pub(super) fn answer_at(at: Timestamp, by: &str, verdict: Verdict) -> Answer {
    Answer {
        by: by.to_owned(),
        acts_for: vec![],
        roles: ["payer".to_owned()].into(),
        verdict,
        roles_from: RolesFrom::Token,
        limits: AnswerLimits::default(),
        comment: "as agreed".to_owned(),
        at,
    }
}

/// Every record of the trail, in its order.
pub(super) async fn records(state: &State) -> Vec<serde_json::Value> {
    let links = state.links(LinkFilter::default()).await.unwrap();
    links.iter().map(|link| serde_json::from_str(&link.record).unwrap()).collect()
}

/// The first place where the chain is broken, and what is wrong there.
pub(super) async fn fault(state: &State) -> Option<(u64, String)> {
    let verified = state.verify(&mut |_, _| ()).await.unwrap();
    verified.fault.map(|fault| (fault.sequence, fault.what))
}
