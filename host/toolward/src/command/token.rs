//! `toolward token`: tokens of this host's own to try things out, and what is taken back.
mod revoke;

use std::{collections::BTreeSet, path::PathBuf};

use clap::Subcommand;
use jiff::SignedDuration;
use serde_json::json;
use toolward_gate::{CapabilityName, Clock as _, DenyList as _, Kind, SystemClock};

use super::{
    Context, Failure, run,
    time::{up_to, within},
};
use crate::{
    authn::{DevelopmentKey, MAX_SECONDS, Wanted, write_private},
    config::ADMINISTRATION,
    wiring,
};

#[derive(Subcommand)]
pub(super) enum Token {
    /// Sign a token for somebody. In `development` only, and for 24 hours at most.
    Mint {
        /// Who speaks with it.
        #[arg(long)]
        id: String,
        #[arg(long, default_value = "agent", value_parser = kind)]
        kind: Kind,
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A capability it may use; all that policies allow, where absent.
        #[arg(long = "scope", value_name = "CAPABILITY")]
        scope: Vec<CapabilityName>,
        /// For whom it acts, nearest first.
        #[arg(long, value_name = "ID")]
        acts_for: Vec<String>,
        /// For the administration's address, and not for calls.
        #[arg(long)]
        administration: bool,
        /// How long it lives, as in `30m`.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = within(up_to(LONGEST), "write a time of at most 24 hours, as in `30m` or `8h`"))]
        time: SignedDuration,
        /// Write it into a new file that only its owner reads; to standard output, where absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say whom this host would take a token for. It is read from a file, or from `TOOLWARD_TOKEN_FILE`.
    Inspect {
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Take back a token, or everything of a subject or an issuer. What runs with it ends.
    Revoke(revoke::Revoke),
    /// List what is taken back.
    Denied,
    /// Take a revocation back: what it named is good again, where it has not ended.
    Allow(revoke::Allow),
}

pub(super) fn kind(text: &str) -> Result<Kind, &'static str> {
    serde_json::from_value(text.into()).map_err(|_| "write `agent`, `user` or `service`")
}

impl Token {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Mint { id, kind, roles, scope, acts_for, administration, time, out } => {
                let wanted = Wanted {
                    id,
                    kind,
                    roles: roles.into_iter().collect(),
                    acts_for,
                    scope: (!scope.is_empty()).then(|| scope.into_iter().collect::<BTreeSet<_>>()),
                    issued_at: SystemClock.now().as_second(),
                    seconds: time.as_secs(),
                    audience: None,
                };
                mint(context, wanted, administration, out)
            }
            Self::Inspect { file } => inspect(context, file).await,
            Self::Revoke(revoke) => revoke.run(context).await,
            Self::Denied => revoke::list(context).await,
            Self::Allow(allow) => allow.run(context).await,
        }
    }
}

fn mint(
    context: &Context,
    mut wanted: Wanted,
    administration: bool,
    out: Option<PathBuf>,
) -> Result<(), Failure> {
    let config = context.config()?;
    if administration {
        let set = config.administration.as_ref().map(|set| set.audience.as_str());
        wanted.audience = Some(set.unwrap_or(ADMINISTRATION).to_owned());
    }
    wiring::data(&config)?;
    let key = DevelopmentKey::open_or_make(&config).map_err(anyhow::Error::from)?;
    let token = key.mint(&wanted).ok_or_else(|| anyhow::anyhow!("the key does not sign"))?;
    let Some(out) = out else {
        return Ok(context.terminal.show(&json!({ "token": token }), || token.clone())?);
    };
    write_private(&out, token.as_bytes())?;
    let file = out.display().to_string();
    context.terminal.show(&json!({ "file": file }), || {
        format!("wrote `{file}`; use it with `TOOLWARD_TOKEN_FILE={file}`")
    })?;
    Ok(())
}

async fn inspect(context: &Context, file: Option<PathBuf>) -> Result<(), Failure> {
    let config = context.config()?;
    let token = match file {
        Some(file) => run::token_in(&file)?,
        None => run::token()?.ok_or_else(|| {
            Failure::Usage("name a file with a token, or set `TOOLWARD_TOKEN_FILE`".to_owned())
        })?,
    };
    let principal = wiring::authn(&config)?.examine(&token).await?;
    let denials = wiring::state(&config).await?.denials().await?;
    let denied = denials.hit(&principal);
    let told = json!({
        "id": principal.id(),
        "kind": principal.kind(),
        "roles": principal.roles(),
        "acts_for": principal.acts_for(),
        "scope": principal.scope(),
        "ends_at": principal.ends_at(),
        "door": principal.door(),
        "proven_by": principal.proven_by(),
        "denied": denied,
    });
    context.terminal.show(&told, || {
        let list =
            |words: Vec<&str>| if words.is_empty() { "-".to_owned() } else { words.join(", ") };
        let scope = principal.scope().map_or_else(
            || "all that policies allow".to_owned(),
            |scope| list(scope.iter().map(CapabilityName::as_str).collect()),
        );
        let proven = principal.proven_by().iter().map(|one| format!("{} of {}", one.id, one.issuer));
        format!(
            "id:        {}\nacts for:  {}\nroles:     {}\nscope:     {scope}\nends at:   {}\ndoor:      {}\nproven by: {}{}",
            principal.id(),
            list(principal.acts_for().iter().map(String::as_str).collect()),
            list(principal.roles().iter().map(String::as_str).collect()),
            principal.ends_at().map_or_else(|| "-".to_owned(), |end| end.to_string()),
            principal.door().unwrap_or("any"),
            proven.collect::<Vec<_>>().join(", then "),
            denied.map(|one| format!("\nrevoked by {}: {}", one.by, one.reason)).unwrap_or_default(),
        )
    })?;
    Ok(())
}

const LONGEST: SignedDuration = SignedDuration::from_secs(MAX_SECONDS);
