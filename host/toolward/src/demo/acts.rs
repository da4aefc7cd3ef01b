//! The steps of the demo, in order. Each claims what it shows, and is checked while it shows it.
use std::{collections::BTreeSet, future::Future, pin::Pin, time::Instant};

use serde_json::{Value, json};
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, DecideError, Refusal, RolesFrom, Stop,
    Switch, SwitchFeed as _, SwitchTarget, Verdict,
};
use toolward_sandbox::Output;

use super::{
    Step,
    stage::Stage,
    standins::{MARKER, Seen},
    sweep::{Sweep, contains},
};

type Act = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = anyhow::Result<Step>> + Send + 'a>>;

/// Every step. A new one is a function and a line here.
pub(super) const ALL: &[Act] = &[
    |stage| Box::pin(allowed(stage)),
    |stage| Box::pin(swept(stage)),
    |stage| Box::pin(refused(stage)),
    |stage| Box::pin(overreached(stage)),
    |stage| Box::pin(echoed(stage)),
    |stage| Box::pin(looped(stage)),
    |stage| Box::pin(paid(stage)),
    |stage| Box::pin(killed(stage)),
    |stage| Box::pin(tampered(stage)),
];

async fn allowed(stage: &Stage) -> anyhow::Result<Step> {
    let mut step =
        Step::new("An allowed call: the upstream sees the credential, the tool does not");
    let outcome = stage
        .call("open_issue", &json!({"owner": "acme", "repo": "site", "title": "Broken link"}))
        .await?;
    step.show("agent  → open_issue {owner: acme, repo: site, title: Broken link}");
    step.show("tool   → POST /repos/acme/site/issues, under `github:issues:write`; it names no host and no key");
    let bearer = format!("Bearer {}", stage.github_token());
    let seen = stage.seen_at("/repos/acme/site/issues");
    step.claim(
        format!("upstream saw `authorization: Bearer {}…`", prefix(stage.github_token())),
        seen.iter().any(|seen| seen.authorization.as_deref() == Some(&bearer)),
    );
    step.claim(format!("agent  ← {}", told(&outcome)), outcome.is_ok());
    let forecast = stage.call("get_forecast", &json!({"city": "Berlin"})).await?;
    step.claim(
        format!(
            "and a tool without any secret: get_forecast {{city: Berlin}} → {}",
            told(&forecast)
        ),
        forecast.is_ok(),
    );
    Ok(step)
}

async fn swept(stage: &Stage) -> anyhow::Result<Step> {
    let mut step =
        Step::new("The credential is nowhere that the tool, the agent or a log could read it");
    step.show("hostile tool → GET /repos/acme/site/issues under `github:issues:read`, then hands out its whole memory");
    let outcome = stage.call("dump_memory", &json!({"owner": "acme", "repo": "site"})).await?;
    let Ok(output) = outcome else {
        step.claim(format!("the tool ran: {}", told(&outcome)), false);
        return Ok(step);
    };
    let memory =
        hex::decode(output.value.get("memory").and_then(Value::as_str).unwrap_or_default())?;
    step.claim(
        format!("the sweep works: what the tool did receive ({MARKER:?}) is found in its {} bytes of memory", memory.len()),
        contains(&memory, MARKER.as_bytes()),
    );
    let sinks = [
        ("linear memory, all of it", memory),
        ("result", serde_json::to_vec(&output.value)?),
        ("log of every crate, at TRACE", stage.log()),
        ("audit trail", stage.audit_bytes().await?),
    ];
    for (secret, value) in
        [("GitHub token", stage.github_token()), ("payments key", stage.payments_key())]
    {
        let sweep = Sweep::for_secret(value);
        for (sink, bytes) in &sinks {
            let found = sweep.find(bytes);
            step.claim(
                format!("{secret} in the {sink} ({} bytes): {}", bytes.len(), forms(&found)),
                found.is_empty(),
            );
        }
    }
    Ok(step)
}

async fn refused(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("A call that no policy permits is refused before anything runs");
    let before = stage.seen_at("/repos/evil/repo/issues").len();
    let outcome = stage
        .call("open_issue", &json!({"owner": "evil", "repo": "repo", "title": "hello"}))
        .await?;
    step.show("agent → open_issue {owner: evil, …}; the policy says `owner == \"acme\"`");
    step.claim(format!("agent ← {}", told(&outcome)), matches!(outcome, Err(Stop::Refused(_))));
    step.claim("upstream saw nothing", stage.seen_at("/repos/evil/repo/issues").len() == before);
    Ok(step)
}

async fn overreached(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("A tool that wants an interface it was not granted does not start");
    let outcome = stage.call("phone_home", &json!({})).await?;
    step.show("the component imports `http` and wants `telemetry:events:write`, which is not granted to anyone");
    let told = told(&outcome);
    step.claim(
        format!("agent ← {told}"),
        matches!(outcome, Err(Stop::Refused(Refusal::NotGranted { .. }))),
    );
    step.claim(
        "the refusal names the capability and the interface",
        told.contains("telemetry:events:write") && told.contains("http"),
    );
    Ok(step)
}

async fn echoed(stage: &Stage) -> anyhow::Result<Step> {
    let mut step =
        Step::new("An upstream that echoes the credential: the response is withheld whole");
    let outcome = stage.call("fetch_debug_page", &json!({"page": "echo"})).await?;
    let bearer = format!("Bearer {}", stage.github_token());
    let seen = stage.seen_at("/debug/echo");
    step.claim(
        "upstream got the credential and put it into its answer",
        seen.iter().any(|seen| seen.authorization.as_deref() == Some(&bearer)),
    );
    let withheld = matches!(&outcome, Err(Stop::Failed(failure)) if failure.code == "withheld");
    step.claim(
        format!(
            "tool  ← http-error `withheld`, and nothing of the answer; agent ← {}",
            told(&outcome)
        ),
        withheld,
    );
    Ok(step)
}

async fn looped(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("A tool that loops is stopped at its limit");
    let began = Instant::now();
    let outcome = stage.call("spin", &json!({})).await?;
    let millis = began.elapsed().as_millis();
    step.show("the policy says `@ttl(\"1s\")`; the tool says `loop {}`");
    step.claim(
        format!("stopped after {millis} ms: {}", told(&outcome)),
        matches!(outcome, Err(Stop::Halted(toolward_gate::Cause::TimeOver)))
            && (1_000..1_500).contains(&millis),
    );
    Ok(step)
}

async fn paid(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("A payment is held, approved by somebody else, and runs exactly once");
    let charge = json!({"amount": 10_000, "currency": "eur", "description": "Invoice 7731"});
    let charges = || stage.seen_at("/v1/payment_intents").len();
    let first = stage.call("create_charge", &charge).await?;
    let Err(Stop::Held { approval, .. }) = &first else {
        step.claim(format!("held: {}", told(&first)), false);
        return Ok(step);
    };
    step.claim(format!("agent ← {}", told(&first)), charges() == 0);
    let own = stage.state().decide(*approval, answer(stage, stage.agent().id(), "payer")).await;
    step.claim("the agent's own yes is not taken", matches!(own, Err(DecideError::OwnCall(_))));
    approve(stage, *approval).await?;
    step.show("ana (payer) → approve; she is shown the very arguments that will run");
    let changed = stage
        .call(
            "create_charge",
            &json!({"amount": 99_999, "currency": "eur", "description": "Invoice 7731"}),
        )
        .await?;
    step.claim(
        "another amount is another question: held",
        matches!(changed, Err(Stop::Held { .. })) && charges() == 0,
    );
    let (one, two) =
        tokio::join!(stage.call("create_charge", &charge), stage.call("create_charge", &charge));
    let ran = [one?, two?].into_iter().filter(Result::is_ok).count();
    step.claim(
        "the same call twice at once: one runs, and upstream saw one charge",
        ran == 1 && charges() == 1,
    );
    let again = stage.call("create_charge", &charge).await?;
    step.claim(
        "and once more: held anew",
        matches!(again, Err(Stop::Held { .. })) && charges() == 1,
    );
    Ok(step)
}

async fn killed(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("A kill switch thrown mid-flight ends the call and its connection");
    let page = json!({"page": "slow"});
    let target = SwitchTarget::Provider("github".to_owned());
    let throw = async {
        stage.ledger().slow_began().await;
        let began = Instant::now();
        let by = stage.approver().to_owned();
        let reason = "the provider reports a leak".to_owned();
        stage
            .state()
            .throw(Switch {
                target: target.clone(),
                reason,
                by,
                since: stage.now(),
                expires_at: None,
            })
            .await?;
        stage.ledger().slow_ended().await;
        anyhow::Ok(began.elapsed().as_millis())
    };
    let (outcome, silent_after) = tokio::join!(stage.call("fetch_debug_page", &page), throw);
    let outcome = outcome?;
    step.show(
        "the tool waits for a slow answer; an operator runs `toolward kill on provider github`",
    );
    step.claim(
        format!("upstream's connection was gone {} ms after the switch", silent_after?),
        true,
    );
    step.claim(format!("agent ← {}", told(&outcome)), matches!(outcome, Err(Stop::Halted(_))));
    let next = stage.call("list_issues", &json!({"owner": "acme", "repo": "site"})).await?;
    step.claim(
        format!("the next call: {}", told(&next)),
        matches!(next, Err(Stop::Refused(Refusal::Halted(_)))),
    );
    let lifted = stage.state().lift(&target, stage.approver(), "the demo goes on").await?;
    stage.until_lifted(&target).await;
    let after = stage.call("list_issues", &json!({"owner": "acme", "repo": "site"})).await?;
    step.claim(
        "lifted, with who and why on record; calls go through again",
        lifted && after.is_ok(),
    );
    Ok(step)
}

async fn tampered(stage: &Stage) -> anyhow::Result<Step> {
    let mut step = Step::new("The audit trail holds, and shows where it was tampered with");
    let whole = stage.state().verify(&mut |_, _| {}).await?;
    step.claim(
        format!("{} records, chain whole, head {}", whole.links, whole.head.short()),
        whole.fault.is_none(),
    );
    let copy = stage.copy_of_trail().await?;
    let untouched = copy.verify().await?;
    step.claim(
        "a copy of the database verifies as well",
        untouched.fault.is_none() && untouched.links == whole.links,
    );
    copy.rewrite("\"not-granted\"", "\"not-checked\"")?;
    let rewritten = copy.verify().await?;
    let place =
        rewritten.fault.as_ref().map(|fault| format!("record {}: {}", fault.sequence, fault.what));
    step.claim(
        format!(
            "in the copy, one refusal is rewritten: {}",
            place.as_deref().unwrap_or("not noticed")
        ),
        place.is_some(),
    );
    step.show("what a bare chain cannot see, `toolward audit verify` says: a cut-off tail needs checkpoints elsewhere");
    Ok(step)
}

async fn approve(stage: &Stage, approval: ApprovalId) -> anyhow::Result<()> {
    stage.state().decide(approval, answer(stage, stage.approver(), "payer")).await?;
    Ok(())
}

fn answer(stage: &Stage, by: &str, role: &str) -> Answer {
    Answer {
        by: by.to_owned(),
        acts_for: vec![],
        roles: BTreeSet::from([role.to_owned()]),
        verdict: Verdict::Approve,
        roles_from: RolesFrom::Token,
        limits: AnswerLimits::default(),
        comment: "checked against the invoice".to_owned(),
        at: stage.now(),
    }
}

/// What an agent would read.
fn told(outcome: &Result<Output, Stop>) -> String {
    match outcome {
        Ok(output) => shortened(&output.value.to_string()),
        Err(stop) => format!("{}: {stop}", stop.code()),
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn prefix(secret: &str) -> String {
    secret.chars().take(8).collect()
}

fn forms(found: &[&'static str]) -> String {
    if found.is_empty() { "in no form".to_owned() } else { format!("FOUND {}", found.join(", ")) }
}

impl Stage {
    /// The requests that arrived at a path.
    fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.ledger().seen().into_iter().filter(|seen| seen.path == path).collect()
    }
}
