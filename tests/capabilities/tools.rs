//! Tools that call tools: for whom, with what, how deep, and how it ends.
use serde_json::{Value, json};
use toolward_gate::{
    ApprovalBook as _, ApprovalState, CallId, Cause, Identity, Principal, Refusal, Stop,
    SwitchTarget, ToolName, Verdict,
};

use crate::world::{Guest, MARKER, Setting, World, agent};

const LENT: &str = r#"
[capability."house:tools:call"]
description = "Have the shop's tools do something."
interface = "tools"
tools = ["read_item", "fetch", "fail", "pay", "ghost", "relay", "relay_two", "relay_three", "relay_four"]
lends = ["shop:items:read", "shop:payments:create", "house:tools:call"]
risk = "low"
"#;

const PERMITTED: &str = r#"
@id("house")
permit(principal in Role::"assistant", action == Action::"house:tools:call", resource in Component::"relay");
"#;

fn house() -> Setting {
    Setting::default().guest(Guest::Relay).capability(LENT).policy(PERMITTED)
}

fn errand(tool: &str, arguments: &Value) -> Value {
    json!({ "tool": tool, "arguments": arguments.to_string() })
}

/// What the relaying tool was told.
async fn told(world: &World, tool: &str, errand: Value) -> String {
    told_to(world, &world.agent, tool, errand).await
}

async fn told_to(world: &World, by: &Principal, tool: &str, errand: Value) -> String {
    let output = world.call_as(by, tool, errand).await.unwrap();
    output.value["text"].as_str().unwrap().to_owned()
}

fn read_item() -> Value {
    errand("read_item", &json!({ "id": "1" }))
}

/// The opening and closing records of the calls of one tool.
async fn entries(world: &World, tool: &str) -> (Vec<Value>, Vec<Value>) {
    let trail = world.trail().await;
    let opened: Vec<Value> = trail
        .iter()
        .filter(|one| one["record"] == "opened" && one["tool"] == tool)
        .cloned()
        .collect();
    let is_closing = |one: &&Value| {
        one["record"] == "closed" && opened.iter().any(|opened| opened["call"] == one["call"])
    };
    let closed = trail.iter().filter(is_closing).cloned().collect();
    (opened, closed)
}

fn last_note(closed: &Value) -> Value {
    closed["notes"].as_array().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn a_tool_has_another_one_do_something_and_both_are_in_one_tree() {
    let world = house().world().await;
    let said = told(&world, "relay", read_item()).await;
    assert!(said.contains(MARKER), "{said}");
    assert_eq!(world.upstream.seen().len(), 1);
    let (above, above_closed) = entries(&world, "relay").await;
    let (below, below_closed) = entries(&world, "read_item").await;
    assert_eq!(below[0]["parent"], above[0]["call"]);
    assert!(above[0].get("parent").is_none());
    assert_eq!((&below[0]["principal"], &below[0]["door"]), (&json!("agent-7"), &json!("tool")));
    assert_eq!(below_closed[0]["outcome"], "ok");
    let note = last_note(&above_closed[0]);
    assert_eq!(
        (&note["note"], &note["call"], &note["tool"], &note["outcome"]),
        (&json!("called"), &below[0]["call"], &json!("read_item"), &json!("ok"))
    );
    assert!(world.verified().await.fault.is_none());
}

/// H-26: who has others act does not get around its own budget, nor they around theirs.
#[tokio::test]
async fn what_a_called_tool_uses_counts_against_the_budgets_of_both() {
    let limited = |tool: &str| {
        house().policy(&format!(
            r#"@id("little") @budget("usd:0.50/day") permit(principal, action == Action::"call", resource == Tool::"{tool}");"#
        ))
    };
    for tool in ["relay", "read_item"] {
        let world = limited(tool).world().await;
        assert!(told(&world, "relay", read_item()).await.contains(MARKER), "{tool}");
        let second = world.call("relay", read_item()).await;
        assert!(!format!("{second:?}").contains(MARKER), "{tool}: {second:?}");
        let (_, below) = entries(&world, "read_item").await;
        assert_eq!(below[1]["outcome"], "over-budget", "{tool}");
        assert_eq!(world.upstream.seen().len(), 1);
        let alone = world.call("read_item", json!({ "id": "1" })).await;
        assert_eq!(alone.is_ok(), tool == "relay", "{tool}: {alone:?}");
    }
}

#[tokio::test]
async fn a_tool_without_the_capability_calls_nobody() {
    let forbidden = house().policy(
        r#"@id("no-house") forbid(principal, action == Action::"house:tools:call", resource);"#,
    );
    let world = forbidden.world().await;
    let refused = world.call("relay", read_item()).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    assert!(world.upstream.seen().is_empty());
    assert!(entries(&world, "read_item").await.0.is_empty());
}

#[tokio::test]
async fn a_tool_that_is_not_named_and_one_that_is_not_there_are_refused_alike() {
    let world = house().world().await;
    // One that is there, one that the capability names and nobody installed, and what is no name.
    for tool in ["report", "ghost", "nobody", "", "read_item ", "READ_ITEM", "../read_item"] {
        let said = told(&world, "relay", errand(tool, &json!({ "steps": 1 }))).await;
        assert!(said.starts_with("not-callable: "), "{tool}: {said}");
    }
    assert!(entries(&world, "report").await.0.is_empty());
    world.call("report", json!({ "steps": 1 })).await.unwrap();
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_called_tool_are_no_call() {
    let world = house().world().await;
    let said = told(&world, "relay", errand("read_item", &json!({ "id": 7 }))).await;
    assert!(said.starts_with("arguments: "), "{said}");
    assert!(entries(&world, "read_item").await.0.is_empty());
    let note = last_note(&entries(&world, "relay").await.1[0]);
    assert_eq!((&note["note"], &note["code"]), (&json!("not-called"), &json!("arguments")));
}

#[tokio::test]
async fn a_called_tool_can_use_only_what_its_caller_holds_or_the_capability_lends() {
    let strict = LENT.replace("\"shop:items:read\", ", "");
    let setting = Setting::default().guest(Guest::Relay).capability(&strict).policy(PERMITTED);
    let holding = setting.policy(
        r#"@id("relay-items") permit(principal, action == Action::"shop:items:read", resource == Tool::"relay_holding");"#,
    );
    let world = holding.world().await;
    let said = told(&world, "relay", read_item()).await;
    assert!(said.starts_with("not-granted: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let said = told(&world, "relay_holding", read_item()).await;
    assert!(said.contains(MARKER), "{said}");
    // The caller itself may, and is not held up by what its tools may not.
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_called_tool_can_use_no_more_than_the_token_of_the_caller_allows() {
    let world = house().world().await;
    let with = |names: &[&str]| {
        let scope = names.iter().map(|name| name.parse().unwrap()).collect();
        Principal::authenticated(Identity { scope: Some(scope), ..agent() })
    };
    let narrow = with(&["house:tools:call"]);
    let said = told_to(&world, &narrow, "relay", read_item()).await;
    assert!(said.starts_with("not-granted: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let wide = with(&["house:tools:call", "shop:items:read"]);
    let said = told_to(&world, &wide, "relay", read_item()).await;
    assert!(said.contains(MARKER), "{said}");
}

#[tokio::test]
async fn the_policies_are_asked_anew_and_see_that_a_tool_calls() {
    let house = house().policy(
        r#"@id("no-tools") forbid(principal, action == Action::"call", resource == Tool::"read_item") when { context.door == "tool" };"#,
    );
    let world = house.world().await;
    let said = told(&world, "relay", read_item()).await;
    assert!(said.starts_with("forbidden: "), "{said}");
    let (_, closed) = entries(&world, "read_item").await;
    assert_eq!(closed[0]["outcome"], "forbidden");
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
}

#[tokio::test]
async fn a_called_tool_that_needs_a_person_is_held_and_nothing_is_sent() {
    let world = house().world().await;
    let payment = errand("pay", &json!({ "amount": 5, "to": "acme" }));
    let said = told(&world, "relay", payment).await;
    assert!(said.starts_with("held: "), "{said}");
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn what_a_called_tool_says_of_its_failure_is_its_own_word() {
    let world = house().world().await;
    let said = told(&world, "relay", errand("fail", &json!({}))).await;
    assert_eq!(said, "out-of-stock: there is nothing left");
}

#[tokio::test]
async fn tools_that_wait_for_each_other_go_round_in_no_circle() {
    let world = house().world().await;
    let itself = errand("relay", &read_item());
    let said = told(&world, "relay", itself.clone()).await;
    assert!(said.starts_with("too-deep: "), "{said}");
    let said = told(&world, "relay", errand("relay_two", &itself)).await;
    assert!(said.contains("too-deep: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let said = told(&world, "relay", errand("relay_two", &read_item())).await;
    assert!(said.contains(MARKER), "{said}");
}

#[tokio::test]
async fn tools_that_wait_for_each_other_are_four_at_most() {
    let world = house().world().await;
    let of_four = errand("relay_two", &errand("relay_three", &read_item()));
    let said = told(&world, "relay", of_four.clone()).await;
    assert!(said.contains(MARKER), "{said}");
    let of_five = errand("relay_two", &errand("relay_three", &errand("relay_four", &read_item())));
    let said = told(&world, "relay", of_five).await;
    assert!(said.contains("too-deep: "), "{said}");
    assert_eq!(world.upstream.seen().len(), 1);
    // Each entry names the one above it, up to the door.
    let (opened, _) = entries(&world, "relay_three").await;
    let (above, _) = entries(&world, "relay_two").await;
    assert_eq!(opened[0]["parent"], above[0]["call"]);
}

#[tokio::test]
async fn a_handle_that_is_for_something_else_or_spent_calls_nobody() {
    let world = house().world().await;
    let said = told(&world, "relay_strangely", read_item()).await;
    assert!(said.starts_with("refused: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let mut twice = read_item();
    twice["uses"] = json!(1);
    twice["times"] = json!(2);
    let said = told(&world, "relay", twice.clone()).await;
    assert_eq!(said, "refused: the handle's uses are spent");
    assert_eq!(world.upstream.seen().len(), 1);
    twice["uses"] = json!(2);
    let said = told(&world, "relay", twice).await;
    assert!(said.contains(MARKER), "{said}");
}

#[tokio::test]
async fn a_handle_that_is_narrowed_by_tools_calls_no_other() {
    let world = house().world().await;
    let with = |only: Value| {
        let mut errand = read_item();
        errand["only"] = only;
        errand
    };
    let said = told(&world, "relay", with(json!(["fetch", "pay"]))).await;
    assert!(said.starts_with("not-callable: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let said = told(&world, "relay", with(json!(["fetch", "read_item"]))).await;
    assert!(said.contains(MARKER), "{said}");
    // The capability does not name `report`: a handle for it would be wider.
    let refused = world.call("relay", with(json!(["read_item", "report"]))).await;
    let Err(Stop::Failed(failure)) = refused else { panic!("{refused:?}") };
    assert_eq!(failure.code, "not-narrower");
}

/// Asserts that no call's end is recorded before those of the calls that were made for it.
async fn assert_nested(world: &World) {
    let trail = world.trail().await;
    let closed = |call: &Value| {
        trail.iter().position(|one| one["record"] == "closed" && one["call"] == *call).unwrap()
    };
    let made_for: Vec<_> = trail.iter().filter(|one| one.get("parent").is_some()).collect();
    assert!(!made_for.is_empty());
    for one in made_for {
        assert!(closed(&one["call"]) < closed(&one["parent"]), "{trail:#?}");
    }
}

#[tokio::test]
async fn the_question_about_a_called_tool_names_the_call_that_it_is_for_and_an_answer_binds_the_callers()
 {
    let world = house().world().await;
    let payment = json!({ "amount": 5, "to": "acme" });
    told(&world, "relay", errand("pay", &payment)).await;
    let (above, _) = entries(&world, "relay").await;
    let open = world.state.list(Some(ApprovalState::Open)).await.unwrap();
    let caller = open[0].filing.caller.as_ref().unwrap();
    assert_eq!(caller.call.to_string(), above[0]["call"].as_str().unwrap());
    assert_eq!(caller.tools.iter().map(ToolName::as_str).collect::<Vec<_>>(), ["relay"]);
    assert!(open[0].filing.summary().contains("called by `relay`"), "{}", open[0].filing.summary());
    world.decide(open[0].id, ("ana", "payer"), Verdict::Approve).await.unwrap();
    // The same payment from elsewhere is another question.
    assert!(matches!(world.call("pay", payment.clone()).await, Err(Stop::Held { .. })));
    let said = told(&world, "relay_two", errand("pay", &payment)).await;
    assert!(said.starts_with("held: "), "{said}");
    assert!(world.upstream.seen().is_empty());
    let said = told(&world, "relay", errand("pay", &payment)).await;
    assert!(!said.starts_with("held: "), "{said}");
    assert_eq!(world.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_called_tool_that_waits_for_a_person_ends_with_its_caller() {
    let patient = house().replacing("risk = \"medium\"", "risk = \"high\"");
    let world = patient.world().await;
    let target = SwitchTarget::Tool("relay".to_owned());
    let throw = async {
        while world.state.list(Some(ApprovalState::Open)).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        world.throw(target.clone()).await;
    };
    let payment = errand("pay", &json!({ "amount": 5, "to": "acme" }));
    let (outcome, ()) = tokio::join!(world.call("relay", payment), throw);
    assert!(matches!(&outcome, Err(Stop::Halted(_))), "{outcome:?}");
    let (_, closed) = entries(&world, "pay").await;
    assert_eq!(closed[0]["outcome"], "halted");
    assert_nested(&world).await;
}

#[tokio::test]
async fn a_tree_is_found_from_any_call_in_it_and_holds_no_other() {
    let world = house().world().await;
    world.call("read_item", json!({ "id": "1" })).await.unwrap();
    told(&world, "relay", errand("relay_two", &read_item())).await;
    told(&world, "relay_three", read_item()).await;
    let trail = world.trail().await;
    let opened: Vec<&Value> = trail.iter().filter(|one| one["record"] == "opened").collect();
    let of = async |at: usize| {
        let call: CallId = serde_json::from_value(opened[at]["call"].clone()).unwrap();
        let links = world.state.tree(call).await.unwrap();
        links.iter().map(|link| link.sequence).collect::<Vec<u64>>()
    };
    assert_eq!(of(0).await, [1, 2, 3]);
    for at in 1..4 {
        assert_eq!(of(at).await, (4..=12).collect::<Vec<_>>(), "{at}");
    }
    for at in 4..6 {
        assert_eq!(of(at).await, (13..=18).collect::<Vec<_>>(), "{at}");
    }
    assert!(world.state.tree(CallId::generate()).await.unwrap().is_empty());
    assert_nested(&world).await;
}

fn fetch_slowly() -> Value {
    errand("fetch", &json!({ "method": "GET", "target": "/items/slow" }))
}

#[tokio::test]
async fn a_handle_whose_time_is_over_ends_the_called_tool_and_not_its_caller() {
    let world = house().world().await;
    let mut hurried = fetch_slowly();
    hurried["time_ms"] = json!(300);
    let (said, ()) = tokio::join!(told(&world, "relay", hurried), world.upstream.slow_ended());
    assert_eq!(said, "refused: the handle's time is over");
    world.until_closed().await;
    world.until_closed().await;
    let (_, below) = entries(&world, "fetch").await;
    assert_eq!(below[0]["outcome"], "time-over");
    let (_, above) = entries(&world, "relay").await;
    let note = last_note(&above[0]);
    assert_eq!((&note["note"], &note["outcome"]), (&json!("called"), &json!("handle-expired")));
}

#[tokio::test]
async fn a_called_tool_has_no_more_time_than_its_caller() {
    let short = PERMITTED.replace("permit(", "@ttl(\"1s\")\npermit(");
    let setting = Setting::default().guest(Guest::Relay).capability(LENT).policy(&short);
    let world = setting.world().await;
    let (outcome, ()) =
        tokio::join!(world.call("relay", fetch_slowly()), world.upstream.slow_ended());
    assert!(matches!(outcome, Err(Stop::Halted(Cause::TimeOver))), "{outcome:?}");
    world.until_closed().await;
    world.until_closed().await;
    let (_, below) = entries(&world, "fetch").await;
    assert_eq!(below[0]["outcome"], "time-over");
}

#[tokio::test]
async fn a_switch_for_the_caller_ends_the_called_tool_in_mid_flight() {
    let world = house().world().await;
    let target = SwitchTarget::Tool("relay".to_owned());
    let throw = async {
        world.upstream.slow_began().await;
        world.throw(target.clone()).await;
        world.upstream.slow_ended().await;
    };
    let (outcome, ()) = tokio::join!(world.call("relay", fetch_slowly()), throw);
    assert!(
        matches!(&outcome, Err(Stop::Halted(Cause::SwitchThrown(one))) if *one == target),
        "{outcome:?}"
    );
    world.until_closed().await;
    world.until_closed().await;
    for tool in ["relay", "fetch"] {
        let (_, closed) = entries(&world, tool).await;
        assert_eq!(closed[0]["outcome"], "halted", "{tool}");
    }
    assert_nested(&world).await;
    // The called tool itself is not switched off.
    world.fetch("/items/1").await.unwrap();
}

#[tokio::test]
async fn a_caller_that_is_cancelled_takes_the_called_tool_with_it() {
    let world = house().world().await;
    let call = world.read("relay", &fetch_slowly());
    let upstream = world.upstream.clone();
    let outcome = world.host.perform_unless(call, async move { upstream.slow_began().await }).await;
    assert!(matches!(outcome, Err(Stop::Cancelled)), "{outcome:?}");
    world.upstream.slow_ended().await;
    world.until_closed().await;
    world.until_closed().await;
    let (_, below) = entries(&world, "fetch").await;
    assert_eq!(below[0]["outcome"], "cancelled");
    let (_, above) = entries(&world, "relay").await;
    assert_eq!(last_note(&above[0])["outcome"], "abandoned");
    assert_nested(&world).await;
}

#[tokio::test]
async fn a_host_without_a_place_left_tells_so_at_once() {
    let full = Setting { places: Some(1), ..house() };
    let said = told(&full.world().await, "relay", read_item()).await;
    assert!(said.starts_with("queue-full: "), "{said}");
    let roomy = Setting { places: Some(2), ..house() };
    let said = told(&roomy.world().await, "relay", read_item()).await;
    assert!(said.contains(MARKER), "{said}");
}
