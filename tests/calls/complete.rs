//! Is everything on record, once, and nothing else?
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use toolward_gate::{
    ApprovalId, DecideError, ProgressSink, Refusal, Stop, SwitchFeed as _, SwitchTarget, Verdict,
};

use crate::world::{World, within};

/// What is done to a host.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    Fail,
    Panic,
    Forbidden,
    /// Arguments that fit no tool: there is no call.
    Unfit,
    Pay(u8),
    Decide {
        payment: u8,
        who: &'static str,
        yes: bool,
    },
    Kill,
    Lift,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let who = proptest::sample::select(vec!["ana", "ben", "agent-7"]);
    prop_oneof![
        3 => Just(Step::Read),
        1 => Just(Step::Fail),
        1 => Just(Step::Panic),
        1 => Just(Step::Forbidden),
        1 => Just(Step::Unfit),
        4 => (0..3_u8).prop_map(Step::Pay),
        4 => (0..3_u8, who, any::<bool>())
            .prop_map(|(payment, who, yes)| Step::Decide { payment, who, yes }),
        1 => Just(Step::Kill),
        1 => Just(Step::Lift),
        1 => Just(Step::Restart),
    ]
}

fn payment(number: u8) -> Value {
    json!({ "amount": 100 + u64::from(number), "to": "acme" })
}

/// What the trail has to hold: kinds of records, and how each call ended.
#[derive(Default)]
struct Model {
    records: Vec<&'static str>,
    /// The question that waits for each payment.
    open: [Option<ApprovalId>; 3],
    killed: bool,
}

impl Model {
    fn call(&mut self, is_admitted: bool) {
        self.records.push("opened");
        self.records.extend(is_admitted.then_some("admitted"));
        self.records.push("closed");
    }

    /// What a call comes to is what was said to its caller.
    fn ended(&mut self, outcome: &Result<toolward_sandbox::Output, Stop>) {
        let ran = match outcome {
            Ok(_) | Err(Stop::Failed(_) | Stop::Trapped { .. }) => true,
            Err(Stop::Held { .. } | Stop::Refused(_)) => false,
            Err(other) => panic!("no call of this workload ends so: {other:?}"),
        };
        let killed = matches!(outcome, Err(Stop::Refused(Refusal::Halted(_))));
        assert!(!self.killed || !ran, "it ran although everything is stopped");
        assert!(self.killed || !killed, "it was stopped although nothing is");
        self.call(ran);
    }
}

async fn take(world: World, model: &mut Model, step: Step) -> World {
    let tool = match step {
        Step::Read => Some(("read_item", json!({ "id": "1" }))),
        Step::Fail => Some(("fail", json!({}))),
        Step::Panic => Some(("panic", json!({}))),
        Step::Forbidden => Some(("need_forbidden", json!({}))),
        Step::Pay(number) => Some(("pay", payment(number))),
        Step::Unfit | Step::Decide { .. } | Step::Kill | Step::Lift | Step::Restart => None,
    };
    if let Some((tool, arguments)) = tool {
        let outcome = world.call(tool, arguments).await;
        model.ended(&outcome);
        if let (Step::Pay(number), Err(Stop::Held { approval, .. })) = (step, &outcome) {
            model.open[usize::from(number)] = Some(*approval);
        }
        return world;
    }
    let everything = SwitchTarget::Everything;
    match step {
        Step::Unfit => {
            let tools = &world.host.tools;
            let nothing = ProgressSink::default();
            let read = tools.read(&world.agent, "test", "read_item", "{\"id\": 1}", nothing);
            assert!(read.is_err());
        }
        Step::Decide { payment, who, yes } => {
            let Some(id) = model.open[usize::from(payment)] else { return world };
            let verdict = if yes { Verdict::Approve } else { Verdict::Deny };
            match world.decide(id, (who, "payer"), verdict).await {
                Ok(_) => model.records.push("changed"),
                Err(DecideError::Unavailable(error)) => panic!("{error:?}"),
                // An answer that is not taken changes nothing.
                Err(_) => {}
            }
        }
        Step::Kill if !model.killed => {
            world.throw_here(everything).await;
            (model.killed, _) = (true, model.records.push("changed"));
        }
        Step::Lift if model.killed => {
            assert!(world.state.lift(&everything, "ana", "it was a drill").await.unwrap());
            (model.killed, _) = (false, model.records.push("changed"));
            within(async {
                while !world.host.gate.switches.known().thrown.is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        Step::Restart => return world.restarted().await,
        // What is so already is not done again, and calls were made above.
        Step::Kill
        | Step::Lift
        | Step::Read
        | Step::Fail
        | Step::Panic
        | Step::Forbidden
        | Step::Pay(_) => {}
    }
    world
}

fn kinds(trail: &[Value]) -> Vec<String> {
    trail.iter().map(|one| one["record"].as_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]

    /// I-21: held, denied, killed, failing and crashing calls, answers, switches and restarts, in any order.
    #[test]
    fn the_trail_holds_what_happened_and_nothing_else(steps in proptest::collection::vec(step(), 10..40)) {
        let runtime = Arc::new(Runtime::new().unwrap());
        runtime.block_on(async {
            let mut world = World::new().await;
            let mut model = Model::default();
            for step in steps {
                world = take(world, &mut model, step).await;
                let trail = world.trail().await;
                assert_eq!(kinds(&trail), model.records, "after {step:?}");
            }
            let trail = world.trail().await;
            let calls = |kind: &str| {
                let of = trail.iter().filter(move |one| one["record"] == kind);
                of.map(|one| one["call"].clone()).collect::<Vec<_>>()
            };
            assert_eq!(calls("opened"), calls("closed"), "each is closed, once, in its order");
            let verified = world.verified().await;
            assert_eq!((verified.links, verified.fault.is_none()), (model.records.len() as u64, true));
        });
    }
}

/// I-21, the guard switched off: an entry that nobody closes is missed at once.
#[tokio::test]
async fn a_record_that_is_missing_is_noticed() {
    let world = World::new().await;
    let mut model = Model::default();
    let call = world.read("read_item", &json!({ "id": "1" }));
    drop(world.host.audit.open(&call).await.unwrap());
    model.call(true);
    assert_ne!(kinds(&world.trail().await), model.records);
}
