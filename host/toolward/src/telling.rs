//! How people hear of a question: one file for each kind of message.
//!
//! What has to be told is kept with the questions: whichever host runs tells it, once for each step of the chain, and
//! tries again a few times where that fails.
mod email;
mod slack;
mod webhook;

pub use email::EmailConfig;
pub(crate) use slack::LIMITS;
pub use slack::SlackConfig;
pub use webhook::WebhookConfig;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use toolward_gate::{Answer, CapabilityName, Filing, Request, Unavailable, visible};
use toolward_state::{Ended, State, Telling};
use toolward_vault::{NoticeError, Notices, Secret, SecretName, SecretStore, SecretStoreError};

use crate::config::ApprovalConfig;

/// Every kind of message, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TellerConfig {
    Webhook(WebhookConfig),
    Slack(SlackConfig),
    Email(EmailConfig),
}

impl TellerConfig {
    fn teller(&self) -> &dyn Teller {
        match self {
            Self::Webhook(config) => config,
            Self::Slack(config) => config,
            Self::Email(config) => config,
        }
    }

    /// Fails with what to change.
    pub fn check(&self, config: &ApprovalConfig) -> Result<(), String> {
        self.teller().check(config)
    }

    /// The names of the stores that it takes its secrets from.
    pub fn store(&self) -> Option<&str> {
        self.teller().store()
    }
}

/// Tells people of a question in one way.
#[async_trait]
trait Teller: Send + Sync {
    /// Fails with what to change.
    fn check(&self, config: &ApprovalConfig) -> Result<(), String>;
    fn store(&self) -> Option<&str>;
    /// Answers with the place of the message, where that can be changed.
    async fn tell(&self, telling: &Telling, means: &Means) -> Result<Option<String>, TellError>;
    /// Says in the message that the question is decided.
    async fn end(&self, _ended: &Ended, _means: &Means) -> Result<(), TellError> {
        Ok(())
    }
}

/// What a message is made and sent with.
pub struct Means {
    pub notices: Notices,
    pub stores: BTreeMap<String, Arc<dyn SecretStore>>,
    pub state: State,
    pub config: ApprovalConfig,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").finish_non_exhaustive()
    }
}

impl Means {
    /// Read for each message, so that a new value counts at once.
    pub(crate) async fn secret(&self, store: &str, name: &SecretName) -> Result<Secret, TellError> {
        let store = self.stores.get(store).ok_or(TellError::NoStore)?;
        Ok(store.read(name).await?)
    }
}

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error("its secret store is not configured")]
    NoStore,
    #[error(transparent)]
    Store(#[from] SecretStoreError),
    #[error(transparent)]
    Notice(#[from] NoticeError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// How much of the arguments leaves this host with a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arguments {
    /// Names, numbers and truths; of a text, how long it is. Who wants to see all of it logs in.
    #[default]
    Redacted,
    /// All of them, to whoever reads the messages.
    Whole,
}

impl Arguments {
    fn of(self, filing: &Filing) -> Value {
        match self {
            Self::Redacted => filing.redacted(),
            Self::Whole => Value::String(filing.arguments.clone()),
        }
    }

    /// What is other than in the last question: where, and as much of it as leaves this host.
    fn differences(self, filing: &Filing) -> Option<Value> {
        let compared = filing.compared.as_ref()?;
        let places: Vec<&str> = compared.differences.iter().map(|one| one.at.as_str()).collect();
        Some(match self {
            Self::Redacted => json!({ "with": compared.with, "at": places }),
            Self::Whole => json!(compared),
        })
    }
}

/// What every message says.
fn message(telling: &Telling, arguments: Arguments) -> Value {
    let Request { id, filing, .. } = &telling.request;
    json!({
        "approval": id,
        "step": telling.turn,
        "summary": filing.summary(),
        "principal": filing.principal,
        "acts_for": filing.acts_for,
        "tool": filing.tool,
        "tool_digest": filing.tool_digest,
        "caller": filing.caller,
        "capabilities": filing.capabilities,
        "risk": filing.risk,
        "approvers": filing.approvers,
        "access": filing.access,
        "arguments": arguments.of(filing),
        "differs": arguments.differences(filing),
        "binds": filing.digest,
        "filed_at": filing.filed_at,
        "open_until": filing.open_until(),
        "decide": format!("toolward approval show {id}"),
    })
}

/// What people read where the arguments stay on this host.
fn masked(request: &Request, arguments: Arguments) -> String {
    let filing = &request.filing;
    let names: Vec<&str> = filing.capabilities.iter().map(CapabilityName::as_str).collect();
    let mut lines = vec![
        filing.summary(),
        String::new(),
        format!("state         {}", request.state.word()),
        format!("capabilities  {}", names.join(", ")),
        format!("open until    {:.0}", filing.open_until()),
        format!("arguments     {}", visible(&arguments.of(filing).to_string())),
    ];
    if let Some(compared) = &filing.compared {
        let places: Vec<String> = compared.differences.iter().map(|one| visible(&one.at)).collect();
        let places = if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") };
        lines.push(format!("differs       from the last one, {}: {places}", compared.with));
    }
    lines.extend(
        filing.access.iter().map(|access| format!("reason        {}", visible(&access.reason))),
    );
    let by = |answer: &Answer| {
        format!("answer        {} by {}", answer.verdict.word(), visible(&answer.by))
    };
    lines.extend(request.answers.iter().map(by));
    lines.join("\n")
}

/// Those who tell, and what they do it with.
#[derive(Debug)]
pub struct Tellers(Arc<Means>);

impl Tellers {
    pub fn new(means: Means) -> Self {
        Self(Arc::new(means))
    }

    /// Tells whatever has to be told now; how many messages were taken.
    pub async fn tell(&self) -> Result<usize, Unavailable> {
        let means = &self.0;
        let names: Vec<String> = means.config.tellers.keys().cloned().collect();
        let mut told = 0_usize;
        let taken = means.state.take_tellings(&names).await?;
        let telling = taken.iter().map(|telling| self.tell_one(telling));
        for done in futures::future::join_all(telling).await {
            told = told.saturating_add(usize::from(done?));
        }
        for ended in means.state.take_ended(&names).await? {
            self.end_one(&ended).await?;
        }
        Ok(told)
    }

    async fn end_one(&self, ended: &Ended) -> Result<(), Unavailable> {
        let means = &self.0;
        let Some(teller) = means.config.tellers.get(&ended.teller) else { return Ok(()) };
        let done = teller.teller().end(ended, means).await;
        if let Err(error) = &done {
            let (attempt, teller) = (ended.attempt, &ended.teller);
            tracing::warn!(approval = %ended.request.id, %teller, attempt, %error, "a message still asks a question that is decided");
        }
        means.state.ended(ended, done.is_ok()).await
    }

    async fn tell_one(&self, telling: &Telling) -> Result<bool, Unavailable> {
        let means = &self.0;
        let Some(teller) = means.config.tellers.get(&telling.teller) else { return Ok(false) };
        match teller.teller().tell(telling, means).await {
            Ok(place) => means.state.told(telling, place.as_deref()).await.map(|()| true),
            Err(error) => {
                let (attempt, teller) = (telling.attempt, &telling.teller);
                tracing::warn!(approval = %telling.request.id, %teller, attempt, %error, "people were not told of a question");
                means.state.not_told(telling).await.map(|()| false)
            }
        }
    }

    /// Tells from now on, until it is dropped.
    pub async fn follow(self) {
        if self.0.config.tellers.is_empty() {
            return;
        }
        loop {
            if let Err(error) = self.tell().await {
                tracing::error!(cause = %error.cause, "it cannot be read who has to be told of questions");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How often it is looked whether something has to be told.
const LOOK: Duration = Duration::from_millis(500);
