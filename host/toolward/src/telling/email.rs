//! A message by mail, with a link for each person that serves once and opens nothing without a login.
use async_trait::async_trait;
use serde::Deserialize;
use toolward_gate::{PrivateRanges, Request};
use toolward_state::Telling;
use toolward_vault::{Mail, MailServer, SecretName};

use super::{Arguments, Means, TellError, Teller, masked};
use crate::config::ApprovalConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    server: MailServer,
    #[serde(default)]
    allow_private: PrivateRanges,
    from: String,
    /// People, by their names under `[approval.person]`.
    to: Vec<String>,
    /// Absent: the server takes mail without a login.
    user: Option<String>,
    store: Option<String>,
    password: Option<SecretName>,
    /// Where the administration of this host is reached, as in `https://desk.example.com`; absent: no links.
    links: Option<String>,
    #[serde(default)]
    arguments: Arguments,
}

#[async_trait]
impl Teller for EmailConfig {
    fn check(&self, config: &ApprovalConfig) -> Result<(), String> {
        if self.to.is_empty() {
            return Err("`to` names nobody: write names of `[approval.person]`".to_owned());
        }
        for name in &self.to {
            let person = config.people.get(name);
            let person = person.ok_or_else(|| {
                format!("there is no person `{name}`: add `[approval.person.{name}]`")
            })?;
            if person.email.is_none() {
                return Err(format!(
                    "the person `{name}` has no `email`: add it to `[approval.person.{name}]`"
                ));
            }
        }
        let login = [self.user.is_some(), self.store.is_some(), self.password.is_some()];
        if login.contains(&true) && login.contains(&false) {
            return Err(
                "a login is `user`, `store` and `password`: write all three, or none".to_owned()
            );
        }
        let safe =
            |text: &String| text.starts_with("https://") || text.starts_with("http://127.0.0.1:");
        match &self.links {
            Some(links) if !safe(links) || links.ends_with('/') => Err(
                "`links` is an address with `https` and without `/` at its end, as `https://desk.example.com`".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// To each person by themselves: a link is one person's. Whoever could not be reached is tried again, together
    /// with the others.
    async fn tell(&self, telling: &Telling, means: &Means) -> Result<Option<String>, TellError> {
        let password = match (&self.store, &self.password) {
            (Some(store), Some(name)) => Some(means.secret(store, name).await?),
            _ => None,
        };
        let login = self.user.as_deref().zip(password.as_ref());
        for name in &self.to {
            let person = means.config.people.get(name);
            let Some(to) = person.and_then(|person| person.email.clone()) else { continue };
            let mail = self.mail(means, &telling.request, name, to).await?;
            means.notices.mail(&self.server, &self.allow_private, login, &mail).await?;
        }
        Ok(None)
    }
}

impl EmailConfig {
    async fn mail(
        &self,
        means: &Means,
        request: &Request,
        name: &str,
        to: String,
    ) -> Result<Mail, TellError> {
        // A mail holds all of it, or says where all of it is shown.
        let mut text = match self.arguments {
            Arguments::Whole => request.described(),
            Arguments::Redacted => masked(request, self.arguments),
        };
        text.push_str(&format!(
            "\n\nTo see all of it and to decide:\n  toolward approval show {}\n",
            request.id
        ));
        if let Some(links) = &self.links {
            let word = means.state.make_link(request, name).await?;
            text.push_str(&format!(
                "or, with a login, this link, which serves once:\n  {links}/approval/link/{word}\n"
            ));
        }
        let subject = format!("Approval {} waits", request.id);
        Ok(Mail { from: self.from.clone(), to, subject, text })
    }
}
