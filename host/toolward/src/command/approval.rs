//! `toolward approval`: what waits for a person, and the person's answer.
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use toolward_gate::{
    Answer, ApprovalBook as _, ApprovalId, ApprovalState, Clock as _, DecideError, Request,
    SystemClock, Verdict,
};
use toolward_state::State;

use super::{Context, Failure};
use crate::{config::Config, wiring};

#[derive(Subcommand)]
pub(super) enum Approval {
    /// List the questions, newest first.
    List {
        #[arg(long, value_enum, default_value = "open")]
        state: Which,
    },
    /// Show one question: everything that an answer is about.
    Show {
        #[arg(value_parser = id)]
        id: ApprovalId,
    },
    /// Say yes. It counts for one run of exactly this call.
    Approve {
        #[arg(value_parser = id)]
        id: ApprovalId,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Say no.
    Deny {
        #[arg(value_parser = id)]
        id: ApprovalId,
        #[arg(long, default_value = "")]
        comment: String,
    },
}

fn id(text: &str) -> Result<ApprovalId, &'static str> {
    text.parse().map_err(|_| "it is not the id of a question; `toolward approval list` shows them")
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Which {
    Open,
    Approved,
    Denied,
    Spent,
    Expired,
    All,
}

impl Which {
    fn state(self) -> Option<ApprovalState> {
        match self {
            Self::Open => Some(ApprovalState::Open),
            Self::Approved => Some(ApprovalState::Approved),
            Self::Denied => Some(ApprovalState::Denied),
            Self::Spent => Some(ApprovalState::Spent),
            Self::Expired => Some(ApprovalState::Expired),
            Self::All => None,
        }
    }
}

impl Approval {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let state = wiring::state(&config).await?;
        match self {
            Self::List { state: which } => list(context, &state, which).await,
            Self::Show { id } => show(context, &state, id).await,
            Self::Approve { id, comment } => {
                decide(context, &config, &state, id, Verdict::Approve, comment).await
            }
            Self::Deny { id, comment } => {
                decide(context, &config, &state, id, Verdict::Deny, comment).await
            }
        }
    }
}

async fn list(context: &Context, state: &State, which: Which) -> Result<(), Failure> {
    let requests = state.list(which.state()).await?;
    let line = |request: &Request| {
        format!(
            "{} {} {} until {:.0}\n",
            request.id,
            word(&request.state),
            request.filing.summary(),
            request.filing.expires_at
        )
    };
    context
        .terminal
        .show(&json!({ "approvals": requests }), || requests.iter().map(line).collect())?;
    if requests.is_empty() {
        context.terminal.say("there are none");
    }
    Ok(())
}

async fn show(context: &Context, state: &State, id: ApprovalId) -> Result<(), Failure> {
    let request = state
        .show(id)
        .await?
        .ok_or_else(|| Failure::NotFound(DecideError::Unknown(id).to_string()))?;
    context.terminal.show(&request, || described(&request))?;
    Ok(())
}

/// Everything that an answer binds, and the arguments as the very bytes that will run.
fn described(request: &Request) -> String {
    let filing = &request.filing;
    let names = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    let roles = names(&mut filing.approvers.roles.iter().cloned());
    let answers: String = request
        .answers
        .iter()
        .map(|answer| {
            format!(
                "answer        {} by {} at {:.0} {}\n",
                word(&answer.verdict),
                answer.by,
                answer.at,
                visible(&answer.comment)
            )
        })
        .collect();
    format!(
        "approval      {}\nstate         {}\nprincipal     {}\nacts for      {}\ntool          {} ({})\ncapabilities  {}\nrisk          {}\n\
         needs         {} of {}\nfiled         {:.0}\nexpires       {:.0}\npolicies      {}\n{answers}arguments\n{}",
        request.id,
        word(&request.state),
        filing.principal,
        filing.acts_for.join(", "),
        filing.tool,
        filing.tool_digest,
        names(&mut filing.capabilities.iter().map(ToString::to_string)),
        word(&filing.risk),
        filing.approvers.count,
        if roles.is_empty() { "anybody else" } else { &roles },
        filing.filed_at,
        filing.expires_at,
        filing.policy_version,
        visible(&filing.arguments),
    )
}

/// As JSON and the database write it.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Text from elsewhere, with what a terminal would act on or hide written out.
pub(super) fn visible(text: &str) -> String {
    let hidden = |one: char| {
        one.is_control()
            || matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::new();
    for one in text.chars() {
        if hidden(one) { shown.extend(one.escape_unicode()) } else { shown.push(one) }
    }
    shown
}

async fn decide(
    context: &Context,
    config: &Config,
    state: &State,
    id: ApprovalId,
    verdict: Verdict,
    comment: String,
) -> Result<(), Failure> {
    let answer = Answer {
        by: config.operator_id(),
        roles: config.operator.roles.clone(),
        verdict,
        comment,
        at: SystemClock.now(),
    };
    let decided = state.decide(id, answer).await.map_err(|error| match error {
        DecideError::Unknown(_) => Failure::NotFound(error.to_string()),
        DecideError::Unavailable(error) => error.into(),
        refused @ (DecideError::OwnCall(_)
        | DecideError::NotAnApprover { .. }
        | DecideError::AnsweredBefore(_)
        | DecideError::NotOpen { .. }) => Failure::Refused(refused.to_string()),
    })?;
    context.terminal.show(&decided, || format!("{id}: {}", word(&decided.state)))?;
    if decided.state == ApprovalState::Open {
        context.terminal.say("another person has to agree as well");
    }
    Ok(())
}
