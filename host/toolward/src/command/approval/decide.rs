//! `toolward approval approve` and `deny`: one person's answer, narrowed where it is to be.
use std::collections::BTreeSet;

use clap::Args;
use jiff::SignedDuration;
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, CapabilityName, Clock as _,
    Cost, DecideError, PathPattern, Request, SystemClock, Verdict,
};
use toolward_state::State;

use super::{Context, Failure};
use crate::{command::time::within, config::Config};

/// What a yes is narrowed to. Without any of it, the call runs as the policies allow.
#[derive(Args)]
pub(in crate::command) struct Narrower {
    /// How long the call may run, as in `10s`.
    #[arg(long, value_name = "TIME", value_parser = within(MILLISECOND..=SignedDuration::MAX, "write a time of at least a millisecond, as in `10s`"))]
    time: Option<SignedDuration>,
    /// What the call may come to, as in `usd:0.50`.
    #[arg(long, value_name = "COST", value_parser = cost)]
    cost: Option<Cost>,
    /// How many requests may leave the host.
    #[arg(long, value_name = "NUMBER")]
    requests: Option<u32>,
    /// The longest body, in bytes, of a request and of a response.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<usize>,
    /// The methods that are left of a capability, as in `shop:payments:create=POST`. Can be repeated.
    #[arg(long, value_name = "CAPABILITY=METHOD", value_parser = method)]
    method: Vec<(CapabilityName, String)>,
    /// The paths that are left of a capability, as in `shop:payments:create=/payments/{id}`. Can be repeated.
    #[arg(long, value_name = "CAPABILITY=PATH", value_parser = path)]
    path: Vec<(CapabilityName, PathPattern)>,
}

fn cost(text: &str) -> Result<Cost, &'static str> {
    AnswerLimits::cost_of(text).ok_or("write dollars, as in `usd:0.50`")
}

fn of_capability(text: &str) -> Result<(CapabilityName, &str), String> {
    let (name, rest) =
        text.split_once('=').ok_or("write `CAPABILITY=…`, as in `shop:payments:create=POST`")?;
    Ok((name.parse().map_err(|error: toolward_gate::NameError| error.to_string())?, rest))
}

fn method(text: &str) -> Result<(CapabilityName, String), String> {
    let (name, method) = of_capability(text)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err("write the method in upper case, as in `POST`".to_owned());
    }
    Ok((name, method.to_owned()))
}

fn path(text: &str) -> Result<(CapabilityName, PathPattern), String> {
    let (name, path) = of_capability(text)?;
    let path: Result<_, toolward_gate::PathPatternError> = path.parse();
    Ok((name, path.map_err(|error| error.to_string())?))
}

impl Narrower {
    fn limits(self) -> AnswerLimits {
        let time = self.time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let mut limits = AnswerLimits {
            time_ms: time,
            cost: self.cost,
            requests: self.requests,
            max_bytes: self.max_bytes,
            ..AnswerLimits::default()
        };
        for (name, method) in self.method {
            let own = limits.capabilities.entry(name).or_default();
            own.methods.get_or_insert_default().insert(method);
        }
        for (name, path) in self.path {
            let own = limits.capabilities.entry(name).or_default();
            own.paths.get_or_insert_default().push(path);
        }
        limits
    }
}

/// Fails where limits are about something that is not asked for.
fn check(limits: &AnswerLimits, request: &Request) -> Result<(), Failure> {
    let asked: BTreeSet<&CapabilityName> = request.filing.capabilities.iter().collect();
    if request.filing.access.is_some() && !limits.is_none() {
        return Err(Failure::Usage(
            "access for a time is not narrowed: deny it, and ask for less".to_owned(),
        ));
    }
    match limits.capabilities.keys().find(|name| !asked.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let asked: Vec<&str> = asked.iter().map(|name| name.as_str()).collect();
            let asked = asked.join("`, `");
            Err(Failure::Usage(format!("the call does not use `{name}`; it uses `{asked}`")))
        }
    }
}

pub(super) async fn approve(
    context: &Context,
    config: &Config,
    state: &State,
    id: ApprovalId,
    (comment, narrower): (String, Narrower),
) -> Result<(), Failure> {
    let limits = narrower.limits();
    if !limits.is_none() {
        check(&limits, &super::find(state, id).await?)?;
    }
    answer(context, config, state, id, (Verdict::Approve, comment, limits)).await
}

pub(super) async fn answer(
    context: &Context,
    config: &Config,
    state: &State,
    id: ApprovalId,
    (verdict, comment, limits): (Verdict, String, AnswerLimits),
) -> Result<(), Failure> {
    let answer = Answer {
        by: config.operator_id(),
        acts_for: Vec::new(),
        roles: config.operator.roles.clone(),
        verdict,
        limits,
        comment,
        at: SystemClock.now(),
    };
    let decided = state.decide(id, answer).await.map_err(|error| match error {
        DecideError::Unknown(_) => Failure::NotFound(error.to_string()),
        DecideError::Unavailable(error) => error.into(),
        refused @ (DecideError::OwnCall(_)
        | DecideError::NotAnApprover { .. }
        | DecideError::NotAskedYet(_)
        | DecideError::AnsweredBefore(_)
        | DecideError::NotOpen { .. }) => Failure::Refused(refused.to_string()),
    })?;
    context.terminal.show(&decided, || format!("{id}: {}", decided.state.word()))?;
    if decided.state == ApprovalState::Open {
        context.terminal.say("another person has to agree as well");
    }
    Ok(())
}

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
