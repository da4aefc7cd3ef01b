//! What every implementation of the ports does, whatever it keeps them in.
//!
//! One suite, over anything that makes states: another database is one more [`Maker`] and one more line at the
//! end. What is only SQLite's (files, modes, rows that somebody changed) stands beside this, each in its file.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use toolward_gate::{
    AcceptanceBook, Adjustment, Amount, ApiKey, ApiKeys, ApprovalBook, ApprovalState, AuditLog,
    BudgetLedger, BudgetLimit, Call, CallId, Change, Clock, Closed, Cost, CredentialGrant,
    DecideError, Definition, Denial, DenialTarget, DenyList, Digest, Expected, Filing, Gate,
    GrantBook, KeyChange, KeyQuota, KeySpace, KeyValues, Kind, Ownership, RateLimit, Record,
    Refusal, Reservation, ReserveError, Switch, SwitchFeed, SwitchTarget, Switchboard, Tally,
    Usage, Verdict,
};

use super::{
    approvals::question,
    limits::{budgets, of},
    spending::{Asks, terms},
    support::{Place, SetClock, answer_at, call, call_with, closed, opened, records},
};
use crate::State;

/// Everything that a host asks of what remembers for it.
trait Ports:
    AuditLog
    + BudgetLedger
    + ApprovalBook
    + SwitchFeed
    + DenyList
    + ApiKeys
    + KeyValues
    + GrantBook
    + AcceptanceBook
    + Clone
    + Send
    + Sync
    + 'static
{
}
impl<T> Ports for T where
    T: AuditLog
        + BudgetLedger
        + ApprovalBook
        + SwitchFeed
        + DenyList
        + ApiKeys
        + KeyValues
        + GrantBook
        + AcceptanceBook
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Makes hosts that remember the same, on one clock.
#[async_trait]
trait Maker: Sync {
    type Ports: Ports;
    fn new() -> Self;
    fn clock(&self) -> Arc<SetClock>;
    /// One more host.
    async fn host(&self) -> Self::Ports;
    /// Every record, in the order of the chain.
    async fn records(&self, host: &Self::Ports) -> Vec<Value>;
    /// Whether the chain is whole.
    async fn holds(&self, host: &Self::Ports) -> bool;
}

struct Sqlite(Place);

#[async_trait]
impl Maker for Sqlite {
    type Ports = State;
    fn new() -> Self {
        Self(Place::new())
    }
    fn clock(&self) -> Arc<SetClock> {
        self.0.clock.clone()
    }
    async fn host(&self) -> State {
        self.0.open().await
    }
    async fn records(&self, host: &State) -> Vec<Value> {
        records(host).await
    }
    async fn holds(&self, host: &State) -> bool {
        host.verify(&mut |_, _| ()).await.unwrap().holds()
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// What one call asks of the ledger, under these limits.
async fn reserve<P: Ports>(
    clock: &SetClock,
    host: &P,
    call: &Call,
    (calls, cost): (u32, u64),
) -> Result<(), ReserveError> {
    let now = clock.now();
    host.reserve(Reservation {
        call,
        usage: Usage { cost: Cost(1), tokens: 0, ..Usage::default() }.into(),
        spent: Tally::default(),
        rates: &[RateLimit::new(calls, HOUR)],
        budgets: &[BudgetLimit::new(Amount::Cost(Cost(cost)), HOUR)],
        approval: None,
        now,
        expires_at: now.checked_add(HOUR).unwrap(),
    })
    .await
}

/// A gate that asks a person about every call.
async fn gate<P: Ports>(host: P, clock: Arc<SetClock>) -> Gate {
    let host = Arc::new(host);
    let switches = Arc::new(Switchboard::follow(host.clone()).await.unwrap());
    let policy = Arc::new(Asks(terms(100)));
    Gate {
        policy,
        approvals: host.clone(),
        budgets: host,
        switches,
        ownership: Ownership::open(),
        clock,
    }
}

async fn records_of_all_hosts_are_one_chain_without_gaps<M: Maker>(maker: M) {
    let hosts = [maker.host().await, maker.host().await, maker.host().await];
    let writers = (0..60).map(|number| {
        let host = hosts[number % 3].clone();
        tokio::spawn(async move {
            let call = call("robo");
            host.append(&opened(&call)).await.unwrap();
            host.close(closed(&call, 0)).await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let all = maker.records(&hosts[0]).await;
    assert_eq!(all.len(), 120);
    for (place, closed) in all.iter().enumerate().filter(|(_, one)| one["record"] == "closed") {
        let before = |one: &Value| one["record"] == "opened" && one["call"] == closed["call"];
        assert!(all[..place].iter().any(before), "a call is opened before it is closed");
    }
    assert!(maker.holds(&hosts[1]).await);
}

async fn a_change_is_on_record_as_it_was_said<M: Maker>(maker: M) {
    let host = maker.host().await;
    let text = |text: &str| text.to_owned();
    let (by, action) = (text("ana\n\u{1b}"), text("tool-add"));
    host.append(&Record::Changed(Change {
        by,
        action,
        subject: text("shop"),
        reason: text("new"),
    }))
    .await
    .unwrap();
    let all = maker.records(&host).await;
    assert_eq!(
        (all[0]["by"].as_str(), all[0]["reason"].as_str()),
        (Some("ana\n\u{1b}"), Some("new"))
    );
    assert!(maker.holds(&host).await);
}

async fn a_budget_is_never_over_admitted_by_many_on_several_hosts<M: Maker>(maker: M) {
    let hosts = [maker.host().await, maker.host().await];
    let clock = maker.clock();
    let attempts = (0..100).map(|number| {
        let (host, clock) = (hosts[number % 2].clone(), clock.clone());
        tokio::spawn(async move {
            match reserve(&clock, &host, &call("robo"), (1000, 17)).await {
                Ok(()) => true,
                Err(ReserveError::Refused(Refusal::OverBudget)) => false,
                Err(error) => panic!("{error}"),
            }
        })
    });
    let mut admitted = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        admitted += usize::from(attempt.await.unwrap());
    }
    assert_eq!(admitted, 17);
    let all = maker.records(&hosts[0]).await;
    assert_eq!(all.len(), 17, "an admission is on record, and a refusal leaves nothing behind");
    clock.pass(HOUR);
    assert!(reserve(&clock, &hosts[1], &call("robo"), (1000, 17)).await.is_ok());
}

async fn a_rate_counts_every_call_and_opens_with_its_window<M: Maker>(maker: M) {
    let (host, clock) = (maker.host().await, maker.clock());
    for _ in 0..3 {
        reserve(&clock, &host, &call("robo"), (3, 1000)).await.unwrap();
    }
    let over = reserve(&clock, &host, &call("robo"), (3, 1000)).await;
    assert!(matches!(over, Err(ReserveError::Refused(Refusal::OverRate { calls: 3, .. }))));
    reserve(&clock, &host, &call("rita"), (3, 1000)).await.unwrap();
    clock.pass(HOUR);
    reserve(&clock, &host, &call("robo"), (3, 1000)).await.unwrap();
    clock.step_back(HOUR);
    clock.step_back(HOUR);
    let back = reserve(&clock, &host, &call("robo"), (1, 1000)).await;
    assert!(back.is_err(), "a clock that is set back opens no window");
}

async fn what_was_set_aside_and_not_used_comes_back_with_the_end_of_the_call<M: Maker>(maker: M) {
    let (host, clock) = (maker.host().await, maker.clock());
    let first = call("robo");
    reserve(&clock, &host, &first, (100, 1)).await.unwrap();
    assert!(reserve(&clock, &host, &call("robo"), (100, 1)).await.is_err());
    host.close(closed(&first, 0)).await.unwrap();
    reserve(&clock, &host, &call("robo"), (100, 1)).await.unwrap();
}

async fn one_yes_is_one_run_on_whichever_host<M: Maker>(maker: M) {
    let hosts = [maker.host().await, maker.host().await];
    let clock = maker.clock();
    let filing = Filing::new(&call("robo"), &question(1), clock.now()).unwrap();
    let id = hosts[0].file(&filing).await.unwrap();
    assert_eq!(hosts[1].file(&filing).await.unwrap(), id, "the same call is one question");
    let own = hosts[1].decide(id, answer_at(clock.now(), "robo", Verdict::Approve)).await;
    assert!(matches!(own, Err(DecideError::OwnCall(_))));
    hosts[1].decide(id, answer_at(clock.now(), "ana", Verdict::Approve)).await.unwrap();
    let attempts = (0..16).map(|number| {
        let (host, clock) = (hosts[number % 2].clone(), clock.clone());
        tokio::spawn(async move {
            let gate = gate(host, clock).await;
            match gate.settle(call("robo")).await {
                Ok(settled) => gate.admit(settled).await.is_ok(),
                Err(_) => false,
            }
        })
    });
    let mut ran = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        ran += usize::from(attempt.await.unwrap());
    }
    assert_eq!(ran, 1);
    let spent = hosts[1].show(id).await.unwrap().unwrap();
    assert_eq!(spent.state, ApprovalState::Spent);
    let admitted = maker.records(&hosts[0]).await;
    let with_it = admitted.iter().filter(|one| one["approval"] == id.to_string().as_str());
    assert_eq!(with_it.count(), 1, "the record of the admission names the yes");
}

async fn a_question_expires_and_a_no_stands_until_it_does<M: Maker>(maker: M) {
    let (host, clock) = (maker.host().await, maker.clock());
    let file = async || {
        let filing = Filing::new(&call("robo"), &question(1), clock.now()).unwrap();
        host.file(&filing).await.unwrap()
    };
    let denied = file().await;
    host.decide(denied, answer_at(clock.now(), "ana", Verdict::Deny)).await.unwrap();
    assert_eq!(file().await, denied);
    clock.pass(HOUR);
    let anew = file().await;
    assert_ne!(anew, denied);
    clock.pass(HOUR);
    let late = host.decide(anew, answer_at(clock.now(), "ana", Verdict::Approve)).await;
    assert!(matches!(late, Err(DecideError::NotOpen { .. })));
}

async fn a_switch_holds_on_every_host_until_it_is_lifted_or_over<M: Maker>(maker: M) {
    let (here, there, clock) = (maker.host().await, maker.host().await, maker.clock());
    let switch = |expires_at| Switch {
        target: SwitchTarget::Everything,
        reason: "a test".to_owned(),
        by: "ana".to_owned(),
        since: clock.now(),
        expires_at,
    };
    here.throw(switch(None)).await.unwrap();
    assert_eq!(there.read().await.unwrap().thrown.len(), 1);
    assert_eq!(
        maker.host().await.read().await.unwrap().thrown.len(),
        1,
        "also one that starts now"
    );
    assert!(there.lift(&SwitchTarget::Everything, "ben", "over").await.unwrap());
    assert!(!here.lift(&SwitchTarget::Everything, "ben", "over").await.unwrap());
    here.throw(switch(Some(clock.now().checked_add(HOUR).unwrap()))).await.unwrap();
    clock.pass(HOUR);
    assert!(there.read().await.unwrap().thrown.is_empty());
    let actions: Vec<Value> =
        maker.records(&here).await.into_iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["kill-on", "kill-off", "kill-on"]);
}

async fn a_value_changes_only_from_what_was_expected_and_within_its_quota<M: Maker>(maker: M) {
    let (here, there) = (maker.host().await, maker.host().await);
    let name = "shop:notes:write".parse().unwrap();
    let (mine, other) = (KeySpace::of(&call("robo"), &name), KeySpace::of(&call("rita"), &name));
    let quota = KeyQuota { entries: 2, bytes: 20 };
    let change = async |expected: Expected<'_>, key: &str, value: Option<&[u8]>| {
        here.change(&mine, key, expected, value, quota).await.unwrap()
    };
    assert!(matches!(change(Expected::Nothing, "a", Some(b"1")).await, KeyChange::Done));
    assert!(matches!(change(Expected::Nothing, "a", Some(b"2")).await, KeyChange::Unexpected));
    assert!(matches!(change(Expected::Value(b"1"), "a", Some(b"2")).await, KeyChange::Done));
    assert!(matches!(change(Expected::Anything, "b", Some(&[0; 30])).await, KeyChange::OverQuota));
    assert_eq!(there.get(&mine, "a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(there.get(&mine, "b").await.unwrap(), None, "over its quota, nothing is kept");
    assert_eq!(
        there.get(&other, "a").await.unwrap(),
        None,
        "another caller has a space of its own"
    );
    assert!(matches!(change(Expected::Something, "a", None).await, KeyChange::Done));
    assert!(there.keys(&mine, "", None, 10).await.unwrap().is_empty());
}

async fn one_who_waits_for_an_answer_hears_it_from_another_host<M: Maker>(maker: M) {
    let (here, there, clock) = (maker.host().await, maker.host().await, maker.clock());
    let filing =
        Filing::new(&call_with("robo", r#"{"amount":7}"#), &question(1), clock.now()).unwrap();
    let id = here.file(&filing).await.unwrap();
    let waits = tokio::spawn(async move { here.wait(id, Duration::from_secs(60)).await.unwrap() });
    there.decide(id, answer_at(clock.now(), "ana", Verdict::Approve)).await.unwrap();
    assert_eq!(waits.await.unwrap().state, ApprovalState::Approved);
}

/// Reserves so much, of which so much counts at once.
async fn set_aside<P: Ports>(
    clock: &SetClock,
    host: &P,
    call: &Call,
    budgets: &[BudgetLimit],
    (usage, spent): (Tally, Tally),
) -> Result<(), ReserveError> {
    let now = clock.now();
    let expires_at = now.checked_add(Duration::from_secs(60)).unwrap();
    let (rates, approval) = (&[][..], None);
    host.reserve(Reservation { call, usage, spent, rates, budgets, approval, now, expires_at })
        .await
}

async fn a_budget_of_every_kind_is_one_on_all_hosts<M: Maker>(maker: M) {
    let hosts = [maker.host().await, maker.host().await];
    let clock = maker.clock();
    let used = Usage { cost: Cost(2), tokens: 2, requests: 2, bytes: 2 };
    for window in ["minute", "hour", "day", "month", "total"] {
        for unit in ["usd:0.000005", "tokens:5", "requests:5", "bytes:5"] {
            for of_whom in ["", " of shop", " by principal", " of shop by tool"] {
                let budgets = budgets(&format!("{unit}/{window}{of_whom}"));
                let mut call = call(&format!("{unit}/{window}{of_whom}"));
                call.tool.name = format!("t{}", uuid::Uuid::new_v4().simple()).parse().unwrap();
                for host in &hosts {
                    call.id = CallId::generate();
                    let asks = (of("shop", used), Tally::default());
                    set_aside(&clock, host, &call, &budgets, asks).await.unwrap();
                    host.close(Closed { used: of("shop", used), ..closed(&call, 0) })
                        .await
                        .unwrap();
                }
                call.id = CallId::generate();
                let asks = (of("shop", used), Tally::default());
                let third = set_aside(&clock, &hosts[0], &call, &budgets, asks).await;
                assert!(
                    matches!(third, Err(ReserveError::Refused(Refusal::OverBudget))),
                    "{unit}/{window}{of_whom}: {third:?}"
                );
                let here =
                    hosts[1].standings(Some(call.principal.id()), clock.now()).await.unwrap();
                assert_eq!((here[0].used, here[0].left), (4, 1), "{here:?}");
                assert_eq!(here[0].resets_at.is_none(), window == "total");
            }
        }
    }
}

async fn a_running_call_sets_more_aside_and_what_it_spent_outlives_its_host<M: Maker>(maker: M) {
    let (host, clock) = (maker.host().await, maker.clock());
    let (ten, call) = (budgets("requests:10/day"), call("robo"));
    let requests = |requests| of("shop", Usage { requests, ..Usage::default() });
    set_aside(&clock, &host, &call, &ten, (requests(1), Tally::default())).await.unwrap();
    let more = async |usage: u64, spent: u64| {
        let (usage, spent) = (requests(usage), requests(spent));
        let (call, budgets, behalf, now) = (call.id, &ten[..], &[][..], clock.now());
        host.adjust(Adjustment { call, usage, spent, budgets, behalf, now }).await
    };
    more(9, 4).await.unwrap();
    assert!(matches!(more(11, 4).await, Err(ReserveError::Refused(Refusal::OverBudget))));
    let another = maker.host().await;
    let beside = super::support::call("robo");
    let asks = || (requests(2), Tally::default());
    assert!(set_aside(&clock, &another, &beside, &ten, asks()).await.is_err());
    clock.pass(Duration::from_secs(61));
    set_aside(&clock, &another, &beside, &ten, asks()).await.unwrap();
    let shown = another.standings(Some("robo"), clock.now()).await.unwrap();
    assert_eq!((shown[0].used, shown[0].reserved, shown[0].left), (4, 2, 4));
}

async fn a_grant_holds_on_every_host_until_it_ends_or_is_taken_back<M: Maker>(maker: M) {
    let (here, there, clock) = (maker.host().await, maker.host().await, maker.clock());
    let grant = |to: &str, tool: Option<&str>| CredentialGrant {
        credential: "stripe".parse().unwrap(),
        to: to.parse().unwrap(),
        tool: tool.map(|tool| tool.parse().unwrap()),
        by: "ana".to_owned(),
        reason: "March".to_owned(),
        since: clock.now(),
        ends_at: clock.now().checked_add(HOUR).unwrap(),
    };
    here.grant(grant("role:payer", None)).await.unwrap();
    here.grant(grant("role:payer", Some("charge"))).await.unwrap();
    assert_eq!(there.grants(None).await.unwrap().len(), 2);
    assert_eq!(there.grants(Some(&"github".parse().unwrap())).await.unwrap(), []);
    clock.pass(Duration::from_secs(1800));
    let longer = grant("role:payer", None);
    there.grant(longer.clone()).await.unwrap();
    clock.pass(Duration::from_secs(1800));
    assert_eq!(
        here.grants(None).await.unwrap(),
        std::slice::from_ref(&longer),
        "the other one has ended"
    );
    let (credential, to) = (&longer.credential, &longer.to);
    let with = "charge".parse().unwrap();
    assert!(!there.revoke(credential, to, Some(&with), "ben", "over").await.unwrap());
    assert!(there.revoke(credential, to, None, "ben", "over").await.unwrap());
    assert!(!here.revoke(credential, to, None, "ben", "over").await.unwrap());
    assert!(here.grants(None).await.unwrap().is_empty());
    let records = maker.records(&here).await;
    let said = |one: &Value| (one["action"].clone(), one["by"].clone());
    let actions: Vec<_> = records.iter().map(said).collect();
    let granted = (Value::from("credential-grant"), Value::from("ana"));
    let revoked = (Value::from("credential-revoke"), Value::from("ben"));
    assert_eq!(actions, [granted.clone(), granted.clone(), granted, revoked]);
    assert!(records[0]["subject"].as_str().unwrap().starts_with("stripe to role:payer until "));
}

async fn what_is_denied_is_denied_on_every_host<M: Maker>(maker: M) {
    let (clock, here, there) = (maker.clock(), maker.host().await, maker.host().await);
    let since = clock.now();
    let target = DenialTarget::Issuer { issuer: "https://login.example.com".to_owned() };
    let (reason, by) = ("it was broken into".to_owned(), "ana".to_owned());
    let denial = Denial { target: target.clone(), reason, by, since, expires_at: None };
    here.deny(denial.clone()).await.unwrap();
    assert_eq!(there.denials().await.unwrap().all(), [denial]);
    assert_eq!(there.read().await.unwrap().denials.all().len(), 1);
    assert!(there.allow(&target, "ben", "it is mended").await.unwrap());
    assert!(here.denials().await.unwrap().all().is_empty());
    assert!(!here.allow(&target, "ben", "again").await.unwrap());
    let hash = Digest::of(b"a key");
    let key = ApiKey {
        id: "k1".to_owned(),
        hash: Some(hash),
        principal: "robo".to_owned(),
        kind: Kind::Service,
        roles: [].into(),
        scope: None,
        by: "ana".to_owned(),
        created_at: since,
        ends_at: since.checked_add(HOUR).unwrap(),
        revoked_at: None,
    };
    here.add_api_key(&key).await.unwrap();
    assert_eq!(there.api_key("k1").await.unwrap(), Some(key));
    assert!(there.revoke_api_key("k1", "ben", "it leaked").await.unwrap());
    assert!(here.api_key("k1").await.unwrap().unwrap().revoked_at.is_some());
    assert_eq!(here.denials().await.unwrap().all().len(), 1);
    assert!(maker.holds(&here).await);
}

fn definition(tool: &str, bytes: &str) -> Definition {
    let shown = serde_json::json!({ "description": bytes });
    Definition {
        tool: tool.parse().unwrap(),
        component: "teller".parse().unwrap(),
        digest: Digest::of(bytes.as_bytes()),
        shown: shown.as_object().unwrap().clone(),
    }
}

async fn what_is_accepted_is_accepted_on_every_host_and_on_record_once<M: Maker>(maker: M) {
    let (clock, here, there) = (maker.clock(), maker.host().await, maker.host().await);
    let (say, count) = (definition("say", "one"), definition("count", "one"));
    here.accept_first(&[say.clone(), count.clone()], "host").await.unwrap();
    // Whoever comes second finds that it was accepted.
    let other = definition("say", "two");
    there.accept_first(&[other.clone(), count], "host").await.unwrap();
    let known = there.acceptances().await.unwrap();
    assert_eq!(known.accepted.len(), 2);
    assert_eq!(known.accepted[&say.tool].definition, say);
    assert_eq!(known.accepted[&say.tool].at, clock.now());
    assert!(known.kept_back.is_empty());
    for host in [&here, &there, &here] {
        host.keep_back(&other, "its description is another one").await.unwrap();
    }
    assert_eq!(there.acceptances().await.unwrap().kept_back[&say.tool].definition, other);
    there.accept(&other, "ana", "looked at it").await.unwrap();
    let known = here.acceptances().await.unwrap();
    assert_eq!(
        (&known.accepted[&say.tool].definition, known.accepted[&say.tool].by.as_str()),
        (&other, "ana")
    );
    assert!(known.kept_back.is_empty());
    here.keep_back(&say, "the one before came back").await.unwrap();
    here.release(&say.tool).await.unwrap();
    assert!(there.acceptances().await.unwrap().kept_back.is_empty());
    let records = maker.records(&here).await;
    let said = |one: &Value| (one["action"].clone(), one["by"].clone());
    let actions: Vec<_> = records.iter().map(said).collect();
    let said = |action: &str, by: &str| (Value::from(action), Value::from(by));
    let kept = said("tool-kept-back", "host");
    assert_eq!(
        actions,
        [said("tool-accept", "host"), kept.clone(), said("tool-accept", "ana"), kept]
    );
    assert!(records[0]["reason"].as_str().unwrap().ends_with("say, count"));
    assert!(maker.holds(&here).await);
}

/// The suite, for one maker.
macro_rules! contract {
    ($module:ident, $maker:ty, $($test:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test::<$maker>(super::Maker::new()).await;
                }
            )*
        }
    };
}

/// Every test of the suite, named once.
macro_rules! all_of {
    ($module:ident, $maker:ty) => {
        contract!(
            $module,
            $maker,
            records_of_all_hosts_are_one_chain_without_gaps,
            a_change_is_on_record_as_it_was_said,
            a_budget_is_never_over_admitted_by_many_on_several_hosts,
            a_rate_counts_every_call_and_opens_with_its_window,
            what_was_set_aside_and_not_used_comes_back_with_the_end_of_the_call,
            a_budget_of_every_kind_is_one_on_all_hosts,
            a_running_call_sets_more_aside_and_what_it_spent_outlives_its_host,
            a_grant_holds_on_every_host_until_it_ends_or_is_taken_back,
            one_yes_is_one_run_on_whichever_host,
            a_question_expires_and_a_no_stands_until_it_does,
            a_switch_holds_on_every_host_until_it_is_lifted_or_over,
            what_is_denied_is_denied_on_every_host,
            what_is_accepted_is_accepted_on_every_host_and_on_record_once,
            a_value_changes_only_from_what_was_expected_and_within_its_quota,
            one_who_waits_for_an_answer_hears_it_from_another_host,
        );
    };
}

all_of!(sqlite, super::Sqlite);
