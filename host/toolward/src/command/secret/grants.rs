//! `toolward secret grant`, `revoke` and `grants`: who may use a credential of somebody else, and until when.
use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use toolward_gate::{CredentialGrant, CredentialName, GrantBook as _, Party, ToolName};

use super::super::{
    Context, Failure,
    time::{up_to, within},
};
use crate::{
    config::{Config, CredentialConfig},
    wiring,
};

#[derive(Args)]
pub(in crate::command) struct Grant {
    credential: CredentialName,
    #[command(flatten)]
    whom: Whom,
    /// When it ends by itself, as in `8h` or `30m`.
    #[arg(long = "for", value_name = "TIME", value_parser = within(up_to(LONGEST), "write a time of at most 366 days, as in `30m`, `8h` or `720h`"))]
    time: SignedDuration,
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Args)]
pub(in crate::command) struct Revoke {
    credential: CredentialName,
    #[command(flatten)]
    whom: Whom,
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Args)]
pub(in crate::command) struct Grants {
    /// Of one credential; of all, where absent.
    credential: Option<CredentialName>,
}

#[derive(Args)]
struct Whom {
    /// `principal:NAME`, `role:NAME`, `group:NAME`, or `tool:NAME` for whoever may call it.
    #[arg(long = "to", value_name = "WHOM")]
    to: Party,
    /// With this tool only.
    #[arg(long)]
    tool: Option<ToolName>,
}

impl Grant {
    pub(in crate::command) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { credential, whom: Whom { to, tool }, time, reason } = self;
        let config = context.config()?;
        owned(&config, &credential)?;
        let state = wiring::state(&config).await?;
        let (by, since) = (config.operator_id(), wiring::clock().now());
        let ends_at = since.checked_add(time).map_err(|error| Failure::Usage(error.to_string()))?;
        let grant = CredentialGrant { credential, to, tool, by, reason, since, ends_at };
        state.grant(grant.clone()).await?;
        context.terminal.show(&grant, || format!("granted {}", told(&grant)))?;
        Ok(())
    }
}

impl Revoke {
    pub(in crate::command) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { credential, whom: Whom { to, tool }, reason } = self;
        let config = context.config()?;
        let state = wiring::state(&config).await?;
        let by = config.operator_id();
        if !state.revoke(&credential, &to, tool.as_ref(), &by, &reason).await? {
            return Err(Failure::NotFound(format!(
                "`{to}` has no such grant of `{credential}`; `toolward secret grants` shows all"
            )));
        }
        let data = json!({ "revoked": credential, "to": to, "tool": tool });
        context.terminal.show(&data, || format!("revoked {credential} from {to}"))?;
        Ok(())
    }
}

impl Grants {
    pub(in crate::command) async fn run(self, context: &Context) -> Result<(), Failure> {
        let grants = wiring::grants(&context.config()?, self.credential.as_ref()).await?;
        let line = |grant: &CredentialGrant| format!("{}\n", told(grant));
        context
            .terminal
            .show(&json!({ "grants": grants }), || grants.iter().map(line).collect())?;
        if grants.is_empty() {
            context.terminal.say("nothing is granted");
        }
        Ok(())
    }
}

/// Fails where there is nothing to grant, or for somebody who may not: only an owner grants. Anybody at this command
/// line may take a grant back.
fn owned<'a>(config: &'a Config, name: &CredentialName) -> Result<&'a CredentialConfig, Failure> {
    let credential = config.credentials.get(name).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no credential `{name}`; `toolward credential list` shows all"
        ))
    })?;
    let Some(owners) = &credential.owners else {
        return Err(Failure::Usage(format!(
            "the credential `{name}` has no `owners`: whoever the policies allow uses it; add `owners = [\"principal:{}\"]` to grant its use instead",
            credential.owner
        )));
    };
    let (id, roles) = (config.operator_id(), &config.operator.roles);
    if owners.iter().any(|one| one.has(&id, roles, &config.operator.groups)) {
        return Ok(credential);
    }
    let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
    Err(Failure::Refused(format!(
        "`{id}` does not own `{name}` and cannot grant it; its owners can: {}",
        owners.join(", ")
    )))
}

/// As in `stripe to role:billing with the tool pay until 2026-03-02T12:00:00Z by ana: the invoices of March`.
pub(in crate::command) fn told(grant: &CredentialGrant) -> String {
    let CredentialGrant { credential, to, tool, by, reason, ends_at, .. } = grant;
    let with = tool.as_ref().map(|tool| format!(" with the tool {tool}")).unwrap_or_default();
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{credential} to {to}{with} until {ends_at:.0} by {by}{why}")
}

const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);
