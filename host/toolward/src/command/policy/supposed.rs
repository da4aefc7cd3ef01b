//! A call that is only supposed: by whom, when, and after whose yes.
use clap::Args;
use jiff::Timestamp;
use toolward_gate::{Call, Explanation, Kind, Ownership, ProgressSink, Supposition};

use super::super::{Failure, call};
use crate::{
    authn,
    config::{CallerConfig, Config},
    wiring::{self, Plan},
};

/// Of credentials that have owners.
#[derive(Args, Clone, Copy, Default)]
pub(in crate::command) struct GrantArgs {
    /// Let only owners use a credential that has some, and those it is granted to at this moment; without, every
    /// grant is supposed.
    #[arg(long)]
    pub(super) as_granted: bool,
}

impl GrantArgs {
    /// Whose the credentials are; `None` where every grant is supposed.
    pub(super) async fn ownership(self, config: &Config) -> Result<Option<Ownership>, Failure> {
        Ok(if self.as_granted { Some(wiring::ownership(config).await?) } else { None })
    }
}

#[derive(Args, Default)]
pub(super) struct SupposedArgs {
    /// Who calls; the configured caller, where absent.
    #[arg(long)]
    principal: Option<String>,
    /// `agent`, `user` or `service`.
    #[arg(long, value_parser = kind, default_value = "agent")]
    kind: Option<Kind>,
    /// A role of the principal; may stand several times.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// A group of the principal; may stand several times.
    #[arg(long = "group")]
    groups: Vec<String>,
    /// For whom the principal acts, nearest first; may stand several times.
    #[arg(long = "acts-for")]
    acts_for: Vec<String>,
    /// The door it comes through, as in `mcp-stdio`.
    #[arg(long, default_value = "cli")]
    door: Option<String>,
    /// When, as in `2026-03-02T12:00:00Z`; now, where absent.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Somebody who said yes; may stand several times.
    #[arg(long = "approved-by", value_name = "NAME")]
    approved_by: Vec<String>,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "agent" => Ok(Kind::Agent),
        "user" => Ok(Kind::User),
        "service" => Ok(Kind::Service),
        _ => Err("write `agent`, `user` or `service`".to_owned()),
    }
}

/// A call and its circumstances.
pub(super) struct Supposed {
    pub(super) caller: CallerConfig,
    pub(super) door: String,
    pub(super) tool: String,
    /// A JSON object.
    pub(super) arguments: String,
    pub(super) when: Supposition,
}

impl SupposedArgs {
    pub(super) fn with(
        self,
        config: &Config,
        tool: String,
        arguments: String,
    ) -> Result<Supposed, Failure> {
        let named = self.principal.map(|id| CallerConfig {
            id,
            kind: self.kind.unwrap_or(Kind::Agent),
            roles: self.roles.into_iter().collect(),
            groups: self.groups.into_iter().collect(),
            acts_for: self.acts_for,
        });
        let caller = named.or_else(|| config.caller.clone());
        let caller = caller.ok_or_else(|| {
            Failure::Usage("say for whom: `--principal NAME --role ROLE`".to_owned())
        })?;
        let approved_by =
            (!self.approved_by.is_empty()).then(|| self.approved_by.into_iter().collect());
        let when = Supposition {
            now: self.at.unwrap_or_else(|| wiring::clock().now()),
            approved_by,
            remaining: None,
            not_yours: [].into(),
        };
        Ok(Supposed { caller, door: self.door.unwrap_or_default(), tool, arguments, when })
    }
}

impl Supposed {
    /// What would become of it. Fails where it is no call of a tool that is there.
    pub(super) fn explained(&self, plan: &Plan) -> Result<Explanation, Failure> {
        Ok(plan.policy.explain(&self.call(plan)?, &self.when))
    }

    /// With owners, and with the grants that there are in their book.
    pub(super) async fn owning(
        mut self,
        ownership: &Ownership,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        if let Some(tool) = plan.tools.find(&self.tool) {
            let principal = authn::supposed(&self.caller);
            let name = &tool.manifest.name;
            self.when.not_yours = wiring::not_yours(ownership, &principal, name).await?;
        }
        Ok(self)
    }

    fn call(&self, plan: &Plan) -> Result<Call, Failure> {
        let principal = authn::supposed(&self.caller);
        // Doors are words of the program; a command that supposes another one ends soon.
        let door: &'static str = String::leak(self.door.clone());
        let read =
            plan.tools.read(&principal, door, &self.tool, &self.arguments, ProgressSink::default());
        read.map_err(|error| call::unread(&error))
    }
}
