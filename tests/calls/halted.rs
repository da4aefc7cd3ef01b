//! Kill switches, cancelled calls, and callers who go away.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{Cause, Refusal, Stop, SwitchFeed as _, SwitchTarget};

use crate::world::{World, person, within};

fn targets(world: &World) -> Vec<SwitchTarget> {
    let tool = world.read("read_item", &json!({ "id": "1" })).tool;
    let named = [
        SwitchTarget::Everything,
        SwitchTarget::Tool("read_item".to_owned()),
        SwitchTarget::Tool("probe".to_owned()),
        SwitchTarget::Digest(tool.digest.to_string()),
        SwitchTarget::Capability("shop:items:read".to_owned()),
        SwitchTarget::Provider("shop".to_owned()),
        SwitchTarget::Credential("shop".to_owned()),
        SwitchTarget::Principal("agent-7".to_owned()),
    ];
    named.to_vec()
}

#[tokio::test]
async fn every_kind_of_switch_stops_a_call_before_it_starts_and_holds_over_a_restart() {
    let mut world = World::new().await;
    for target in targets(&world) {
        world.throw(target.clone()).await;
        world = world.restarted().await;
        let refused = world.call("read_item", json!({ "id": "1" })).await;
        let expected = Cause::SwitchThrown(target.clone());
        assert!(
            matches!(&refused, Err(Stop::Refused(Refusal::Halted(cause))) if *cause == expected),
            "{refused:?}"
        );
        assert!(world.state.lift(&target, "ana", "it was a drill").await.unwrap());
    }
    assert!(world.upstream.seen().is_empty());
    let world = world.restarted().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_switch_for_something_else_stops_nothing() {
    let world = World::new().await;
    world.throw(SwitchTarget::Tool("pay".to_owned())).await;
    world.throw(SwitchTarget::Principal("zoe".to_owned())).await;
    let world = world.restarted().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    let zoe =
        world.call_as(&person("zoe", &["assistant"]), "read_item", json!({ "id": "1" })).await;
    assert!(matches!(zoe, Err(Stop::Refused(Refusal::Halted(_)))), "{zoe:?}");
}

#[tokio::test]
async fn a_switch_thrown_mid_flight_closes_the_connection_and_ends_the_call() {
    let world = World::new().await;
    let target = SwitchTarget::Provider("shop".to_owned());
    let throw = async {
        world.upstream.slow_began().await;
        world.throw(target.clone()).await;
        world.upstream.slow_ended().await;
    };
    let (outcome, ()) = tokio::join!(world.fetch("/items/slow"), throw);
    assert!(
        matches!(&outcome, Err(Stop::Halted(Cause::SwitchThrown(one))) if *one == target),
        "{outcome:?}"
    );
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["outcome"], "halted");
    let left = closed["notes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&left["note"], &left["code"]), (&json!("unanswered"), &json!("halted")));
    let next = world.fetch("/items/1").await;
    assert!(matches!(next, Err(Stop::Refused(Refusal::Halted(_)))), "{next:?}");
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_while_no_switch_is_thrown() {
    let world = World::new().await;
    let release = async {
        world.upstream.slow_began().await;
        world.upstream.release();
    };
    let (outcome, ()) = tokio::join!(world.fetch("/items/slow"), release);
    assert_eq!(outcome.unwrap().value["status"], 200);
}

#[tokio::test]
async fn a_switch_thrown_while_a_tool_computes_ends_it() {
    let world = World::new().await;
    let (to, mut heard) = tokio::sync::mpsc::channel(1);
    let target = SwitchTarget::Tool("spin".to_owned());
    let throw = async {
        within(heard.recv()).await.unwrap();
        world.throw(target.clone()).await;
    };
    let (outcome, ()) = tokio::join!(world.call_heard("spin", json!({}), to), throw);
    assert!(
        matches!(&outcome, Err(Stop::Halted(Cause::SwitchThrown(one))) if *one == target),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn switches_that_cannot_be_read_count_as_thrown() {
    let world = World::new().await;
    let lose = async {
        world.upstream.slow_began().await;
        world.lose_switches().await;
    };
    let (outcome, ()) = tokio::join!(world.fetch("/items/slow"), lose);
    assert!(matches!(outcome, Err(Stop::Halted(Cause::SwitchesUnreadable))), "{outcome:?}");
    world.upstream.slow_ended().await;
    let next = world.fetch("/items/1").await;
    let unreadable = Refusal::Halted(Cause::SwitchesUnreadable);
    assert!(matches!(&next, Err(Stop::Refused(refusal)) if *refusal == unreadable), "{next:?}");
}

#[tokio::test]
async fn a_call_that_its_caller_cancels_ends_at_once() {
    let world = World::new().await;
    let call = world.read("fetch", &json!({ "method": "GET", "target": "/items/slow" }));
    let upstream = world.upstream.clone();
    let outcome = world.host.perform_unless(call, async move { upstream.slow_began().await }).await;
    assert!(matches!(outcome, Err(Stop::Cancelled)), "{outcome:?}");
    world.upstream.slow_ended().await;
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["outcome"], "cancelled");
    assert_eq!(closed["notes"].as_array().unwrap().last().unwrap()["code"], "abandoned");
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_open_entry() {
    let world = World::new().await;
    tokio::select! {
        outcome = world.fetch("/items/slow") => panic!("it waits: {outcome:?}"),
        () = world.upstream.slow_began() => {}
    }
    let open = world.trail().await;
    assert_eq!(open.last().unwrap()["record"], "admitted");
    world.upstream.release();
    world.until_closed().await;
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["outcome"], "ok");
}

/// H-18: at whatever moment of a call the switch is thrown, the caller is told what is on record.
#[tokio::test]
async fn what_the_caller_of_a_killed_call_is_told_is_what_is_on_record() {
    let world = World::new().await;
    let target = SwitchTarget::Tool("read_item".to_owned());
    let mut told = Vec::new();
    // Moments across the time that a call takes, and one after it.
    for moment in (0..24).map(|step| Duration::from_micros(400 * step)).chain([Duration::MAX]) {
        let throw = async {
            if moment < Duration::MAX {
                tokio::time::sleep(moment).await;
                world.throw_here(target.clone()).await;
            }
        };
        let (outcome, ()) = tokio::join!(world.call("read_item", json!({ "id": "1" })), throw);
        let (_, closed) = world.last_entry().await;
        let code = outcome.map_or_else(|stop| stop.code(), |_| "ok");
        assert_eq!(closed["outcome"], code);
        told.push(code);
        let lifted = world.state.lift(&target, "ana", "it was a drill").await.unwrap();
        assert_eq!(lifted, moment < Duration::MAX);
        let known = async {
            while !world.host.gate.switches.known().thrown.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        within(known).await;
    }
    assert_eq!((told.first(), told.last()), (Some(&"halted"), Some(&"ok")));
    assert!(world.verified().await.fault.is_none());
}

/// H-17 and H-20: while a person is asked; and nothing of it goes on once the switch is lifted.
#[tokio::test]
async fn a_switch_thrown_while_a_person_is_asked_ends_the_wait() {
    let world = World::new().await;
    let target = SwitchTarget::Tool("pay".to_owned());
    let payment = json!({ "amount": 100, "to": "acme" });
    let Err(Stop::Held { .. }) = world.call("pay", payment.clone()).await else { panic!() };
    world.throw_here(target.clone()).await;
    let before = world.trail().await.len();
    let refused = world.call("pay", payment.clone()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::Halted(_)))), "{refused:?}");
    let (_, closed) = world.last_entry().await;
    assert!(world.trail().await.len() > before);
    assert!(!closed["notes"].to_string().contains("asked"), "nobody is asked: {closed}");
}
