//! `toolward approval watch`: what comes in and what becomes of it, while it happens.
use std::{collections::HashMap, time::Duration};

use serde_json::json;
use toolward_gate::{ApprovalBook as _, ApprovalId, ApprovalState, Request, visible};
use toolward_state::State;

use super::{Context, Failure};

/// Until it is interrupted.
pub(super) async fn watch(context: &Context, state: &State) -> Result<(), Failure> {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut known = HashMap::new();
    let before = state.list(None).await?;
    for request in before.iter().filter(|one| one.state != ApprovalState::Open) {
        known.insert(request.id, seen(request));
    }
    context.terminal.say("waiting for questions; ctrl-c ends it");
    loop {
        for request in state.list(None).await?.iter().rev() {
            if let Some(event) = event(&mut known, request) {
                show(context, event, request)?;
            }
        }
        tokio::select! {
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// What is known of a question: its state, and how many have answered.
type Seen = (ApprovalState, usize);

fn seen(request: &Request) -> Seen {
    (request.state, request.answers.len())
}

/// What happened to it since the last look.
fn event(known: &mut HashMap<ApprovalId, Seen>, request: &Request) -> Option<&'static str> {
    let now = seen(request);
    let before = known.insert(request.id, now);
    match before {
        None => Some("asked"),
        Some(before) if before == now => None,
        Some((state, _)) if state == request.state => Some("answered"),
        Some(_) => Some(request.state.word()),
    }
}

fn show(context: &Context, event: &str, request: &Request) -> Result<(), Failure> {
    let data = json!({ "event": event, "approval": request });
    let line = || {
        let by: Vec<String> = request.answers.iter().map(|answer| visible(&answer.by)).collect();
        let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
        let until = request.filing.open_until();
        format!("{event} {}{by}: {} until {until:.0}", request.id, request.filing.summary())
    };
    Ok(context.terminal.show(&data, line)?)
}

const LOOK: Duration = Duration::from_millis(300);
