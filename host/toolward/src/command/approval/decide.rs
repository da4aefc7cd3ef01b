//! `toolward approval approve` and `deny`: one person's answer, narrowed where it is to be.
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, Clock as _, DecideError,
    RolesFrom, SystemClock, Verdict,
};
use toolward_state::State;

use super::{Context, Failure};
use crate::{config::Config, narrower::Narrower};

pub(super) async fn approve(
    context: &Context,
    config: &Config,
    state: &State,
    id: ApprovalId,
    (comment, narrower): (String, Narrower),
) -> Result<(), Failure> {
    answer(context, config, state, id, (Verdict::Approve, comment, narrower.limits())).await
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
        roles_from: RolesFrom::Operator,
        limits,
        comment,
        at: SystemClock.now(),
    };
    let decided = state.decide(id, answer).await.map_err(|error| match error {
        DecideError::Unknown(_) => Failure::NotFound(error.to_string()),
        DecideError::Unavailable(error) => error.into(),
        DecideError::Unfit(why) => Failure::Usage(why),
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
