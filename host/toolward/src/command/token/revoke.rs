//! `toolward token revoke|denied|allow`: what is good no longer, before it ends.
use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use toolward_gate::{
    Clock as _, Denial, DenialTarget, DenyList as _, Principal, SystemClock, Unavailable,
};

use super::super::{
    Context, Failure, run,
    time::{ANY, within},
};
use crate::{config::Config, wiring};

/// What is named: a file with a token, the id of one, a subject, or an issuer.
#[derive(Args)]
struct Named {
    /// A file with the token.
    #[arg(value_name = "FILE", conflicts_with_all = ["id", "subject", "issuer"])]
    file: Option<PathBuf>,
    /// The `jti` of a token, or the name that `toolward token inspect` shows.
    #[arg(long, requires = "issuer", conflicts_with = "subject")]
    id: Option<String>,
    /// Whoever speaks as this principal, or for it.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Who vouches for it; alone, everything of that issuer.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

#[derive(Args)]
pub(in crate::command) struct Revoke {
    #[command(flatten)]
    named: Named,
    /// With a subject: what was issued before this time; now, where absent.
    #[arg(long, value_name = "TIME", requires = "subject")]
    before: Option<Timestamp>,
    /// With a token: every token that it was exchanged for, too, and those that these were.
    #[arg(long)]
    tree: bool,
    #[arg(long)]
    reason: String,
    /// When the revocation is forgotten, as in `24h`; with the end of a token from a file, and otherwise never.
    #[arg(long = "for", value_name = "TIME", value_parser = within(ANY, "write a time, as in `30m` or `24h`"))]
    time: Option<SignedDuration>,
}

#[derive(Args)]
pub(in crate::command) struct Allow {
    #[command(flatten)]
    named: Named,
    #[arg(long)]
    reason: String,
}

impl Revoke {
    pub(in crate::command) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let (now, tree) = (SystemClock.now(), self.tree);
        let held = self.named.held(&config).await?;
        let target = self.named.target(held.as_ref(), tree, self.before.unwrap_or(now))?;
        if tree && !matches!(target, DenialTarget::Token { .. }) {
            return Err(Failure::Usage("`--tree` goes with one token".to_owned()));
        }
        let ends = held.as_ref().and_then(Principal::ends_at);
        let of_time = self.time.map(|time| now.checked_add(time)).transpose();
        let of_time = of_time.map_err(|error| Failure::Usage(error.to_string()))?;
        // Clocks differ: a token is taken for a moment after its end.
        let ends = ends.and_then(|end| end.checked_add(AFTER).ok());
        let denial = Denial {
            target,
            reason: self.reason,
            by: config.operator_id(),
            since: now,
            expires_at: of_time.or(ends),
        };
        wiring::state(&config).await?.deny(denial.clone()).await?;
        context.terminal.show(&denial, || format!("revoked: {}", denial.target))?;
        Ok(())
    }
}

impl Allow {
    pub(in crate::command) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let held = self.named.held(&config).await?;
        let wanted = self.named.target(held.as_ref(), false, Timestamp::UNIX_EPOCH)?;
        let state = wiring::state(&config).await?;
        let mut allowed = Vec::new();
        for denial in state.denials().await?.all() {
            if is_about(&denial.target, &wanted)
                && state.allow(&denial.target, &config.operator_id(), &self.reason).await?
            {
                allowed.push(denial.target.clone());
            }
        }
        if allowed.is_empty() {
            return Err(Failure::NotFound(format!(
                "nothing of this name is revoked; `toolward token denied` shows what is (looked for: {wanted})"
            )));
        }
        context.terminal.show(&json!({ "allowed": allowed }), || {
            allowed.iter().map(|target| format!("allowed: {target}\n")).collect()
        })?;
        Ok(())
    }
}

/// `toolward token denied`.
pub(in crate::command) async fn list(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let denials = wiring::state(&config).await?.denials().await?;
    let line = |denial: &Denial| {
        let end = denial.expires_at.map(|end| format!(" until {end}")).unwrap_or_default();
        let Denial { target, by, since, reason, .. } = denial;
        format!("{target}{end}, by {by} since {since}: {reason}\n")
    };
    context
        .terminal
        .show(&json!({ "denied": denials.all() }), || denials.all().iter().map(line).collect())?;
    if denials.all().is_empty() {
        context.terminal.say("nothing is revoked");
    }
    Ok(())
}

impl Named {
    /// Whose token is in the file. One that this host would not take needs no revoking here.
    async fn held(&self, config: &Config) -> Result<Option<Principal>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let token = run::token_in(file)?;
        Ok(Some(wiring::authn(config)?.examine(&token).await?))
    }

    fn target(
        &self,
        held: Option<&Principal>,
        tree: bool,
        before: Timestamp,
    ) -> Result<DenialTarget, Failure> {
        if let Some(principal) = held {
            let proven = principal.proven_by().last().cloned();
            let proven =
                proven.ok_or_else(|| Unavailable::new("the token", "nothing proves it"))?;
            return Ok(DenialTarget::Token { issuer: proven.issuer, id: proven.id, tree });
        }
        match (self.id.clone(), self.subject.clone(), self.issuer.clone()) {
            (Some(id), None, Some(issuer)) => Ok(DenialTarget::Token { issuer, id, tree }),
            (None, Some(id), issuer) => Ok(DenialTarget::Subject { id, issuer, before }),
            (None, None, Some(issuer)) => Ok(DenialTarget::Issuer { issuer }),
            _ => Err(Failure::Usage(
                "name a file with a token, `--id` and `--issuer`, `--subject`, or `--issuer` alone"
                    .to_owned(),
            )),
        }
    }
}

/// Whether two denials name the same, whatever else they say of it.
fn is_about(denied: &DenialTarget, wanted: &DenialTarget) -> bool {
    match (denied, wanted) {
        (
            DenialTarget::Token { issuer, id, tree: _ },
            DenialTarget::Token { issuer: of, id: name, tree: _ },
        ) => issuer == of && id == name,
        (
            DenialTarget::Subject { id, issuer, before: _ },
            DenialTarget::Subject { id: name, issuer: of, before: _ },
        ) => id == name && issuer == of,
        (DenialTarget::Issuer { issuer }, DenialTarget::Issuer { issuer: of }) => issuer == of,
        _ => false,
    }
}

/// Longer than clocks may differ by.
const AFTER: SignedDuration = SignedDuration::from_secs(60);
