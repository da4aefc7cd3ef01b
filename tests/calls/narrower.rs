//! A yes to less than was asked for, and a capability for a time.
use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use toolward_gate::{
    Access, Answer, AnswerLimits, ApprovalBook as _, ApprovalId, Cause, Clock as _, Identity,
    Principal, Refusal, RequestLimits, RolesFrom, Stop, Verdict, WantedAccess,
};
use toolward_sandbox::Output;

use crate::world::{Setting, World, agent};

/// A world in which a person has to agree to whatever `fetch` sends.
fn watched() -> Setting {
    Setting::default().policy(
        r#"@id("watched") @approval("one-of:payer") permit(principal, action == Action::"call", resource == Tool::"fetch");"#,
    )
}

fn held(outcome: &Result<Output, Stop>) -> ApprovalId {
    match outcome {
        Err(Stop::Held { approval, .. }) => *approval,
        other => panic!("not held: {other:?}"),
    }
}

fn answer(world: &World, by: &str, limits: AnswerLimits) -> Answer {
    Answer {
        by: by.to_owned(),
        acts_for: vec![],
        roles: ["payer".to_owned()].into(),
        roles_from: RolesFrom::Token,
        verdict: Verdict::Approve,
        limits,
        comment: String::new(),
        at: world.clock.now(),
    }
}

/// Asks, hears a yes within these limits, and asks again.
async fn narrowed(world: &World, target: &str, limits: AnswerLimits) -> Result<Output, Stop> {
    let id = held(&world.fetch(target).await);
    world.state.decide(id, answer(world, "ana", limits)).await.unwrap();
    world.fetch(target).await
}

fn only(methods: &[&str], paths: &[&str]) -> AnswerLimits {
    let own = RequestLimits {
        methods: (!methods.is_empty()).then(|| methods.iter().map(|&one| one.to_owned()).collect()),
        paths: (!paths.is_empty()).then(|| paths.iter().map(|one| one.parse().unwrap()).collect()),
    };
    let capabilities = [("shop:items:read".parse().unwrap(), own)].into();
    AnswerLimits { capabilities, ..AnswerLimits::default() }
}

fn failed(outcome: &Result<Output, Stop>) -> &str {
    match outcome {
        Err(Stop::Failed(failure)) => &failure.message,
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_yes_narrowed_to_paths_and_methods_lets_nothing_else_out() {
    let world = watched().world().await;
    for (number, limits) in [
        only(&[], &["/items/7"]),
        only(&["POST"], &[]),
        // What the capability itself does not allow is not opened either.
        only(&[], &["/elsewhere/{id}"]),
    ]
    .into_iter()
    .zip(1..)
    .map(|(limits, number)| (number, limits))
    {
        let target = format!("/items/{number}");
        let outcome = narrowed(&world, &target, limits).await;
        assert_eq!(outcome.as_ref().unwrap_err().code(), "tool-failed");
        let told = failed(&outcome);
        assert!(told.contains("path fits none") || told.contains("method is not"), "{told}");
        assert!(world.upstream.seen().is_empty());
    }
    narrowed(&world, "/items/7", only(&["GET"], &["/items/{id:int}"])).await.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
    let (_, closed) = world.last_entry().await;
    let notes = closed["notes"].as_array().unwrap();
    let approved = notes.iter().find(|note| note["note"] == "approved").unwrap();
    let own = json!({ "methods": ["GET"], "paths": ["/items/{id:int}"] });
    assert_eq!(approved["limits"], json!({ "capabilities": { "shop:items:read": own } }));
}

#[tokio::test]
async fn a_yes_narrowed_to_a_number_of_requests_lets_so_many_out() {
    let world = watched().world().await;
    let requests = |most| AnswerLimits { http_requests: Some(most), ..AnswerLimits::default() };
    let none = narrowed(&world, "/items/1", requests(0)).await;
    assert!(failed(&none).contains("as many requests have left"), "{none:?}");
    assert!(world.upstream.seen().is_empty());
    narrowed(&world, "/items/2", requests(1)).await.unwrap();
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_yes_narrowed_in_bytes_cuts_the_longest_response() {
    let world = watched().world().await;
    let bytes = |most| AnswerLimits { max_bytes: Some(most), ..AnswerLimits::default() };
    let long = narrowed(&world, "/items/1", bytes(3)).await;
    assert!(failed(&long).contains("longer than 3 bytes"), "{long:?}");
    narrowed(&world, "/items/2", bytes(4096)).await.unwrap();
}

#[tokio::test]
async fn a_yes_narrowed_in_time_ends_the_call_sooner() {
    let world = watched().world().await;
    let time = |most| AnswerLimits { time_ms: Some(most), ..AnswerLimits::default() };
    let stopped = narrowed(&world, "/items/slow", time(400)).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    narrowed(&world, "/items/1", time(3_600_000)).await.unwrap();
}

#[tokio::test]
async fn a_yes_narrowed_in_cost_does_not_start_what_may_come_to_more_and_is_not_spent() {
    let world = watched().world().await;
    // Each call costs 0.40.
    let cost = |text| AnswerLimits { cost: AnswerLimits::cost_of(text), ..AnswerLimits::default() };
    let over = narrowed(&world, "/items/1", cost("usd:0.39")).await;
    let Err(Stop::Refused(Refusal::OverApproved { most })) = over else { panic!("{over:?}") };
    assert_eq!(most.to_string(), "usd:0.39");
    assert_eq!(world.upstream.seen().len(), 0);
    assert_eq!(world.state.list(None).await.unwrap()[0].state.word(), "approved");
    narrowed(&world, "/items/2", cost("usd:0.40")).await.unwrap();
}

#[tokio::test]
async fn of_two_who_narrow_a_yes_each_is_heard() {
    let two = Setting::default().policy(
        r#"@id("watched") @approval("two-of:payer") permit(principal, action == Action::"call", resource == Tool::"fetch");"#,
    );
    let world = two.world().await;
    let id = held(&world.fetch("/items/1").await);
    world.state.decide(id, answer(&world, "ana", only(&[], &["/items/{id}"]))).await.unwrap();
    world.state.decide(id, answer(&world, "ben", only(&[], &["/items/2"]))).await.unwrap();
    failed(&world.fetch("/items/1").await);
    assert!(world.upstream.seen().is_empty());
}

/// G-09.
#[tokio::test]
async fn a_flood_of_held_calls_is_refused_at_the_limit_and_says_what_to_do() {
    let world = watched().world().await;
    for number in 0..20 {
        held(&world.fetch(&format!("/items/{number}")).await);
    }
    let more = world.fetch("/items/21").await.unwrap_err();
    let told = "20 questions of this principal wait for a person already, and more are not asked; call again once some are answered";
    assert_eq!((more.code(), more.to_string().as_str()), ("too-many-questions", told));
    held(&world.fetch("/items/3").await);
    let other = crate::world::person("zoe", &["assistant"]);
    let arguments = json!({ "method": "GET", "target": "/items/21" });
    held(&world.call_as(&other, "fetch", arguments).await);
}

/// G-01: what a person sees is what runs; whatever differs by a byte is another question.
#[tokio::test]
async fn arguments_that_differ_in_any_byte_are_another_question() {
    let world = watched().world().await;
    let id = held(&world.fetch("/items/1").await);
    world.state.decide(id, answer(&world, "ana", AnswerLimits::default())).await.unwrap();
    for target in
        ["/items/1 ", "/items/1\u{a0}", "/items/1\u{200b}", "/items/1?page=1", "/items/%31"]
    {
        assert_ne!(held(&world.fetch(target).await), id, "{target:?}");
    }
    assert!(world.upstream.seen().is_empty());
    world.fetch("/items/1").await.unwrap();
}

/// G-02, G-11, G-12: from the bytes that will run, whole, with what hides written out.
#[tokio::test]
async fn what_is_shown_is_all_of_the_bytes_that_will_run() {
    let world = watched().world().await;
    let end = "\u{202e}\u{1b}[2J\r\u{200b}the-end";
    let target = format!("/items/{}{end}", "a".repeat(10_000));
    let id = held(&world.fetch(&target).await);
    let request = world.state.show(id).await.unwrap().unwrap();
    let shown = request.described();
    assert!(shown.contains(&"a".repeat(10_000)));
    assert!(shown.ends_with(r#"\u{202e}\u001b[2J\r\u{200b}the-end"}"#));
    let hidden = |one: char| one.is_control() && one != '\n';
    assert!(!shown.contains(hidden));
}

/// Files a request for the vault, for half an hour.
async fn wanted(world: &World, principal: &Principal) -> ApprovalId {
    let call = world.read("need_forbidden", &json!({}));
    let wanted = WantedAccess {
        principal,
        tool: &call.tool,
        capability: "shop:vault:open".parse().unwrap(),
        access: Access { seconds: 1800, reason: "the shop is locked".to_owned() },
        roles: BTreeSet::new(),
        policy_version: world.host.gate.policy.version(),
        expires_in: Duration::from_secs(3600),
    };
    world.state.file(&wanted.file(world.clock.now()).unwrap()).await.unwrap()
}

async fn agreed(world: &World, principal: &Principal) -> ApprovalId {
    let id = wanted(world, principal).await;
    for who in ["ana", "ben"] {
        world.state.decide(id, answer(world, who, AnswerLimits::default())).await.unwrap();
    }
    id
}

async fn forbidden(world: &World) -> Result<Output, Stop> {
    world.call("need_forbidden", json!({})).await
}

async fn is_shown(world: &World, principal: &Principal) -> bool {
    let page = world.host.page(principal, None, usize::MAX).await.unwrap();
    page.tools.iter().any(|tool| tool.manifest.name.as_str() == "need_forbidden")
}

fn is_not_granted(outcome: &Result<Output, Stop>) -> bool {
    matches!(outcome, Err(Stop::Refused(Refusal::NotGranted { .. })))
}

#[tokio::test]
async fn a_capability_that_nobody_permits_is_there_for_a_time_after_two_agreed() {
    let world = World::new().await;
    assert!(is_not_granted(&forbidden(&world).await));
    let id = wanted(&world, &world.agent).await;
    world.state.decide(id, answer(&world, "ana", AnswerLimits::default())).await.unwrap();
    assert!(is_not_granted(&forbidden(&world).await), "one is not two");
    assert!(!is_shown(&world, &world.agent).await);
    world.state.decide(id, answer(&world, "ben", AnswerLimits::default())).await.unwrap();
    forbidden(&world).await.unwrap();
    // Who asks for a list finds it there, and nobody else.
    assert!(is_shown(&world, &world.agent).await);
    assert!(!is_shown(&world, &crate::world::person("zoe", &["assistant"])).await);
    let (_, closed) = world.last_entry().await;
    let notes: Vec<Value> = closed["notes"].as_array().unwrap().clone();
    let loud = notes.iter().find(|note| note["note"] == "exceptional").unwrap();
    assert_eq!(loud["approval"], id.to_string());
    assert_eq!(
        (&loud["capability"], &loud["by"]),
        (&json!("shop:vault:open"), &json!(["ana", "ben"]))
    );
    // It is used as often as needed, survives a restart, and ends by itself.
    forbidden(&world).await.unwrap();
    let world = world.restarted().await;
    forbidden(&world).await.unwrap();
    world.clock.forward(30 * 60);
    assert!(is_not_granted(&forbidden(&world).await));
    assert!(!is_shown(&world, &world.agent).await);
}

#[tokio::test]
async fn an_optional_capability_is_lent_by_exception_too() {
    let world = World::new().await;
    let look = async || world.call("look_for_extras", json!({})).await.unwrap().value;
    assert_eq!(look().await, json!({ "extras": false }));
    let call = world.read("look_for_extras", &json!({}));
    let wanted = WantedAccess {
        principal: &world.agent,
        tool: &call.tool,
        capability: "shop:extras:read".parse().unwrap(),
        access: Access { seconds: 60, reason: "to see".to_owned() },
        roles: BTreeSet::new(),
        policy_version: world.host.gate.policy.version(),
        expires_in: Duration::from_secs(3600),
    };
    let id = world.state.file(&wanted.file(world.clock.now()).unwrap()).await.unwrap();
    for who in ["ana", "ben"] {
        world.state.decide(id, answer(&world, who, AnswerLimits::default())).await.unwrap();
    }
    assert_eq!(look().await, json!({ "extras": true }));
}

/// G-04, G-22.
#[tokio::test]
async fn an_exception_is_for_one_caller_under_these_policies_and_below_every_forbid() {
    let world = World::new().await;
    agreed(&world, &world.agent).await;
    let other = crate::world::person("zoe", &["assistant"]);
    assert!(is_not_granted(&world.call_as(&other, "need_forbidden", json!({})).await));
    let scope = Some(["host:log:write".parse().unwrap()].into());
    let scoped = Principal::authenticated(Identity { scope, ..agent() });
    let out_of_scope = world.call_as(&scoped, "need_forbidden", json!({})).await;
    assert!(is_not_granted(&out_of_scope), "a token's scope only narrows");
    forbidden(&world).await.unwrap();
    let forbid =
        r#"@id("never") forbid(principal, action == Action::"shop:vault:open", resource);"#;
    let world = world.restarted_under(forbid).await;
    assert!(is_not_granted(&forbidden(&world).await), "other policies");
    agreed(&world, &world.agent).await;
    assert!(is_not_granted(&forbidden(&world).await), "a policy that forbids has the last word");
}

/// G-07.
#[tokio::test]
async fn nobody_agrees_to_an_exception_of_their_own_or_twice() {
    let world = World::new().await;
    let id = wanted(&world, &world.agent).await;
    let say =
        async |who| world.state.decide(id, answer(&world, who, AnswerLimits::default())).await;
    assert!(say("agent-7").await.is_err());
    say("ana").await.unwrap();
    assert!(say("ana").await.is_err());
    assert!(is_not_granted(&forbidden(&world).await));
}
