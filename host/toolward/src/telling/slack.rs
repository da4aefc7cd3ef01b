//! A message in a channel of Slack, with buttons where it shows all that an answer binds.
//!
//! Its text is plain text to Slack, so that nothing in it is a link or a mention
//! (<https://docs.slack.dev/reference/block-kit/composition-objects/text-object>).
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use toolward_gate::{PrivateRanges, Request, visible};
use toolward_state::Telling;
use toolward_vault::{Notice, NoticeUrl, Proof, SecretName};

use super::{Arguments, Means, TellError, Teller};
use crate::config::ApprovalConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// Where messages are posted.
    #[serde(default = "api")]
    api: NoticeUrl,
    #[serde(default)]
    allow_private: PrivateRanges,
    /// A channel's id, as in `C0123ABCD`.
    channel: String,
    pub(crate) store: String,
    /// Of the app that posts: it needs `chat:write`.
    token: SecretName,
    /// What Slack signs the answers with.
    pub(crate) signing_secret: SecretName,
    #[serde(default)]
    arguments: Arguments,
}

#[expect(clippy::expect_used, reason = "the text is a word of this file")]
fn api() -> NoticeUrl {
    serde_json::from_value(json!("https://slack.com/api/chat.postMessage")).expect("an address")
}

#[async_trait]
impl Teller for SlackConfig {
    fn check(&self, config: &ApprovalConfig) -> Result<(), String> {
        if config.people.values().any(|person| person.slack.is_some()) {
            return Ok(());
        }
        Err("nobody could answer: add `slack = \"U…\"` to a person, as in `[approval.person.ana]`"
            .to_owned())
    }

    fn store(&self) -> Option<&str> {
        Some(&self.store)
    }

    async fn tell(&self, telling: &Telling, means: &Means) -> Result<(), TellError> {
        let said = json!({
            "channel": self.channel,
            "text": telling.request.filing.summary(),
            "blocks": self.blocks(&telling.request),
        });
        self.post(means, &said).await
    }
}

impl SlackConfig {
    async fn post(&self, means: &Means, said: &Value) -> Result<(), TellError> {
        let token = means.secret(&self.store, &self.token).await?;
        let (json, proof) = (said.to_string(), Proof::Bearer(&token));
        let notice =
            Notice { to: &self.api, allow_private: &self.allow_private, json: &json, proof };
        Ok(means.notices.post(notice).await?)
    }

    /// Says in the channel what became of an answer.
    pub(crate) async fn say(&self, means: &Means, text: &str) -> Result<(), TellError> {
        self.post(
            means,
            &json!({ "channel": self.channel, "blocks": [section(text)], "text": text }),
        )
        .await
    }

    fn blocks(&self, request: &Request) -> Vec<Value> {
        let whole = self.arguments == Arguments::Whole;
        let text = if whole { request.described() } else { self.masked(request) };
        let mut blocks: Vec<Value> = pieces(&text).iter().map(|piece| section(piece)).collect();
        let fits = blocks.len() <= MOST_SECTIONS;
        blocks.truncate(MOST_SECTIONS);
        let mut buttons = vec![button(request, "toolward-deny", "Deny", "danger")];
        // Nobody agrees to what they were not shown whole.
        if whole && fits {
            buttons.insert(0, button(request, "toolward-approve", "Approve", "primary"));
        } else {
            let told =
                format!("To see all of it and to agree: toolward approval show {}", request.id);
            blocks.push(section(&told));
        }
        blocks.push(json!({ "type": "actions", "elements": buttons }));
        blocks
    }

    fn masked(&self, request: &Request) -> String {
        let filing = &request.filing;
        let capabilities: Vec<String> =
            filing.capabilities.iter().map(ToString::to_string).collect();
        let reason =
            filing.access.as_ref().map(|access| format!("reason {}\n", visible(&access.reason)));
        format!(
            "{}\ncapabilities {}\nuntil {:.0}\n{}arguments {}",
            filing.summary(),
            capabilities.join(", "),
            filing.open_until(),
            reason.unwrap_or_default(),
            visible(&self.arguments.of(filing).to_string()),
        )
    }
}

/// What an answer is about: also that it was about this very call.
fn button(request: &Request, action: &str, text: &str, style: &str) -> Value {
    let value = format!("{} {}", request.id, request.filing.digest.digest());
    json!({
        "type": "button",
        "action_id": action,
        "text": { "type": "plain_text", "text": text, "emoji": false },
        "style": style,
        "value": value,
    })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "plain_text", "text": text, "emoji": false } })
}

fn pieces(text: &str) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    all.chunks(LONGEST).map(|piece| piece.iter().collect()).collect()
}

/// Slack takes 3,000 characters in a section, and 50 blocks in a message.
const LONGEST: usize = 2_900;
const MOST_SECTIONS: usize = 45;
