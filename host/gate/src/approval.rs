//! A person's yes. One more fact for the policy, never a way around it.
mod access;
mod chain;
mod compared;
mod deciding;
mod limits;
mod lookalike;
mod shown;
mod standing;

pub use access::{Access, Exception, Exceptions, WantedAccess};
pub use chain::{Asking, Step, Turn};
pub use compared::{Compared, Difference};
pub use limits::{AnswerLimits, RequestLimits};
pub use shown::{visible, visible_json, visible_json_lines, visible_lines};
pub use standing::{Roles, RolesFrom};

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Call, CallDigest, CallId, CapabilityName, Digest, Parent, Principal, Refusal, Risk, ToolName,
    Unavailable,
};

/// Names a question. Unguessable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(Uuid);

impl ApprovalId {
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for ApprovalId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who may answer: `count` different principals, each in one of the roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    pub count: u8,
    /// Empty: any principal but the requester and those it acts for.
    pub roles: BTreeSet<String>,
}

/// What the policy wants to ask a person.
#[derive(Clone, Debug)]
pub struct Question {
    pub risk: Risk,
    pub approvers: Approvers,
    /// How long the caller is kept waiting before it hears "held".
    pub patience: Duration,
    /// How long the question stays open, and an answer stays good.
    pub expires_in: Duration,
    pub capabilities: Vec<CapabilityName>,
    pub policy_version: Digest,
}

/// On whose behalf a tool is called by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The call that was running when the question was filed. A later one of the same tools finds the same question.
    pub call: CallId,
    /// The tools that wait for each other, the outermost first. An answer binds them.
    pub tools: Vec<ToolName>,
}

impl Caller {
    fn of(parent: &Parent) -> Self {
        Self { call: parent.call(), tools: parent.running().to_vec() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tool in self.tools.iter().rev() {
            write!(f, "`{tool}` ")?;
        }
        write!(f, "in call {}", self.call)
    }
}

/// A question as it is filed: everything that a person is shown, and everything that the answer binds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filing {
    pub digest: CallDigest,
    pub principal: String,
    /// For whom the principal acts; neither it nor they may decide.
    pub acts_for: Vec<String>,
    pub tool: ToolName,
    pub tool_digest: Digest,
    /// The call of a tool that asked for this one; absent where a door did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// Canonical JSON: the very bytes that will run.
    pub arguments: String,
    pub capabilities: Vec<CapabilityName>,
    pub policy_version: Digest,
    pub risk: Risk,
    pub approvers: Approvers,
    /// Who is asked in which order; empty: whoever may answer, until it expires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Present where not one call is asked for, but a capability for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Present where the same principal has asked for the same tool before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    pub filed_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Filing {
    /// Fails when the time the question stays open does not fit the calendar.
    pub fn new(call: &Call, question: &Question, now: Timestamp) -> Result<Self, Unavailable> {
        let expires_at = now
            .checked_add(question.expires_in)
            .map_err(|error| Unavailable::new("the clock", error))?;
        Ok(Self {
            digest: call.digest(&question.capabilities, question.policy_version),
            principal: call.principal.id().to_owned(),
            acts_for: call.principal.acts_for().to_vec(),
            tool: call.tool.name.clone(),
            tool_digest: call.tool.digest,
            caller: call.parent.as_ref().map(Caller::of),
            arguments: call.arguments.canonical().to_owned(),
            capabilities: question.capabilities.clone(),
            policy_version: question.policy_version,
            risk: question.risk,
            approvers: question.approvers.clone(),
            turns: Vec::new(),
            access: None,
            compared: None,
            filed_at: now,
            expires_at,
        })
    }

    /// One line for the caller and the list of open questions.
    pub fn summary(&self) -> String {
        let principal = visible(&self.principal);
        if let Some(access) = &self.access {
            let capabilities: Vec<&str> =
                self.capabilities.iter().map(CapabilityName::as_str).collect();
            let (names, seconds) = (capabilities.join("`, `"), access.seconds);
            return format!(
                "access to `{names}` with `{}` for {seconds} s by `{principal}`",
                self.tool
            );
        }
        let caller = self.caller.as_ref().map(|caller| format!(", called by {caller}"));
        format!("`{}` by `{principal}`{}", self.tool, caller.unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalState {
    /// Waits for an answer.
    Open,
    Approved,
    Denied,
    /// Approved, and the call it was for has run.
    Spent,
    Expired,
}

impl ApprovalState {
    /// As JSON writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Spent => "spent",
            Self::Expired => "expired",
        }
    }
}

/// A filed question and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub id: ApprovalId,
    #[serde(flatten)]
    pub filing: Filing,
    pub state: ApprovalState,
    pub answers: Vec<Answer>,
    /// Whose yes does not count any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lapsed: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Approve,
    Deny,
}

impl Verdict {
    /// As JSON writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// What one person said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub by: String,
    /// For whom this one acts. Whoever may not decide does not do so through somebody else either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts_for: Vec<String>,
    pub roles: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "RolesFrom::is_token")]
    pub roles_from: RolesFrom,
    pub verdict: Verdict,
    /// What a yes is narrowed to.
    #[serde(default, skip_serializing_if = "AnswerLimits::is_none")]
    pub limits: AnswerLimits,
    pub comment: String,
    pub at: Timestamp,
}

impl Answer {
    /// Whoever stands behind it.
    pub(crate) fn people(&self) -> impl Iterator<Item = &str> {
        [&self.by].into_iter().chain(&self.acts_for).map(String::as_str)
    }
}

/// A yes that others gave to this very call, and that is not spent yet.
#[derive(Debug)]
pub struct Approval {
    id: ApprovalId,
    by: BTreeSet<String>,
    limits: AnswerLimits,
}

impl Approval {
    /// `None` while answers are missing; fails when somebody said no, or nobody answered in time.
    ///
    /// Yeses that lapsed, answers of the requester, of those it acts for, of whoever acts for one of them, of people without a role that
    /// was asked for, and second answers of one person do not count.
    pub(crate) fn check(request: &Request, asker: &Principal) -> Result<Option<Self>, Refusal> {
        let agreed = Agreed::to(request, asker)?;
        let Agreed { by, limits, enough } = agreed;
        if !enough && request.state == ApprovalState::Denied {
            return Err(Refusal::Unanswered);
        }
        // A question about a capability for a time is no yes to a call.
        let yes = enough && request.filing.access.is_none();
        Ok(yes.then_some(Self { id: request.id, by, limits }))
    }

    pub fn id(&self) -> ApprovalId {
        self.id
    }
    pub fn by(&self) -> &BTreeSet<String> {
        &self.by
    }
    /// What all of them allow.
    pub fn limits(&self) -> &AnswerLimits {
        &self.limits
    }
}

/// The answers that count.
struct Agreed {
    by: BTreeSet<String>,
    limits: AnswerLimits,
    enough: bool,
}

impl Agreed {
    fn to(request: &Request, asker: &Principal) -> Result<Self, Refusal> {
        let filing = &request.filing;
        let counts = |answer: &&Answer| {
            let lapsed = answer.verdict == Verdict::Approve && request.lapsed.contains(&answer.by);
            let is_own =
                answer.people().any(|one| asker.is_or_acts_for(one) || filing.is_party(one));
            !lapsed
                && !is_own
                && filing.may_answer(&answer.roles)
                && filing.is_asked(&answer.roles, answer.at)
        };
        let (mut by, mut people) = (BTreeSet::new(), BTreeSet::new());
        let mut limits = AnswerLimits::default();
        for answer in request.answers.iter().filter(counts) {
            if answer.verdict == Verdict::Deny {
                let (by, comment) = (answer.by.clone(), answer.comment.clone());
                return Err(Refusal::Denied { by, comment });
            }
            limits = limits.and(&answer.limits);
            // Whoever answers twice, or through another, is one person.
            if answer.people().all(|one| !people.contains(one)) {
                by.insert(answer.by.clone());
            }
            people.extend(answer.people());
        }
        let enough = by.len() >= usize::from(filing.approvers.count.max(1));
        Ok(Self { by, limits, enough })
    }
}

impl Filing {
    /// Whether `id` asked, or is somebody the asker acts for.
    pub fn is_party(&self, id: &str) -> bool {
        self.principal == id || self.acts_for.iter().any(|one| one == id)
    }
    pub fn may_answer(&self, roles: &BTreeSet<String>) -> bool {
        self.approvers.roles.is_empty() || !self.approvers.roles.is_disjoint(roles)
    }
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no approval `{0}`; `toolward approval list` shows the open ones")]
    Unknown(ApprovalId),
    #[error(
        "`{0}` asked for this call, or is acted for by the one who asked, and may not decide about it"
    )]
    OwnCall(String),
    #[error("`{by}` has none of the roles that may decide: {}", .roles.join(", "))]
    NotAnApprover { by: String, roles: Vec<String> },
    #[error(
        "`{0}` is not asked yet: those before have more time; `toolward approval show` says until when"
    )]
    NotAskedYet(String),
    #[error("{0}")]
    Unfit(String),
    #[error("`{0}` has already answered")]
    AnsweredBefore(String),
    #[error("the approval `{id}` is no longer open: it is {}; `toolward approval list` shows the open ones", .state.word())]
    NotOpen { id: ApprovalId, state: ApprovalState },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a question was not filed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where questions wait for answers.
#[async_trait]
pub trait ApprovalBook: Send + Sync {
    /// Files a question, or finds the one that is open or approved for the same digest and not expired. Fails when
    /// the principal has as many open questions as it may have.
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, FileError>;
    /// Waits up to `patience` until the request is no longer open, and returns it as it is then.
    async fn wait(&self, id: ApprovalId, patience: Duration) -> Result<Request, Unavailable>;
    /// Newest first.
    async fn list(&self, state: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable>;
    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable>;
    /// Takes one person's answer, and records it in the audit trail in the same transaction.
    /// The request becomes denied with the first no and approved with the last yes that it needs.
    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError>;
    /// The capabilities that were approved for a principal for a time that is not over.
    async fn accesses(&self, _principal: &str) -> Result<Vec<Request>, Unavailable> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
pub(crate) mod tests;
