//! `toolward api-key`: static keys, for those who have nothing else. A key is shown once, when it is made.
use std::path::PathBuf;

use clap::Subcommand;
use jiff::SignedDuration;
use serde_json::json;
use toolward_gate::{ApiKey as Known, ApiKeys as _, CapabilityName, Clock as _, Kind, SystemClock};

use super::{
    Context, Failure,
    time::{up_to, within},
    token::kind,
};
use crate::{
    authn::{IssuedKey, KeyWanted, write_private},
    wiring,
};

#[derive(Subcommand)]
pub(super) enum ApiKey {
    /// Make a key for somebody, and show it for the only time.
    Create {
        /// Who speaks with it.
        #[arg(long)]
        id: String,
        #[arg(long, default_value = "service", value_parser = kind)]
        kind: Kind,
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A capability it may use; all that policies allow, where absent.
        #[arg(long = "scope", value_name = "CAPABILITY")]
        scope: Vec<CapabilityName>,
        /// How long it lives, as in `720h`; a year at most.
        #[arg(long = "for", value_name = "TIME", value_parser = within(up_to(YEAR), "write a time of at most a year, as in `720h`"))]
        time: SignedDuration,
        /// Write it into a new file that only its owner reads; to standard output, where absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the keys. None of them can be shown again.
    List,
    /// End a key, and what runs with it.
    Revoke {
        /// As `toolward api-key list` shows it.
        id: String,
        #[arg(long)]
        reason: String,
    },
}

impl ApiKey {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let (by, now) = (config.operator_id(), SystemClock.now());
        match self {
            Self::Create { id, kind, roles, scope, time, out } => {
                let ends_at = now.checked_add(time);
                let wanted = KeyWanted {
                    principal: id,
                    kind,
                    roles: roles.into_iter().collect(),
                    scope: (!scope.is_empty()).then(|| scope.into_iter().collect()),
                    by,
                    now,
                    ends_at: ends_at.map_err(|error| Failure::Usage(error.to_string()))?,
                };
                create(context, wanted, out).await
            }
            Self::List => list(context).await,
            Self::Revoke { id, reason } => {
                let state = wiring::state(&config).await?;
                if !state.revoke_api_key(&id, &by, &reason).await? {
                    return Err(Failure::NotFound(format!(
                        "there is no key `{id}` that still opens something; `toolward api-key list` shows them"
                    )));
                }
                let told = json!({ "revoked": id });
                Ok(context.terminal.show(&told, || format!("revoked: {id}"))?)
            }
        }
    }
}

/// Remembered first: a key that is shown opens something.
async fn create(context: &Context, wanted: KeyWanted, out: Option<PathBuf>) -> Result<(), Failure> {
    let config = context.config()?;
    if wanted.principal.is_empty() || wanted.principal.chars().any(char::is_control) {
        return Err(Failure::Usage("`--id` is the name of a principal".to_owned()));
    }
    let made = IssuedKey::make(wanted);
    let made = made.ok_or_else(|| anyhow::anyhow!("this machine has no random bytes"))?;
    if let Some(out) = &out {
        write_private(out, made.text.as_bytes())?;
    }
    let kept = wiring::state(&config).await?.add_api_key(&made.record).await;
    if let (Err(_), Some(out)) = (&kept, &out) {
        std::fs::remove_file(out)?;
    }
    kept?;
    if !config.authentication.api_keys {
        context.terminal.say("keys are not taken yet: `api_keys = true` under `[authentication]`");
    }
    let id = made.record.id.as_str();
    match out {
        None => context
            .terminal
            .show(&json!({ "id": id, "key": *made.text }), || made.text.to_string())?,
        Some(out) => {
            let file = out.display().to_string();
            let told = json!({ "id": id, "file": file });
            context.terminal.show(&told, || format!("wrote the key `{id}` to `{file}`"))?;
        }
    }
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let (keys, now) = (wiring::state(&config).await?.api_keys().await?, SystemClock.now());
    let line = |key: &Known| {
        let state = match key.revoked_at {
            Some(at) => format!("revoked {at}"),
            None if key.ends_at <= now => format!("ended {}", key.ends_at),
            None => format!("until {}", key.ends_at),
        };
        let roles: Vec<&str> = key.roles.iter().map(String::as_str).collect();
        let roles = if roles.is_empty() { "-".to_owned() } else { roles.join(", ") };
        format!("{} for {} ({roles}), by {}, {state}\n", key.id, key.principal, key.by)
    };
    context.terminal.show(&json!({ "api_keys": keys }), || keys.iter().map(line).collect())?;
    if keys.is_empty() {
        context.terminal.say("there are no keys");
    }
    Ok(())
}

const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);
