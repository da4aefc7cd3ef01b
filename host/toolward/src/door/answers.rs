//! The way in for answers of people: Slack's buttons, and links in mail. It carries no calls.
//!
//! ```text
//! POST /approval/slack/{teller}   a button: signed by Slack, counts once
//! GET  /approval/link/{word}      what a link is about; nothing changes
//! POST /approval/link/{word}      {"verdict": "approve" | "deny", "comment": "…"}, with a login
//! ```
use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request as Asked, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use toolward_gate::{
    Answer, AnswerLimits, ApprovalBook as _, ApprovalId, ApprovalState, Clock, DecideError, Kind,
    Principal, Request, RolesFrom, Verdict, visible,
};
use toolward_state::{ApprovalLink, LinkError};
use toolward_vault::verify_signature;

use super::{
    body,
    guard::{Credentials, Scheme, credentials},
    place::only,
    problem::{Problem, of_undecided},
};
use crate::{
    authn::{Authn, Shown},
    narrower,
    telling::{LIMITS, Means, SlackConfig, TellerConfig},
};

/// Who takes the answers.
pub struct AnswerDesk {
    pub means: Means,
    pub authn: Arc<Authn>,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AnswerDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerDesk").finish_non_exhaustive()
    }
}

type Desk = State<Arc<AnswerDesk>>;

/// The routes, for whichever listener administers this host.
pub fn router(desk: Arc<AnswerDesk>) -> Router {
    Router::new()
        .route("/approval/slack/{teller}", post(slack))
        .route("/approval/link/{word}", get(look).post(decide))
        .with_state(desk)
}

/// Why an answer was not taken: what to say, and as what.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        plain(self.0, self.1)
    }
}

impl From<DecideError> for Refused {
    fn from(error: DecideError) -> Self {
        Self(of_undecided(&error).0, error.to_string())
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
        Self(status, problem.detail)
    }
}

impl From<LinkError> for Refused {
    fn from(error: LinkError) -> Self {
        let status = match &error {
            LinkError::Gone => StatusCode::NOT_FOUND,
            LinkError::Undecided(error) => of_undecided(error).0,
            LinkError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, error.to_string())
    }
}

impl From<toolward_gate::Unavailable> for Refused {
    fn from(error: toolward_gate::Unavailable) -> Self {
        tracing::error!(cause = %error.cause, "an answer cannot be taken");
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

/// Text, and nothing else: no reader acts on what stands in it.
fn plain(status: StatusCode, text: String) -> Response {
    (status, HEADERS, text).into_response()
}

async fn slack(
    State(desk): Desk,
    Path(teller): Path<String>,
    asked: Asked,
) -> Result<Response, Refused> {
    let Some(TellerConfig::Slack(config)) = desk.means.config.tellers.get(&teller) else {
        return Err(Refused(StatusCode::NOT_FOUND, "there is no such teller".to_owned()));
    };
    let (parts, body) = asked.into_parts();
    let body = body::bytes(&parts.headers, body, MAX_BODY).await?;
    desk.check_signed(config, &parts.headers, &body).await?;
    let pressed = Pressed::read(&body).ok_or_else(|| not_understood("it is no pressed button"))?;
    let said = match desk.take(&pressed).await {
        Ok(request) => {
            let by = desk.name(&pressed);
            let limits = request.answers.last().map(|answer| &answer.limits);
            let limits = limits.filter(|limits| !limits.is_none());
            let within = limits.map_or(String::new(), |limits| format!(" within {limits}"));
            format!("{}: {} by {by}{within}", request.id, request.state.word())
        }
        Err(Refused(status, why)) => {
            tracing::warn!(%status, %why, "an answer from Slack was not taken");
            format!("{}: not taken: {why}", pressed.approval)
        }
    };
    // Slack wants to be answered within three seconds; what became of it is said in the channel.
    let (config, desk) = (config.clone(), desk.clone());
    tokio::spawn(async move {
        if let Err(error) = config.say(&desk.means, &visible(&said)).await {
            tracing::warn!(%error, "what became of an answer cannot be said in the channel");
        }
    });
    Ok(plain(StatusCode::OK, String::new()))
}

fn not_understood(why: &str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.to_owned())
}

impl AnswerDesk {
    /// Before anything of the body is read.
    async fn check_signed(
        &self,
        config: &SlackConfig,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Refused> {
        let unsigned = |why: String| Refused(StatusCode::UNAUTHORIZED, why);
        // One of two would be a choice.
        let field = |name| only(headers, &name).unwrap_or_default();
        let secret = self.means.secret(&config.store, &config.signing_secret).await;
        let secret = secret.map_err(|error| {
            tracing::error!(%error, "Slack's signing secret cannot be read");
            Refused(StatusCode::SERVICE_UNAVAILABLE, "the signing secret cannot be read".to_owned())
        })?;
        let signature = field(SLACK_SIGNATURE);
        let parts = ("v0", field(SLACK_TIMESTAMP), signature);
        let believed = verify_signature(&secret, parts, body, self.clock.now());
        believed.map_err(|error| unsigned(error.to_string()))?;
        // Hex reads the same in both cases.
        if self.means.state.is_first_answer(&signature.to_ascii_lowercase()).await? {
            return Ok(());
        }
        Err(unsigned("the same answer came before".to_owned()))
    }

    async fn take(&self, pressed: &Pressed) -> Result<Request, Refused> {
        let known = self.means.config.slack_member(&pressed.member);
        let (name, person) = known.ok_or_else(|| {
            let why = "nobody of `[approval.person]` has this member's id";
            Refused(StatusCode::FORBIDDEN, why.to_owned())
        })?;
        let shown = self.means.state.show(pressed.approval).await?;
        let shown = shown.ok_or(DecideError::Unknown(pressed.approval))?;
        if shown.filing.digest.digest().to_string() != pressed.binds {
            return Err(not_understood("the button is about another call"));
        }
        let answer = Answer {
            by: name.to_owned(),
            acts_for: Vec::new(),
            roles: person.roles.clone(),
            verdict: pressed.verdict,
            roles_from: RolesFrom::Person,
            limits: pressed.limits()?,
            comment: "through Slack".to_owned(),
            at: self.clock.now(),
        };
        Ok(self.means.state.decide(pressed.approval, answer).await?)
    }

    fn name(&self, pressed: &Pressed) -> String {
        let known = self.means.config.slack_member(&pressed.member);
        known.map_or_else(|| "nobody".to_owned(), |(name, _)| name.to_owned())
    }

    /// Whoever logs in with a token. Fails where there is none, and where it is not the one the link was sent to.
    async fn person(&self, link: &ApprovalLink, headers: &HeaderMap) -> Result<Principal, Refused> {
        let token = match credentials(headers) {
            Credentials::Shown(Scheme::Bearer, token) => token,
            Credentials::Absent => {
                let told = format!(
                    "A question waits. This link alone shows nothing and decides nothing: send it with a login (`Authorization: Bearer`), or run `toolward approval show {}`.",
                    link.approval
                );
                return Err(Refused(StatusCode::UNAUTHORIZED, told));
            }
            // One of several would be a choice.
            Credentials::Shown(Scheme::Dpop, _) | Credentials::Malformed => {
                return Err(not_understood(
                    "send one `Authorization` field, with `Bearer` and a token",
                ));
            }
        };
        let principal = self.authn.identify(Some(Shown::bearer(token))).await;
        let principal =
            principal.map_err(|error| Refused(StatusCode::UNAUTHORIZED, error.to_string()))?;
        if principal.kind() != Kind::User || principal.id() != link.person {
            let why = "the link was sent to somebody else";
            return Err(Refused(StatusCode::FORBIDDEN, why.to_owned()));
        }
        Ok(principal)
    }
}

async fn look(
    State(desk): Desk,
    Path(word): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let link = desk.means.state.follow_link(&word).await?;
    desk.person(&link, &headers).await?;
    let request = desk.means.state.show(link.approval).await?;
    let request = request.ok_or(DecideError::Unknown(link.approval))?;
    Ok(plain(StatusCode::OK, request.described()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    verdict: Verdict,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    limits: AnswerLimits,
}

async fn decide(
    State(desk): Desk,
    Path(word): Path<String>,
    asked: Asked,
) -> Result<Response, Refused> {
    let link = desk.means.state.follow_link(&word).await?;
    let (parts, body) = asked.into_parts();
    let person = desk.person(&link, &parts.headers).await?;
    let decided: Decided =
        body::read(&parts.headers, body, MAX_BODY, "the body is no answer").await?;
    let answer = Answer {
        by: person.id().to_owned(),
        acts_for: person.acts_for().to_vec(),
        roles: person.roles().clone(),
        verdict: decided.verdict,
        roles_from: RolesFrom::Token,
        limits: decided.limits,
        comment: decided.comment,
        at: desk.clock.now(),
    };
    let request = desk.means.state.decide_by_link(&word, answer).await?;
    let more = if request.state == ApprovalState::Open {
        "; another person has to agree as well"
    } else {
        ""
    };
    Ok(plain(StatusCode::OK, format!("{}: {}{more}", request.id, request.state.word())))
}

/// A button that somebody pressed
/// (<https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>).
struct Pressed {
    member: String,
    verdict: Verdict,
    approval: ApprovalId,
    /// The digest of the call that the message showed.
    binds: String,
    /// What a yes is narrowed to, as it was written.
    limits: String,
}

impl Pressed {
    /// Fails with what to write. A no has none.
    fn limits(&self) -> Result<AnswerLimits, Refused> {
        match self.verdict {
            Verdict::Approve => narrower::read(&self.limits).map_err(|why| not_understood(&why)),
            Verdict::Deny => Ok(AnswerLimits::default()),
        }
    }

    fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            r#type: String,
            user: User,
            actions: Vec<Action>,
            #[serde(default)]
            state: Inputs,
        }
        /// What stands in the inputs of the message, by block and action.
        #[derive(Default, Deserialize)]
        struct Inputs {
            values: BTreeMap<String, BTreeMap<String, Input>>,
        }
        #[derive(Deserialize)]
        struct Input {
            #[serde(default)]
            value: Option<String>,
        }
        #[derive(Deserialize)]
        struct User {
            id: String,
        }
        #[derive(Deserialize)]
        struct Action {
            action_id: String,
            value: String,
        }
        let mut fields = url::form_urlencoded::parse(body);
        let (name, text) = fields.next().filter(|_| fields.next().is_none())?;
        let payload: Payload = serde_json::from_str(&text).ok().filter(|_| name == "payload")?;
        let [action] = payload.actions.as_slice() else { return None };
        let verdict = match action.action_id.as_str() {
            "toolward-approve" => Verdict::Approve,
            "toolward-deny" => Verdict::Deny,
            _ => return None,
        };
        let (id, binds) =
            action.value.split_once(' ').filter(|_| payload.r#type == "block_actions")?;
        let (approval, binds) = (id.parse().ok()?, binds.to_owned());
        let mut inputs = payload.state.values;
        let input = inputs.remove(LIMITS).and_then(|mut block| block.remove(LIMITS));
        let limits = input.and_then(|input| input.value).unwrap_or_default();
        Some(Self { member: payload.user.id, verdict, approval, binds, limits })
    }
}

const SLACK_SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
const SLACK_TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");
/// Bytes of an answer.
const MAX_BODY: usize = 256 << 10;
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
];
