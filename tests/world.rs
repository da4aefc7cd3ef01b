//! A whole host for one test: real policies, real SQLite, a real vault and sandbox, and a shop on loopback.
mod alone;
mod guests;
mod parts;
mod redact;
mod setting;
mod spans;
mod upstream;

pub(crate) use alone::{alone, is_alone};
pub(crate) use guests::{Guest, PlainGuest};
pub(crate) use parts::{log, spans};
pub(crate) use redact::redacted;
pub(crate) use setting::{BROKER, STORE, Setting, agent, person};
pub(crate) use upstream::{ECHOES, MARKER, Upstream, within};

use std::{fs, sync::Arc};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::sync::mpsc;
use toolward::host::Host;
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, Call, Clock as _, DecideError, Digest,
    Principal, ProgressSink, Request, RolesFrom, Said, Stop, Switch, SwitchFeed as _, SwitchTarget,
    Verdict,
};
use toolward_sandbox::Output;
use toolward_state::{LinkFilter, State, Verified};

use parts::{Announcing, MovedClock};

/// A host, what stands around it, and the means to look at both.
pub(crate) struct World {
    pub(crate) host: Arc<Host>,
    pub(crate) state: State,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) agent: Principal,
    token: String,
    closings: Arc<Announcing>,
    switches: State,
    setting: Setting,
    directory: TempDir,
}

impl World {
    /// The probe under the usual policies.
    pub(crate) async fn new() -> Self {
        Setting::default().world().await
    }

    /// The value that must not be seen.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A call as a door reads it. Fails the test where the arguments do not fit the tool.
    pub(crate) fn read(&self, tool: &str, arguments: &Value) -> Call {
        self.read_for(&self.agent, tool, arguments, ProgressSink::default())
    }

    /// As [`World::read`], for a caller who listens.
    pub(crate) fn read_heard(&self, tool: &str, arguments: &Value, to: ProgressSink) -> Call {
        self.read_for(&self.agent, tool, arguments, to)
    }

    fn read_for(&self, by: &Principal, tool: &str, arguments: &Value, to: ProgressSink) -> Call {
        self.host.tools.read(by, "test", tool, &arguments.to_string(), to).unwrap()
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Output, Stop> {
        self.host.perform(self.read(tool, &arguments)).await
    }

    pub(crate) async fn call_as(
        &self,
        by: &Principal,
        tool: &str,
        arguments: Value,
    ) -> Result<Output, Stop> {
        self.host.perform(self.read_for(by, tool, &arguments, ProgressSink::default())).await
    }

    /// A call whose caller listens to its progress.
    pub(crate) async fn call_heard(
        &self,
        tool: &str,
        arguments: Value,
        to: mpsc::Sender<Said>,
    ) -> Result<Output, Stop> {
        let call = self.read_for(&self.agent, tool, &arguments, ProgressSink::to(to));
        self.host.perform(call).await
    }

    /// One GET of the tool that sends whatever it is told to.
    pub(crate) async fn fetch(&self, target: &str) -> Result<Output, Stop> {
        self.call("fetch", json!({ "method": "GET", "target": target })).await
    }

    /// Takes one person's yes or no.
    pub(crate) async fn decide(
        &self,
        id: ApprovalId,
        (by, role): (&str, &str),
        verdict: Verdict,
    ) -> Result<Request, DecideError> {
        let (by, roles, at) = (by.to_owned(), [role.to_owned()].into(), self.clock.now());
        let comment = "checked against the invoice".to_owned();
        let (acts_for, limits) = (vec![], AnswerLimits::default());
        let roles_from = RolesFrom::Token;
        let answer = Answer { by, acts_for, roles, roles_from, verdict, limits, comment, at };
        self.state.decide(id, answer).await
    }

    /// As another program does: the host hears of it a little later.
    pub(crate) async fn throw(&self, target: SwitchTarget) {
        self.state.throw(self.switch(target)).await.unwrap();
    }

    /// As the host itself does: it is known when this returns.
    pub(crate) async fn throw_here(&self, target: SwitchTarget) {
        self.host.gate.switches.throw(self.switch(target)).await.unwrap();
    }

    fn switch(&self, target: SwitchTarget) -> Switch {
        let (reason, by) = ("the shop reports a leak".to_owned(), "ana".to_owned());
        Switch { target, reason, by, since: self.clock.now(), expires_at: None }
    }

    /// What tools of this world do under a capability: what is suspended after three responses with a credential.
    pub(crate) fn uses(&self, capability: &str) -> Vec<SwitchTarget> {
        let target = |guest: &Guest| SwitchTarget::Use {
            digest: Digest::of(guest.component()),
            capability: capability.parse().unwrap(),
        };
        self.setting.guests.iter().map(target).collect()
    }

    /// Forgets the responses that held a credential until now.
    pub(crate) async fn forgive(&self, capability: &str) {
        for target in self.uses(capability) {
            self.state.lift(&target, "ana", "a test goes on").await.unwrap();
        }
    }

    /// From now on the host cannot read its switches.
    pub(crate) async fn lose_switches(&self) {
        self.switches.clone().shut().await;
    }

    /// Everything on record, in order.
    pub(crate) async fn trail(&self) -> Vec<Value> {
        let links = self.state.links(LinkFilter::default()).await.unwrap();
        links.iter().map(|link| serde_json::from_str(&link.record).unwrap()).collect()
    }

    /// The opening and the closing record of the last call.
    pub(crate) async fn last_entry(&self) -> (Value, Value) {
        let trail = self.trail().await;
        let closed = trail.iter().rfind(|one| one["record"] == "closed").unwrap().clone();
        let of_call = |one: &&Value| one["record"] == "opened" && one["call"] == closed["call"];
        (trail.iter().find(of_call).unwrap().clone(), closed)
    }

    pub(crate) async fn verified(&self) -> Verified {
        self.state.verify(&mut |_, _| {}).await.unwrap()
    }

    /// How many calls hold something of their budgets.
    pub(crate) async fn set_aside(&self) -> i64 {
        let path = self.directory.path().join("toolward.db");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.connect().await.unwrap();
        let held = "SELECT count(*) FROM uses WHERE settled = 0 AND provider = '' AND own = 1";
        let held = sqlx::query_scalar(held).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        held
    }

    /// Waits until one more entry is closed than before the last wait.
    pub(crate) async fn until_closed(&self) {
        within(self.closings.closed()).await;
    }

    /// The same directory under a host that starts anew, as after a crash: nothing is shut down in order.
    pub(crate) async fn restarted(self) -> Self {
        let Self { host, state, upstream, clock, token, closings, setting, directory, .. } = self;
        drop((host, closings));
        state.shut().await;
        parts::assemble(setting, directory, upstream, clock, token).await
    }

    /// As [`World::restarted`], with one more policy.
    pub(crate) async fn restarted_under(mut self, policy: &str) -> Self {
        self.setting = self.setting.policy(policy);
        self.restarted().await
    }

    /// A copy of the database, in which bytes were changed as somebody with access to the disk would.
    pub(crate) async fn tampered(&self, from: &str, to: &str) -> Verified {
        let path = self.directory.path().join("copy").join("toolward.db");
        self.state.backup(&path).await.unwrap();
        let bytes = fs::read(&path).unwrap();
        let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let (head, tail) = bytes.split_at(place);
        fs::write(&path, [head, to.as_bytes(), &tail[from.len()..]].concat()).unwrap();
        let copy = State::open(&path, self.clock.clone()).await.unwrap();
        copy.verify(&mut |_, _| {}).await.unwrap()
    }

    /// Every byte that this host keeps on disk.
    pub(crate) fn disk_bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(self.directory.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| fs::read(path).unwrap()).collect()
    }
}
