//! A life ends with whatever ends first. Time is moved.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Instant, advance};

use super::super::Life;
use super::*;
use crate::{
    Approvers, Arguments, Basis, Call, CallId, Capabilities, Clock, Cost, CredentialName, Digest,
    EgressTerms, Identity, Kind, Notes, Principal, ProgressSink, Question, Recording, Risk,
    SandboxTerms, SourceFile, Terms, ToolRef,
};

pub(super) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }
}

fn after(seconds: u64) -> Timestamp {
    Noon.now().checked_add(Duration::from_secs(seconds)).unwrap()
}

const CAPABILITIES: &str = r#"
[capability."shop:orders:write"]
description = "An order."
interface = "http"
destination = "https://shop.example.com"
methods = ["POST"]
paths = ["/orders"]
credential = "shop"
inject = { header = "authorization", as = "bearer" }
risk = "low"
"#;

pub(super) fn call(ends_at: Option<Timestamp>) -> Call {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: vec!["bea".to_owned()],
        scope: None,
        ends_at,
    };
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: "order".parse().unwrap(),
            component: "till".parse().unwrap(),
            digest: Digest::of(b"till"),
            wants: [].into(),
        },
        arguments: Arguments::from_value(json!({})).unwrap(),
        door: "test",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

/// Terms for so many seconds, with or without the capability that uses the credential `shop`.
pub(super) fn terms(seconds: u64, uses: bool) -> Terms {
    let file = SourceFile::new("capabilities.toml", CAPABILITIES);
    let capabilities = Capabilities::parse(&file, &["http"]).unwrap();
    let name = "shop:orders:write".parse().unwrap();
    let scope = capabilities.find(&name).unwrap().http.clone().unwrap();
    Terms {
        time: Duration::from_secs(seconds),
        cost: Cost(0).into(),
        rates: Vec::new(),
        budgets: Vec::new(),
        egress: EgressTerms { http: uses.then_some((name, scope)).into_iter().collect() },
        sandbox: SandboxTerms::default(),
        recording: Recording::Digest,
        basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

/// A board on which the credential ends so many seconds after noon.
async fn board(credential: Option<u64>) -> Switchboard {
    let ends = credential.map(|seconds| (shop(), after(seconds)));
    let board = Switchboard::follow(Arc::new(Feed::default())).await.unwrap();
    board.ending(ends.into_iter().collect())
}

fn shop() -> CredentialName {
    "shop".parse().unwrap()
}

async fn ended(life: &Life) -> (u64, Cause) {
    let begun = Instant::now();
    let cause = life.end().await;
    assert_eq!(life.check(), Err(cause.clone()));
    // Timers go off within the millisecond after.
    ((begun.elapsed() + Duration::from_millis(5)).as_secs(), cause)
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_a_credential_that_it_may_use_and_not_with_one_that_it_may_not() {
    let board = board(Some(20)).await;
    let life = board.watch(&call(None), &terms(60, true), &Noon);
    life.check().unwrap();
    assert_eq!(life.remaining(), Duration::from_secs(20));
    assert_eq!(ended(&life).await, (20, Cause::CredentialEnded(shop())));
    let without = board.watch(&call(None), &terms(60, false), &Noon);
    assert_eq!(ended(&without).await, (60, Cause::TimeOver));
    // The clock of this test stands: one that has ended starts nothing.
    let over = self::board(Some(0)).await.watch(&call(None), &terms(60, true), &Noon);
    assert_eq!(over.check(), Err(Cause::CredentialEnded(shop())));
    assert_eq!(over.bound(async { "done" }).await, Err(Cause::CredentialEnded(shop())));
    without.check().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_with_the_value_that_it_uses_and_its_call_goes_on() {
    let board = board(None).await;
    let life = board.watch(&call(None), &terms(60, true), &Noon);
    let soon = Instant::now() + Duration::from_secs(5);
    let request = life.while_good(&shop(), soon);
    assert_eq!(ended(&request).await, (5, Cause::CredentialEnded(shop())));
    life.check().unwrap();
    let late = life.while_good(&shop(), soon + Duration::from_secs(3600));
    assert_eq!(late.remaining(), life.remaining(), "it is not made longer");
}

#[tokio::test(start_paused = true)]
async fn a_call_for_another_one_ends_with_whatever_ends_that_one() {
    let board = board(Some(20)).await;
    let above = board.watch(&call(None), &terms(60, true), &Noon);
    let below = board.watch(&call(None), &terms(60, false), &Noon).within(&above);
    let alone = board.watch(&call(None), &terms(60, false), &Noon);
    assert_eq!(ended(&below).await, (20, Cause::CredentialEnded(shop())));
    alone.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_what_ends_a_call_at_one_moment_its_own_time_is_told_first() {
    let board = board(Some(20)).await;
    let all = board.watch(&call(Some(after(20))), &terms(20, true), &Noon);
    let untimed = board.watch(&call(Some(after(20))), &terms(60, true), &Noon);
    let below = board.watch(&call(None), &terms(20, false), &Noon).within(&untimed);
    assert_eq!(ended(&all).await, (20, Cause::TimeOver));
    assert_eq!(untimed.check(), Err(Cause::CredentialEnded(shop())));
    assert_eq!(below.check(), Err(Cause::TimeOver));
}

/// What is asked about a call that may use a capability of the shop.
fn question() -> Question {
    Question {
        risk: Risk::High,
        approvers: Approvers { count: 1, roles: [].into() },
        patience: Duration::from_secs(50),
        expires_in: Duration::from_secs(900),
        capabilities: vec!["shop:orders:write".parse().unwrap()],
        policy_version: Digest::ZERO,
    }
}

/// H-17: while a person is asked.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_person_waits_no_longer_than_switches_and_token_allow() {
    for target in ["everything", "tool order", "provider shop", "principal bea"] {
        let board = board(None).await;
        let life = board.attend(&call(None), &question(), &Noon);
        life.check().unwrap();
        board.throw(named("tool refund")).await.unwrap();
        life.check().unwrap();
        board.throw(named(target)).await.unwrap();
        assert_eq!(life.end().await, Cause::SwitchThrown(target.parse().unwrap()));
    }
    let board = board(None).await;
    let life = board.attend(&call(Some(after(10))), &question(), &Noon);
    assert_eq!(ended(&life).await, (10, Cause::IdentityEnded));
    let patient = board.attend(&call(None), &question(), &Noon);
    advance(question().patience).await;
    patient.check().expect("the book says first that nobody came");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The naive model: the least of three numbers.
    #[test]
    fn whichever_ends_first_ends_the_call(
        time in 1_u64..1000,
        token in proptest::option::of(0_u64..1000),
        credential in proptest::option::of(0_u64..1000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (at, cause) = runtime.block_on(async {
            let board = board(credential).await;
            ended(&board.watch(&call(token.map(after)), &terms(time, true), &Noon)).await
        });
        let ends = [Some(time), token, credential];
        prop_assert_eq!(Some(at), ends.iter().flatten().min().copied());
        let of = match cause {
            Cause::TimeOver => Some(time),
            Cause::IdentityEnded => token,
            Cause::CredentialEnded(_) => credential,
            Cause::SwitchThrown(_) | Cause::SwitchesUnreadable | Cause::IdentityDenied => None,
        };
        prop_assert_eq!(of, Some(at));
    }
}
