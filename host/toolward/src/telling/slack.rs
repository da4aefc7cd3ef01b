//! A message in a channel of Slack, with buttons where it shows all that an answer binds, and without them once it is
//! decided.
//!
//! Its text is plain text to Slack, so that nothing in it is a link or a mention
//! (<https://docs.slack.dev/reference/block-kit/composition-objects/text-object>).
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use toolward_gate::{ApprovalState, PrivateRanges, Request};
use toolward_state::{Ended, Telling};
use toolward_vault::{Notice, NoticeUrl, Posted, Proof, SecretName};

use super::{Arguments, Means, TellError, Teller, masked};
use crate::config::ApprovalConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// What the names of Slack's methods are added to.
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
    serde_json::from_value(json!("https://slack.com/api")).expect("an address")
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

    async fn tell(&self, telling: &Telling, means: &Means) -> Result<Option<String>, TellError> {
        let said = json!({
            "channel": self.channel,
            "text": telling.request.filing.summary(),
            "blocks": self.blocks(&telling.request),
        });
        let posted = self.post(means, POST, &said).await?;
        Ok(posted.map(|posted| format!("{} {}", posted.channel, posted.ts)))
    }

    /// The same message, with what became of it, and without buttons
    /// (<https://docs.slack.dev/reference/methods/chat.update>).
    async fn end(&self, ended: &Ended, means: &Means) -> Result<(), TellError> {
        let Some((channel, ts)) = ended.place.split_once(' ') else { return Ok(()) };
        let request = &ended.request;
        let said = json!({
            "channel": channel,
            "ts": ts,
            "text": format!("{}: {}", request.filing.summary(), request.state.word()),
            "blocks": self.blocks(request),
        });
        self.post(means, UPDATE, &said).await.map(drop)
    }
}

impl SlackConfig {
    async fn post(
        &self,
        means: &Means,
        method: &str,
        said: &Value,
    ) -> Result<Option<Posted>, TellError> {
        let token = means.secret(&self.store, &self.token).await?;
        let (json, proof) = (said.to_string(), Proof::Bearer(&token));
        let to = &self.api.below(method);
        let notice = Notice { to, allow_private: &self.allow_private, json: &json, proof };
        Ok(means.notices.post(notice).await?)
    }

    /// Says in the channel what became of an answer.
    pub(crate) async fn say(&self, means: &Means, text: &str) -> Result<(), TellError> {
        let said = json!({ "channel": self.channel, "blocks": [section(text)], "text": text });
        self.post(means, POST, &said).await.map(drop)
    }

    fn blocks(&self, request: &Request) -> Vec<Value> {
        let whole = self.arguments == Arguments::Whole;
        let text = if whole { request.described() } else { masked(request, self.arguments) };
        let mut blocks: Vec<Value> = pieces(&text).iter().map(|piece| section(piece)).collect();
        let fits = blocks.len() <= MOST_SECTIONS;
        blocks.truncate(MOST_SECTIONS);
        let is_open = request.state == ApprovalState::Open;
        if !(whole && fits) {
            let to = if is_open { " and to agree" } else { "" };
            let told = format!("To see all of it{to}: toolward approval show {}", request.id);
            blocks.push(section(&told));
        }
        if is_open {
            blocks.extend(controls(request, whole && fits));
        }
        blocks
    }
}

/// The buttons. Nobody agrees to what they were not shown whole.
fn controls(request: &Request, may_agree: bool) -> Vec<Value> {
    let deny = button(request, "toolward-deny", "Deny", "danger");
    if !may_agree {
        return vec![json!({ "type": "actions", "elements": [deny] })];
    }
    let approve = button(request, "toolward-approve", "Approve", "primary");
    let buttons = json!({ "type": "actions", "elements": [approve, deny] });
    // Access for a time is not narrowed.
    let input = request.filing.access.is_none().then(limits);
    input.into_iter().chain([buttons]).collect()
}

/// Where a yes is narrowed (<https://docs.slack.dev/reference/block-kit/blocks/input-block>).
fn limits() -> Value {
    let plain = |text| json!({ "type": "plain_text", "text": text, "emoji": false });
    json!({
        "type": "input",
        "block_id": LIMITS,
        "optional": true,
        "label": plain("Approve less than was asked for"),
        "hint": plain("time, cost, http-requests, max-bytes, method and path, as at the command line"),
        "element": {
            "type": "plain_text_input",
            "action_id": LIMITS,
            "placeholder": plain("time=5s http-requests=1 cost=usd:0.50"),
        },
    })
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

/// Names the input of limits, in the message and in what comes back.
pub(crate) const LIMITS: &str = "toolward-limits";
const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";
/// Slack takes 3,000 characters in a section, and 50 blocks in a message.
const LONGEST: usize = 2_900;
const MOST_SECTIONS: usize = 45;
