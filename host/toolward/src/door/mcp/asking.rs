//! How does the person at a client hear that a call waits for somebody's yes?
//!
//! ```text
//! 2026-07-28            input_required: the client asks, and calls again with what was answered (SEP-2322)
//! before, connected     elicitation/create, while the call waits
//! otherwise             the answer says so, as to every client
//! ```
//!
//! What is answered there decides nothing: it says that it is worth calling again. The words are the host's own, and
//! nothing is asked for but that: no tool has a say in them.
use std::{collections::BTreeMap, time::Duration};

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, CancelledNotificationParam, ClientResult, ElicitRequest,
        ElicitRequestParams, ElicitationAction, ElicitationCapability, ElicitationSchema,
        InputRequest, InputRequiredResult, ProtocolVersion, ServerRequest,
    },
    service::{PeerRequestOptions, RequestContext},
};
use toolward_gate::ApprovalId;

use crate::config::ApprovalPage;

/// How the person at this client is asked, and how often that was done.
pub(super) struct Asking<'call> {
    way: Way<'call>,
    means: Means,
    rounds: u32,
}

enum Way<'call> {
    /// In the answer, after which the client calls again.
    Answer { accepted: bool },
    /// On the connection, while the call waits.
    Request(&'call RequestContext<RoleServer>),
}

/// What can be shown at this client.
struct Means {
    page: Option<ApprovalPage>,
    form: bool,
}

/// What to do with a call that is held.
pub(super) enum Next {
    /// To make it again.
    Again,
    /// To have the client ask.
    Ask(InputRequiredResult),
    /// To say so: nobody is there who could be asked, or they do not want to wait.
    Say,
}

impl<'call> Asking<'call> {
    /// `None` where this client asks nobody.
    pub(super) fn of(
        request: &CallToolRequestParams,
        context: &'call RequestContext<RoleServer>,
        connected: bool,
        page: Option<&ApprovalPage>,
    ) -> Option<Self> {
        let declared = context.client_capabilities()?.elicitation?;
        let means = Means::of(&declared, page)?;
        let (way, rounds) = if context.protocol_version()? >= ProtocolVersion::V_2026_07_28 {
            (Way::Answer { accepted: accepted(request) }, rounds(request))
        } else if connected {
            (Way::Request(context), 0)
        } else {
            return None;
        };
        Some(Self { way, means, rounds })
    }

    pub(super) async fn next(&mut self, tool: &str, approval: ApprovalId) -> Next {
        if self.rounds >= MOST_ROUNDS {
            return Next::Say;
        }
        let asked = self.means.ask(tool, approval, self.rounds == 0);
        self.rounds = self.rounds.saturating_add(1);
        match &self.way {
            Way::Answer { accepted: true } => Next::Ask(self.answer(asked)),
            Way::Answer { accepted: false } => Next::Say,
            Way::Request(context) => {
                if is_accepted(context, asked).await {
                    Next::Again
                } else {
                    Next::Say
                }
            }
        }
    }

    /// Nothing in it is worth forging: the call that comes again finds its question by what it says itself.
    fn answer(&self, asked: ElicitRequestParams) -> InputRequiredResult {
        let request = InputRequest::Elicitation(ElicitRequest::new(asked));
        let requests = BTreeMap::from([(INPUT.to_owned(), request)]);
        InputRequiredResult::new(Some(requests), Some(self.rounds.to_string()))
    }
}

impl Means {
    fn of(declared: &ElicitationCapability, page: Option<&ApprovalPage>) -> Option<Self> {
        // One that names no way knows forms: there was nothing else before 2025-11-25.
        let form = declared.form.is_some() || declared.url.is_none();
        let page = page.filter(|_| declared.url.is_some()).cloned();
        (form || page.is_some()).then_some(Self { page, form })
    }

    /// A page shows who may decide the question itself. It is opened once, where a form can ask from then on.
    fn ask(&self, tool: &str, approval: ApprovalId, is_first: bool) -> ElicitRequestParams {
        let waits = format!("`{tool}` waits until a person approves it (approval {approval}).");
        match self.page.as_ref().filter(|_| is_first || !self.form) {
            Some(page) => ElicitRequestParams::UrlElicitationParams {
                meta: None,
                message: format!(
                    "{waits} This page shows the question to those who may decide it."
                ),
                url: page.of(approval),
                elicitation_id: approval.to_string(),
            },
            None => ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: format!(
                    "{waits} Accept once that is decided, and it is called again: to accept does not approve it."
                ),
                requested_schema: ElicitationSchema::new(BTreeMap::new()),
            },
        }
    }
}

/// Asks on the connection. Who does not want to wait, and a client that cannot ask, do not accept.
async fn is_accepted(context: &RequestContext<RoleServer>, asked: ElicitRequestParams) -> bool {
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(asked));
    let options = PeerRequestOptions::with_timeout(ANSWERED);
    let Ok(asked) = context.peer.send_cancellable_request(request, options).await else {
        return false;
    };
    let id = asked.id.clone();
    match context.ct.run_until_cancelled(asked.await_response()).await {
        Some(Ok(ClientResult::ElicitResult(answer))) => answer.action == ElicitationAction::Accept,
        Some(_) => false,
        // Whoever is still looking at it need not answer.
        None => {
            let taken_back = CancelledNotificationParam::new(Some(id), None);
            drop(context.peer.notify_cancelled(taken_back).await);
            false
        }
    }
}

/// What the client's person said to the last question; a call that brings no answers was not asked about yet.
fn accepted(request: &CallToolRequestParams) -> bool {
    request
        .input_responses
        .as_ref()
        .is_none_or(|answers| answers.get(INPUT).is_some_and(|answer| answer["action"] == "accept"))
}

/// How often this client asked already. What cannot be read is taken for often enough.
fn rounds(request: &CallToolRequestParams) -> u32 {
    let state = request.request_state.as_ref();
    state.map_or(0, |state| state.parse().unwrap_or(MOST_ROUNDS))
}

/// As the client names what it was asked.
const INPUT: &str = "approval";
/// Clients give up after ten, with an error of their own.
const MOST_ROUNDS: u32 = 8;
/// A client waits a minute for a call, by the usual setting; it gets an answer before.
const ANSWERED: Duration = Duration::from_secs(45);
