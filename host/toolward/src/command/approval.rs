//! `toolward approval`: what waits for a person, and the person's answer.
mod decide;
mod listen;
mod request;
mod watch;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use toolward_gate::{
    AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, DecideError, Request, Verdict,
};
use toolward_state::State;

use super::{Context, Failure};
use crate::{config::Config, narrower::Narrower, wiring};

pub(super) use toolward_gate::visible;

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
    /// Say yes, or a yes to less than was asked for. It counts for one run of exactly this call.
    Approve {
        #[arg(value_parser = id)]
        id: ApprovalId,
        #[arg(long, default_value = "")]
        comment: String,
        #[command(flatten)]
        narrower: Narrower,
    },
    /// Say no; or end an access before its time.
    Deny {
        #[arg(value_parser = id)]
        id: ApprovalId,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Show new questions, and what becomes of them, until it is interrupted. With `--json`, one object a line.
    Watch,
    /// Ask for a capability that you do not have, for a time: two others have to agree.
    Request(request::RequestAccess),
    /// Tell people of questions, and take their answers from Slack and from links in mail.
    Listen(listen::Listen),
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
        match self {
            Self::Request(request) => return request.run(context).await,
            Self::Listen(listen) => return listen.run(context).await,
            other @ (Self::List { .. }
            | Self::Show { .. }
            | Self::Approve { .. }
            | Self::Deny { .. }
            | Self::Watch) => {
                let config = context.config()?;
                let state = wiring::state(&config).await?;
                other.run_on(context, &config, &state).await
            }
        }
    }

    async fn run_on(
        self,
        context: &Context,
        config: &Config,
        state: &State,
    ) -> Result<(), Failure> {
        match self {
            Self::List { state: which } => list(context, state, which).await,
            Self::Show { id } => show(context, state, id).await,
            Self::Watch => watch::watch(context, state).await,
            Self::Approve { id, comment, narrower } => {
                decide::approve(context, config, state, id, (comment, narrower)).await
            }
            Self::Deny { id, comment } => {
                let no = (Verdict::Deny, comment, AnswerLimits::default());
                decide::answer(context, config, state, id, no).await
            }
            // They need more than the database.
            Self::Request(_) | Self::Listen(_) => Ok(()),
        }
    }
}

async fn list(context: &Context, state: &State, which: Which) -> Result<(), Failure> {
    let requests = state.list(which.state()).await?;
    let line = |request: &Request| {
        format!(
            "{} {} {} until {:.0}\n",
            request.id,
            request.state.word(),
            request.filing.summary(),
            request.filing.open_until()
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
    let request = find(state, id).await?;
    let all = request.to_json().map_err(anyhow::Error::from)?;
    context.terminal.show(&all, || request.described())?;
    Ok(())
}

async fn find(state: &State, id: ApprovalId) -> Result<Request, Failure> {
    let found = state.show(id).await?;
    found.ok_or_else(|| Failure::NotFound(DecideError::Unknown(id).to_string()))
}
