//! A message to a machine of the operator's: signed as Standard Webhooks says, so that it knows who speaks.
use async_trait::async_trait;
use serde::Deserialize;
use toolward_gate::PrivateRanges;
use toolward_state::Telling;
use toolward_vault::{Notice, NoticeUrl, Proof, SecretName};

use super::{Arguments, Means, TellError, Teller, message};
use crate::config::ApprovalConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    url: NoticeUrl,
    #[serde(default)]
    allow_private: PrivateRanges,
    store: String,
    /// The secret that both sides know: any text, or `whsec_` and Base64.
    key: SecretName,
    #[serde(default)]
    arguments: Arguments,
}

#[async_trait]
impl Teller for WebhookConfig {
    fn check(&self, _: &ApprovalConfig) -> Result<(), String> {
        Ok(())
    }

    fn store(&self) -> Option<&str> {
        Some(&self.store)
    }

    async fn tell(&self, telling: &Telling, means: &Means) -> Result<Option<String>, TellError> {
        let key = means.secret(&self.store, &self.key).await?;
        let json = message(telling, self.arguments).to_string();
        // The same for each attempt, so that one who hears it twice can tell.
        let id = format!("{}-{}", telling.request.id, telling.turn);
        let proof = Proof::Signed { key: &key, id: &id };
        let notice =
            Notice { to: &self.url, allow_private: &self.allow_private, json: &json, proof };
        means.notices.post(notice).await?;
        Ok(None)
    }
}
