//! `toolward approval request`: a capability that no policy permits, for a time, where two others agree.
use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use toolward_gate::{
    Access as Wanted, ApprovalBook as _, CapabilityName, Clock as _, FileError, Stop, SystemClock,
    ToolRef, WantedAccess,
};

use super::{Context, Failure};
use crate::{
    authn::Shown,
    command::{run, time::within},
    wiring,
};

#[derive(Args)]
pub(in crate::command) struct RequestAccess {
    /// What is needed and not granted.
    #[arg(long)]
    capability: CapabilityName,
    /// The tool that is to use it, as it is now.
    #[arg(long)]
    tool: String,
    /// How long, from the last yes, as in `30m`; eight hours at most.
    #[arg(long = "for", value_name = "TIME", value_parser = within(SECOND..=LONGEST, "write a time of at most eight hours, as in `30m`"))]
    time: SignedDuration,
    /// Why: whoever decides reads it, and it stays in the audit trail.
    #[arg(long)]
    reason: String,
}

impl RequestAccess {
    /// Asks as whoever calls tools here: the one that the token names, or the configuration.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let token = run::token()?;
        let principal =
            wiring::authn(&config)?.identify(token.as_deref().map(Shown::bearer)).await?;
        let plan = wiring::plan(&config)?;
        let tool = self.tool_of(&plan)?;
        if !principal.in_scope(&self.capability) {
            let why = format!(
                "the token does not allow `{}`, and nobody can agree to more than it allows; get another token",
                self.capability
            );
            return Err(Failure::Refused(why));
        }
        if self.reason.trim().is_empty() {
            return Err(Failure::Usage("write a `--reason`: whoever decides reads it".to_owned()));
        }
        let seconds = u64::try_from(self.time.as_secs()).unwrap_or_default();
        let wanted = WantedAccess {
            principal: &principal,
            tool: &tool,
            capability: self.capability,
            access: Wanted { seconds, reason: self.reason },
            roles: config.approval.access.clone(),
            policy_version: plan.policy.version(),
            expires_in: OPEN,
        };
        let filing = wanted.file(SystemClock.now())?;
        let state = wiring::state(&config).await?;
        let id = state.file(&filing).await.map_err(|error| match error {
            FileError::Refused(refusal) => Failure::Stopped { stop: Stop::Refused(refusal) },
            FileError::Unavailable(error) => error.into(),
        })?;
        wiring::tell_once(&config, &context.passphrases(), &state).await;
        context.terminal.show(&json!({ "approval": id }), || {
            format!("{id}: {} waits for two people", filing.summary())
        })?;
        Ok(())
    }

    fn tool_of(&self, plan: &wiring::Plan) -> Result<ToolRef, Failure> {
        let name = &self.tool;
        let tool = plan.tools.find(name).ok_or_else(|| {
            Failure::NotFound(format!("there is no tool `{name}`; `toolward tool list` shows all"))
        })?;
        let installed = tool.installed();
        let capability = &self.capability;
        if plan.capabilities.find(capability).is_none() {
            return Err(Failure::NotFound(format!(
                "there is no capability `{capability}`; `policies/capabilities.toml` defines them"
            )));
        }
        if !installed.wants.iter().any(|want| want.capability == *capability) {
            let wanted: Vec<&str> =
                installed.wants.iter().map(|want| want.capability.as_str()).collect();
            let wanted = wanted.join("`, `");
            return Err(Failure::Usage(format!(
                "`{name}` does not want `{capability}`, and would not use it; it wants `{wanted}`"
            )));
        }
        let toolward_gate::InstalledTool { name, component, digest, wants, .. } = installed;
        Ok(ToolRef { name, component, digest, wants })
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(8);
/// How long the question stays open.
const OPEN: std::time::Duration = std::time::Duration::from_secs(60 * 60);
