//! Decisions in a second with 10, 1,000 and 10,000 policies: by the slices, and by the whole set in the same run.
//!
//! `cargo bench -p toolward-gate --bench decisions`. Of each number of policies, four have a say in the call;
//! the others are for other principals, tools and capabilities.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "it prints figures"
)]
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request};
use jiff::Timestamp;
use serde_json::json;
use toolward_gate::{
    Arguments, Call, CallId, Capabilities, CedarPolicy, Decision, Digest, Facts, Identity,
    InstalledTool, Kind, Notes, Policy as _, Principal, ProgressSink, SourceFile, ToolRef, Want,
};

fn main() {
    let sets = [10, 1_000, 10_000].map(|count| (count, policies(count)));
    // All of them are there before one is measured, and they take turns: what slows one down slows down all.
    let loaded = sets.each_ref().map(|(_, text)| load(text));
    let sliced = sliced(&loaded, &call());
    println!(
        "{:>8} {:>11} {:>9} {:>9} {:>13}",
        "policies", "sliced/s", "p50 µs", "p99 µs", "whole set µs"
    );
    for ((count, text), (p50, p99)) in sets.iter().zip(sliced) {
        let (each, p99, whole) = (micros(p50), micros(p99), micros(whole(text)));
        println!("{count:>8} {:>11.0} {each:>9.1} {p99:>9.1} {whole:>13.1}", 1e6 / each);
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Four about the call, and others in every form of head.
fn policies(count: usize) -> String {
    let mut text = String::from(
        "permit(principal in Role::\"assistant\", action == Action::\"call\", resource in Component::\"till\");\n\
         @rate(\"10/minute\") permit(principal in Role::\"assistant\", action == Action::\"money:charges:create\", resource == Tool::\"charge\") when { context.arguments.amount < 500 };\n\
         @ttl(\"20s\") permit(principal, action == Action::\"money:charges:create\", resource in Component::\"till\") when { context.time.hour < 24 };\n\
         forbid(principal in Role::\"assistant\", action, resource in Component::\"till\") when { context.environment == \"nowhere\" };\n",
    );
    for number in 4..count {
        text += &match number % 3 {
            0 => format!(
                "permit(principal == Agent::\"other-{number}\", action == Action::\"call\", resource);\n"
            ),
            1 => format!(
                "permit(principal in Role::\"other-{number}\", action == Action::\"money:charges:create\", resource in Component::\"till\") when {{ context.arguments.amount < {number} }};\n"
            ),
            _ => format!(
                "forbid(principal, action in Action::\"use\", resource == Tool::\"other-{number}\");\n"
            ),
        };
    }
    text
}

fn tool() -> InstalledTool {
    InstalledTool {
        name: "charge".parse().unwrap(),
        component: "till".parse().unwrap(),
        digest: Digest::of(b"till"),
        wants: [Want { capability: "money:charges:create".parse().unwrap(), required: true }]
            .into(),
        input_schema: json!({ "type": "object", "properties": { "amount": { "type": "integer" } }, "required": ["amount"] }),
    }
}

fn load(text: &str) -> CedarPolicy {
    let file = SourceFile::new(
        "capabilities.toml",
        "[capability.\"money:charges:create\"]\ndescription = \"Money moves.\"\ninterface = \"log\"\nrisk = \"low\"\n",
    );
    let capabilities = Capabilities::parse(&file, &["log"]).unwrap();
    let files = [SourceFile::new("many.cedar", text)];
    CedarPolicy::load(&files, Arc::new(capabilities), &[tool()], "production").unwrap()
}

fn call() -> Call {
    let InstalledTool { name, component, digest, wants, .. } = tool();
    Call {
        id: CallId::generate(),
        principal: Principal::authenticated(Identity {
            id: "agent-7".to_owned(),
            kind: Kind::Agent,
            roles: ["assistant".to_owned(), "triage".to_owned()].into(),
            groups: ["desk".to_owned()].into(),
            acts_for: Vec::new(),
            scope: None,
            ends_at: None,
        }),
        tool: ToolRef { name, component, digest, wants },
        arguments: Arguments::from_value(json!({ "amount": 100 })).unwrap(),
        door: "cli",
        notes: Notes::default(),
        progress: ProgressSink::default(),
        parent: None,
    }
}

/// For each set, the median of one decision about a whole call, which asks about two actions, and its 99th
/// percentile.
fn sliced(loaded: &[CedarPolicy], call: &Call) -> Vec<(Duration, Duration)> {
    let facts = Facts {
        now: Timestamp::UNIX_EPOCH,
        approval: None,
        remaining: None,
        exceptions: toolward_gate::Exceptions::default(),
        not_yours: [].into(),
    };
    let mut times = vec![Vec::new(); loaded.len()];
    for _ in 0..20_000 {
        for (policy, times) in loaded.iter().zip(&mut times) {
            let begun = Instant::now();
            let decision = black_box(policy.decide(call, &facts));
            times.push(begun.elapsed());
            assert!(matches!(decision, Decision::Allow(_)));
        }
    }
    times.into_iter().map(quantiles).collect()
}

/// The median of asking the whole set about the same two actions, with the request made before.
fn whole(text: &str) -> Duration {
    let set: PolicySet = text.parse().unwrap();
    let context = json!({ "arguments": { "amount": 100 }, "time": { "hour": 0 }, "environment": "production" });
    let ask = |action: &str| {
        let context = Context::from_json_value(context.clone(), None).unwrap();
        let names = [
            r#"Agent::"agent-7""#.to_owned(),
            format!("Action::\"{action}\""),
            r#"Tool::"charge""#.to_owned(),
        ];
        let [who, what, on] = names.map(|name| name.parse().unwrap());
        Request::new(who, what, on, context, None).unwrap()
    };
    let entities = json!([
        { "uid": { "type": "Agent", "id": "agent-7" }, "attrs": {}, "parents": [{ "type": "Role", "id": "assistant" }] },
        { "uid": { "type": "Tool", "id": "charge" }, "attrs": {}, "parents": [{ "type": "Component", "id": "till" }] },
    ]);
    let entities = Entities::from_json_value(entities, None).unwrap();
    let (requests, authorizer) = ([ask("call"), ask("money:charges:create")], Authorizer::new());
    let rounds = (200_000 / text.lines().count()).clamp(20, 2_000);
    measured(rounds, || {
        for request in &requests {
            black_box(authorizer.is_authorized(request, &set, &entities));
        }
    })
    .0
}

fn measured(rounds: usize, mut work: impl FnMut()) -> (Duration, Duration) {
    (0..rounds / 10).for_each(|_| work());
    let one = |_| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    quantiles((0..rounds).map(one).collect())
}

/// The median and the 99th percentile.
fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    (at(50), at(99))
}
