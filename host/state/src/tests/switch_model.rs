//! Switches against a naive model of them: what is thrown, what each call is told, and what is on record.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;
use toolward_gate::{
    Call, Cause, Digest, Gate, Identity, Kind, Principal, RateLimit, Refusal, Stop, Switch,
    SwitchFeed as _, SwitchTarget, Switchboard, Terms, testing,
};

use super::{
    spending::terms,
    support::{Place, call, records},
};
use crate::State;

#[derive(Clone, Debug)]
enum Step {
    /// Throws a switch, for so many seconds where it says so.
    Throw(usize, Option<u64>),
    Lift(usize),
    Pass(u64),
    /// The host ends and starts again.
    Restart,
    /// Who calls.
    Call(usize),
}

const PRINCIPALS: [&str; 3] = ["agent-7", "zoe", "owen"];

fn targets() -> Vec<SwitchTarget> {
    let digest = format!("digest {}", Digest::of(b"shop"));
    let other = format!("digest {}", Digest::of(b"other"));
    let named = [
        "everything",
        "tool charge",
        "tool shop",
        "tool charg",
        "tool charge-all",
        &digest,
        &other,
        "principal agent-7",
        "principal zoe",
        "principal owen",
        "provider money",
    ];
    named.into_iter().map(|text| text.parse().unwrap()).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let target = 0..targets().len();
    prop_oneof![
        3 => (target.clone(), proptest::option::of(1_u64..40)).prop_map(|(target, lasts)| Step::Throw(target, lasts)),
        3 => target.prop_map(Step::Lift),
        2 => (0_u64..30).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        5 => (0..PRINCIPALS.len()).prop_map(Step::Call),
    ]
}

/// The model: until when each is thrown, and how many changes were made.
#[derive(Default)]
struct Model {
    thrown: BTreeMap<String, Option<Timestamp>>,
    changes: usize,
}

impl Model {
    fn is_on(&self, name: &str, now: Timestamp) -> bool {
        self.thrown.get(name).is_some_and(|end| end.is_none_or(|end| end > now))
    }

    /// Whether a call of `charge` is stopped, by what was written down and by nothing else: `owen` stands
    /// behind everybody.
    fn stops(&self, principal: &str, now: Timestamp) -> bool {
        let digest = format!("digest {}", Digest::of(b"shop"));
        let who = format!("principal {principal}");
        let names = ["everything", "tool charge", "tool shop", &digest, &who, "principal owen"];
        names.into_iter().any(|name| self.is_on(name, now))
    }
}

/// What a host that starts now says of a call.
async fn outcome(place: &Place, state: &State, principal: &str) -> Result<(), Stop> {
    let port = Arc::new(state.clone());
    let plain = Terms { rates: Vec::<RateLimit>::new(), budgets: Vec::new(), ..terms(1) };
    let gate = Gate {
        policy: Arc::new(testing::Yes(plain)),
        approvals: port.clone(),
        budgets: port.clone(),
        switches: Arc::new(Switchboard::follow(port).await.unwrap()),
        ownership: toolward_gate::Ownership::open(),
        clock: place.clock.clone(),
    };
    let identity = Identity {
        id: principal.to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: vec!["owen".to_owned()],
        scope: None,
        ends_at: None,
    };
    let call = Call { principal: Principal::authenticated(identity), ..call(principal) };
    let settled = gate.settle(call).await?;
    gate.admit(settled).await.map(drop)
}

async fn walk(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (place, all, mut model) = (Place::new(), targets(), Model::default());
    let mut state = place.open().await;
    for step in steps {
        match step.clone() {
            Step::Throw(target, lasts) => {
                let expires_at =
                    lasts.map(|lasts| place.now().checked_add(Duration::from_secs(lasts)).unwrap());
                let (reason, by) = (String::new(), "ana".to_owned());
                let target = all[target].clone();
                model.thrown.insert(target.to_string(), expires_at);
                model.changes += 1;
                state
                    .throw(Switch { target, reason, by, since: place.now(), expires_at })
                    .await
                    .unwrap();
            }
            Step::Lift(target) => {
                let lifted = state.lift(&all[target], "ana", "").await.unwrap();
                let was_on = model.is_on(&all[target].to_string(), place.now());
                prop_assert_eq!(lifted, was_on, "{:?}", step);
                model.changes += usize::from(was_on);
                model.thrown.remove(&all[target].to_string());
            }
            Step::Pass(seconds) => place.clock.pass(Duration::from_secs(seconds)),
            Step::Restart => state = place.reopen(state).await,
            Step::Call(by) => {
                let (outcome, by) = (outcome(&place, &state, PRINCIPALS[by]).await, PRINCIPALS[by]);
                let stops = model.stops(by, place.now());
                match outcome {
                    Ok(()) => prop_assert!(!stops, "{} ran", by),
                    Err(Stop::Refused(Refusal::Halted(Cause::SwitchThrown(target)))) => {
                        prop_assert!(stops && model.is_on(&target.to_string(), place.now()));
                    }
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
        }
        let on: Vec<String> =
            state.read().await.unwrap().targets().map(ToString::to_string).collect();
        let expected: Vec<String> =
            model.thrown.keys().filter(|name| model.is_on(name, place.now())).cloned().collect();
        prop_assert_eq!(on, expected);
    }
    let changed = records(&state).await.iter().filter(|one| one["record"] == "changed").count();
    prop_assert_eq!(changed, model.changes, "each change is on record, once");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn switches_do_what_a_naive_model_of_them_does(steps in proptest::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk(steps))?;
    }
}

/// H-20 and H-23: what is thrown and lifted again and again is in the end what was said last, and the record holds
/// each change once.
#[tokio::test]
async fn a_storm_of_switches_ends_as_it_was_said_last() {
    let place = Place::new();
    let state = place.open().await;
    let target: SwitchTarget = "tool charge".parse().unwrap();
    let switch = |reason: &str| Switch {
        target: target.clone(),
        reason: reason.to_owned(),
        by: "ana".to_owned(),
        since: place.now(),
        expires_at: None,
    };
    for number in 0..300_u32 {
        state.throw(switch(&number.to_string())).await.unwrap();
        assert!(outcome(&place, &state, "zoe").await.is_err());
        assert!(state.lift(&target, "ana", "over").await.unwrap());
        assert!(!state.lift(&target, "ana", "over").await.unwrap());
    }
    outcome(&place, &state, "zoe").await.unwrap();
    state.throw(switch("last")).await.unwrap();
    assert_eq!(state.read().await.unwrap().thrown, [switch("last")]);
    let changed = records(&state).await.iter().filter(|one| one["record"] == "changed").count();
    assert_eq!(changed, 601);
}
