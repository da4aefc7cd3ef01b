//! `toolward policy prove`: does a claim hold for every call there can be?
use std::path::PathBuf;

use clap::Subcommand;
use jiff::{Timestamp, ToSpan as _, civil::date, tz::TimeZone};
use serde_json::{Value, json};
use toolward_gate::{
    CapabilityName, Cost, Counterexample, CredentialGrant, Finding, Outcome, Ownership,
    ProofVerdict, ProveError, Supposition,
};

use super::{
    super::{Context, Exit, Failure},
    supposed::{GrantArgs, Supposed},
};
use crate::{
    config::{CallerConfig, Config},
    wiring::{self, Plan},
};

#[derive(Subcommand)]
pub(in crate::command) enum Prove {
    /// No call uses this capability without a person's yes.
    Approval {
        capability: CapabilityName,
        /// Another folder with `capabilities.toml` and `*.cedar`.
        #[arg(long, value_name = "FOLDER")]
        policies: Option<PathBuf>,
        #[command(flatten)]
        grants: GrantArgs,
    },
    /// Every call that the policies allow is one that those of another folder allow.
    NoMoreThan {
        folder: PathBuf,
        /// Another folder with `capabilities.toml` and `*.cedar` in place of the configured one.
        #[arg(long, value_name = "FOLDER")]
        policies: Option<PathBuf>,
        #[command(flatten)]
        grants: GrantArgs,
    },
}

impl Prove {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Approval { capability, policies, grants } => {
                let (config, plan) = super::plan(context, policies)?;
                let held = Held::of(&config, grants).await?;
                let tools = plan.tools.installed();
                let found = plan.policy.prove_approval(&tools, &capability, held.grants());
                tell(context, &plan, &held, &found.map_err(failure)?, &[]).await
            }
            Self::NoMoreThan { folder, policies, grants } => {
                let (config, plan) = super::plan(context, policies)?;
                let (_, old) = super::plan(context, Some(folder))?;
                let held = Held::of(&config, grants).await?;
                let tools = plan.tools.installed();
                let found = plan.policy.prove_no_more_than(&old.policy, &tools, held.grants());
                let redefined = plan.policy.redefined(&old.policy);
                tell(context, &plan, &held, &found.map_err(failure)?, &redefined).await
            }
        }
    }
}

/// Whose the credentials are, and the grants; `None` where every grant is supposed.
struct Held(Option<(Ownership, Vec<CredentialGrant>)>);

impl Held {
    async fn of(config: &Config, grants: GrantArgs) -> Result<Self, Failure> {
        let Some(ownership) = grants.ownership(config).await? else { return Ok(Self(None)) };
        Ok(Self(Some((ownership, wiring::grants(config, None).await?))))
    }

    fn grants(&self) -> Option<&[CredentialGrant]> {
        self.0.as_ref().map(|(_, grants)| grants.as_slice())
    }
}

fn failure(error: ProveError) -> Failure {
    match error {
        ProveError::Unused(_) => Failure::NotFound(error.to_string()),
        ProveError::NoSolver | ProveError::Failed(_) => Failure::Other(error.into()),
    }
}

async fn tell(
    context: &Context,
    plan: &Plan,
    held: &Held,
    findings: &[Finding],
    redefined: &[CapabilityName],
) -> Result<(), Failure> {
    let proved = findings.iter().all(|one| matches!(one.verdict, ProofVerdict::Proved));
    let mut told = Vec::new();
    for finding in findings {
        told.push(Told::of(finding, plan, held).await?);
    }
    let data = json!({ "proved": proved, "findings": told.iter().map(Told::data).collect::<Vec<_>>(), "redefined": redefined });
    context.terminal.show(&data, || {
        let mut text: String = told.iter().map(Told::text).collect();
        for name in redefined {
            text += &format!("`{name}` is defined otherwise; what it opens was not compared\n");
        }
        text + if proved { "proved\n" } else { "not proved\n" }
    })?;
    if proved { Ok(()) } else { Err(Failure::Silent(Exit::Failure)) }
}

/// A finding, and whether the host itself decides the counterexample as the solver says.
struct Told<'a> {
    finding: &'a Finding,
    confirmed: Option<bool>,
}

impl<'a> Told<'a> {
    async fn of(finding: &'a Finding, plan: &Plan, held: &Held) -> Result<Self, Failure> {
        let confirmed = match &finding.verdict {
            ProofVerdict::Refuted { call } => {
                Some(confirmed(finding.claim, call, plan, held).await?)
            }
            ProofVerdict::Proved | ProofVerdict::Unknown { .. } => None,
        };
        Ok(Self { finding, confirmed })
    }

    fn data(&self) -> Value {
        let mut data = serde_json::to_value(self.finding).unwrap_or_default();
        if let (Some(members), Some(confirmed)) = (data.as_object_mut(), self.confirmed) {
            members.insert("confirmed".to_owned(), Value::Bool(confirmed));
        }
        data
    }

    fn text(&self) -> String {
        let Finding { tool, principal, claim, capability, verdict } = self.finding;
        let with = capability.as_ref().map(|name| format!(" with `{name}`")).unwrap_or_default();
        let what = format!("`{tool}`{with} by {principal:?} {claim}")
            .replace("by A", "by a")
            .replace("by U", "by u")
            .replace("by S", "by s");
        match verdict {
            ProofVerdict::Proved => format!("proved: {what}\n"),
            ProofVerdict::Unknown { why } => format!("not known: {what}: {why}\n"),
            ProofVerdict::Refuted { call } => {
                let confirmed = if self.confirmed == Some(true) {
                    "this host decides it so"
                } else {
                    "this host does not decide it so: a fact that the solver may choose, as the time, is not free here"
                };
                format!("refuted: {what}, but for this call ({confirmed}):\n  {}\n", line(call))
            }
        }
    }
}

/// As it would be asked about with `toolward policy explain`.
fn line(call: &Counterexample) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut line = format!(
        "toolward policy explain {} --args-json {}",
        call.tool,
        quoted(&call.arguments.to_string())
    );
    let kind = format!("{:?}", call.kind).to_lowercase();
    line += &format!(" --principal {} --kind {kind}", quoted(&call.principal));
    let several = [
        ("role", Vec::from_iter(&call.roles)),
        ("group", Vec::from_iter(&call.groups)),
        ("acts-for", Vec::from_iter(&call.acts_for)),
        ("approved-by", call.approved_by.iter().flatten().collect()),
    ];
    for (name, values) in several {
        values.into_iter().for_each(|value| line += &format!(" --{name} {}", quoted(value)));
    }
    let at = times(call).into_iter().next().unwrap_or_default();
    line + &format!(" --door {} --at {at}", quoted(&call.door))
}

/// Whether the call goes through here: the solver knows of no relation between hour, day and second.
async fn confirmed(
    claim: &str,
    call: &Counterexample,
    plan: &Plan,
    held: &Held,
) -> Result<bool, Failure> {
    let unasked = claim.contains("person's yes");
    for now in times(call) {
        let remaining = call.remaining.and_then(|left| u64::try_from(left).ok()).map(Cost);
        let mut supposed = Supposed {
            caller: CallerConfig {
                id: call.principal.clone(),
                kind: call.kind,
                roles: call.roles.clone(),
                groups: call.groups.clone(),
                acts_for: call.acts_for.clone(),
            },
            door: call.door.clone(),
            tool: call.tool.to_string(),
            arguments: call.arguments.to_string(),
            when: Supposition {
                now,
                approved_by: call.approved_by.clone(),
                remaining,
                not_yours: [].into(),
            },
        };
        if let Some((ownership, _)) = &held.0 {
            supposed = supposed.owning(ownership, plan).await?;
        }
        let goes_through = supposed.explained(plan).is_ok_and(|one| match one.outcome {
            Outcome::Allow { .. } => true,
            Outcome::Ask { .. } => !unasked,
            Outcome::Refuse { .. } => false,
        });
        if goes_through {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Times that the call could be made at: at its hour on its day of the week, and at its second.
fn times(call: &Counterexample) -> Vec<Timestamp> {
    // The fifth of January 2026 is a Monday.
    let monday = date(2026, 1, 5).to_zoned(TimeZone::UTC).ok();
    let day = call.weekday.saturating_sub(1).clamp(0, 6);
    let span = day.days().try_hours(call.hour.clamp(0, 23)).ok();
    let weekly = monday.zip(span).and_then(|(monday, span)| monday.checked_add(span).ok());
    let second = Timestamp::from_second(call.epoch_seconds).ok();
    weekly.map(|zoned| zoned.timestamp()).into_iter().chain(second).collect()
}
