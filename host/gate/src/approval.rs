//! A person's yes. One more fact for the policy, never a way around it.
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
            filed_at: now,
            expires_at,
        })
    }

    /// One line for the caller and the list of open questions.
    pub fn summary(&self) -> String {
        let caller = self.caller.as_ref().map(|caller| format!(", called by {caller}"));
        format!("`{}` by `{}`{}", self.tool, self.principal, caller.unwrap_or_default())
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

/// A filed question and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub id: ApprovalId,
    #[serde(flatten)]
    pub filing: Filing,
    pub state: ApprovalState,
    pub answers: Vec<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Approve,
    Deny,
}

/// What one person said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub by: String,
    pub roles: BTreeSet<String>,
    pub verdict: Verdict,
    pub comment: String,
    pub at: Timestamp,
}

/// A yes that others gave to this very call, and that is not spent yet.
#[derive(Debug)]
pub struct Approval {
    id: ApprovalId,
    by: BTreeSet<String>,
}

impl Approval {
    /// `None` while answers are missing; fails when somebody said no.
    ///
    /// Answers of the requester, of those it acts for, of people without a role that was asked for, and
    /// second answers of one person do not count.
    pub(crate) fn check(request: &Request, asker: &Principal) -> Result<Option<Self>, Refusal> {
        let filing = &request.filing;
        let counts = |answer: &&Answer| {
            !asker.is_or_acts_for(&answer.by)
                && !filing.is_party(&answer.by)
                && filing.may_answer(&answer.roles)
        };
        let mut by = BTreeSet::new();
        for answer in request.answers.iter().filter(counts) {
            match answer.verdict {
                Verdict::Deny => {
                    return Err(Refusal::Denied {
                        by: answer.by.clone(),
                        comment: answer.comment.clone(),
                    });
                }
                Verdict::Approve => {
                    by.insert(answer.by.clone());
                }
            }
        }
        let enough = by.len() >= usize::from(filing.approvers.count.max(1));
        Ok(enough.then_some(Self { id: request.id, by }))
    }

    pub fn id(&self) -> ApprovalId {
        self.id
    }
    pub fn by(&self) -> &BTreeSet<String> {
        &self.by
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
    #[error("`{0}` has already answered")]
    AnsweredBefore(String),
    #[error("the approval `{id}` is no longer open: it is {state:?}")]
    NotOpen { id: ApprovalId, state: ApprovalState },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where questions wait for answers.
#[async_trait]
pub trait ApprovalBook: Send + Sync {
    /// Files a question, or finds the one that is open or approved for the same digest and not expired.
    async fn file(&self, filing: &Filing) -> Result<ApprovalId, Unavailable>;
    /// Waits up to `patience` until the request is no longer open, and returns it as it is then.
    async fn wait(&self, id: ApprovalId, patience: Duration) -> Result<Request, Unavailable>;
    /// Newest first.
    async fn list(&self, state: Option<ApprovalState>) -> Result<Vec<Request>, Unavailable>;
    async fn show(&self, id: ApprovalId) -> Result<Option<Request>, Unavailable>;
    /// Takes one person's answer, and records it in the audit trail in the same transaction.
    /// The request becomes denied with the first no and approved with the last yes that it needs.
    async fn decide(&self, id: ApprovalId, answer: Answer) -> Result<Request, DecideError>;
}
