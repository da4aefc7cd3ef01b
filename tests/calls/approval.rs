//! A payment that a person must agree to.
use serde_json::{Value, json};
use toolward_gate::{
    ApprovalBook as _, ApprovalId, ApprovalState, DecideError, Identity, Principal, Refusal, Stop,
    Verdict,
};
use toolward_sandbox::Output;

use crate::world::{Setting, World, agent, person, within};

fn payment() -> Value {
    json!({ "amount": 100, "to": "acme" })
}

fn held(outcome: &Result<Output, Stop>) -> ApprovalId {
    match outcome {
        Err(Stop::Held { approval, .. }) => *approval,
        other => panic!("not held: {other:?}"),
    }
}

#[tokio::test]
async fn an_approved_call_runs_once_and_the_third_is_held_again() {
    let world = World::new().await;
    let first = held(&world.call("pay", payment()).await);
    assert!(world.upstream.seen().is_empty());
    let asked = world.state.show(first).await.unwrap().unwrap();
    assert_eq!(asked.filing.arguments, r#"{"amount":100,"to":"acme"}"#);
    world.clock.forward(120);
    world.decide(first, ("ana", "payer"), Verdict::Approve).await.unwrap();

    let output = world.call("pay", payment()).await.unwrap();
    assert_eq!(output.value, json!({ "number": 41 }));
    assert_eq!(world.upstream.seen()[0].body, r#"{"amount":100,"to":"acme"}"#);
    assert_eq!(world.state.show(first).await.unwrap().unwrap().state, ApprovalState::Spent);

    let third = held(&world.call("pay", payment()).await);
    assert_ne!(third, first);
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_no_is_told_with_its_reason_and_is_not_asked_again() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Deny).await.unwrap();
    for _ in 0..2 {
        let denied = world.call("pay", payment()).await;
        let Err(Stop::Refused(Refusal::Denied { by, comment })) = &denied else {
            panic!("{denied:?}")
        };
        assert_eq!((by.as_str(), comment.as_str()), ("ana", "checked against the invoice"));
    }
    assert_eq!(world.state.list(None).await.unwrap().len(), 1);
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn nobody_decides_about_a_call_of_their_own() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    let own = world.decide(id, ("agent-7", "payer"), Verdict::Approve).await;
    assert!(matches!(own, Err(DecideError::OwnCall(_))), "{own:?}");
    held(&world.call("pay", payment()).await);

    // Nor about a call of somebody who acts for them.
    let for_ana =
        Principal::authenticated(Identity { acts_for: vec!["ana".to_owned()], ..agent() });
    let id = held(&world.call_as(&for_ana, "pay", payment()).await);
    let through = world.decide(id, ("ana", "payer"), Verdict::Approve).await;
    assert!(matches!(through, Err(DecideError::OwnCall(_))), "{through:?}");
    world.decide(id, ("bob", "payer"), Verdict::Approve).await.unwrap();
    world.call_as(&for_ana, "pay", payment()).await.unwrap();
}

#[tokio::test]
async fn one_without_the_role_decides_nothing() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    let refused = world.decide(id, ("zoe", "gardener"), Verdict::Approve).await;
    assert!(matches!(refused, Err(DecideError::NotAnApprover { .. })), "{refused:?}");
    held(&world.call("pay", payment()).await);
    world.decide(id, ("zoe", "payer"), Verdict::Approve).await.unwrap();
    world.call("pay", payment()).await.unwrap();
}

#[tokio::test]
async fn a_yes_is_for_these_arguments_and_for_this_caller() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    assert_ne!(held(&world.call("pay", json!({ "amount": 999, "to": "acme" })).await), id);
    let other = person("zoe", &["assistant"]);
    assert_ne!(held(&world.call_as(&other, "pay", payment()).await), id);
    assert!(world.upstream.seen().is_empty());
    // Another order of the keys is the same meaning.
    world.call("pay", json!({ "to": "acme", "amount": 100 })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_race_for_one_yes_one_wins() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    let (one, two) = tokio::join!(world.call("pay", payment()), world.call("pay", payment()));
    let (won, lost): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1), "{lost:?}");
    let too_late =
        matches!(&lost[0], Err(Stop::Refused(Refusal::AlreadySpent) | Stop::Held { .. }));
    assert!(too_late, "{lost:?}");
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn two_must_agree_where_the_policy_says_two() {
    let two = Setting::default().policy(
        r#"@id("large-payments") @approval("two-of:payer,owner")
           permit(principal, action == Action::"shop:payments:create", resource) when { context.arguments.amount > 50 };"#,
    );
    let world = two.world().await;
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    assert_eq!(held(&world.call("pay", payment()).await), id);
    let again = world.decide(id, ("ana", "payer"), Verdict::Approve).await;
    assert!(matches!(again, Err(DecideError::AnsweredBefore(_))), "{again:?}");
    world.decide(id, ("bob", "payer"), Verdict::Approve).await.unwrap();
    world.call("pay", payment()).await.unwrap();
}

#[tokio::test]
async fn a_policy_has_the_last_word_after_a_persons_yes() {
    let asleep = Setting::default().policy(
        r#"@id("not-by-night") forbid(principal, action == Action::"shop:payments:create", resource) when { context.time.hour >= 20 };"#,
    );
    let world = asleep.world().await;
    // A question stays open for a quarter of an hour: asked and answered at five to eight, run at one past.
    world.clock.forward(7 * 3600 + 55 * 60);
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    world.clock.forward(6 * 60);
    let refused = world.call("pay", payment()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_caller_of_great_risk_is_kept_waiting_and_hears_the_yes() {
    let risky = Setting::default().policy(
        r#"@id("risky") @risk("high") permit(principal, action == Action::"shop:payments:create", resource);"#,
    );
    let world = risky.world().await;
    let approve = async {
        let open = loop {
            let open = world.state.list(Some(ApprovalState::Open)).await.unwrap();
            if let [one] = &open[..] {
                break one.id;
            }
            tokio::task::yield_now().await;
        };
        world.decide(open, ("ana", "payer"), Verdict::Approve).await.unwrap();
    };
    let (paid, ()) = within(async { tokio::join!(world.call("pay", payment()), approve) }).await;
    paid.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_approval_survives_a_restart() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    let world = world.restarted().await;
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    let world = world.restarted().await;
    world.call("pay", payment()).await.unwrap();
    held(&world.call("pay", payment()).await);
}

#[tokio::test]
async fn a_yes_under_other_policies_is_no_yes() {
    let world = World::new().await;
    let id = held(&world.call("pay", payment()).await);
    world.decide(id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    let world = world
        .restarted_under(
            r#"@id("more") permit(principal, action == Action::"shop:extras:read", resource);"#,
        )
        .await;
    let anew = held(&world.call("pay", payment()).await);
    assert_ne!(anew, id);
    world.decide(anew, ("ana", "payer"), Verdict::Approve).await.unwrap();
    world.call("pay", payment()).await.unwrap();
}
