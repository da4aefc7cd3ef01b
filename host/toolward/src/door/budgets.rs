//! How far are limits used up? As `toolward budget show --json` says it.
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toolward_gate::{Clock as _, Standing, SystemClock, ToolName};
use toolward_state::{AccountFilter, State};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// A limit that calls are held to.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub principal: String,
    pub tool: String,
    /// As the policy says it.
    #[schema(example = "requests:5/month of github by principal")]
    pub limit: String,
    /// What the numbers count: `calls`, `requests`, `tokens`, `bytes` or `micro-dollars`.
    #[schema(example = "requests")]
    pub unit: String,
    /// What is settled, or counts as used.
    pub used: u64,
    /// What is set aside for calls that run.
    pub reserved: u64,
    pub left: u64,
    /// When the next part of it comes back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub frees_at: Option<Timestamp>,
    /// When all of it is there again, if nobody uses more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
    /// When a call was first held to it as it is now.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// Limits, by principal and tool.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Budgets {
    /// When that was so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub budgets: Vec<Limit>,
    /// To be sent as `after` for those that follow; absent on the last page.
    pub next: Option<String>,
}

/// AccountFilter of them; everything that is given must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Whose calls.
    #[param(max_length = 256)]
    pub principal: Option<String>,
    /// Calls of which tool.
    #[param(max_length = 64, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub tool: Option<String>,
    /// What was `next` on the page before.
    #[param(max_length = 321)]
    pub after: Option<String>,
    /// Pairs of a principal and a tool, at most.
    #[param(minimum = 1, maximum = 100)]
    pub most: Option<u32>,
}

impl From<&Standing> for Limit {
    fn from(standing: &Standing) -> Self {
        Self {
            principal: standing.principal.clone(),
            tool: standing.tool.to_string(),
            limit: standing.limit.to_string(),
            unit: standing.limit.unit().to_owned(),
            used: standing.used,
            reserved: standing.reserved,
            left: standing.left,
            frees_at: standing.frees_at,
            resets_at: standing.resets_at,
            since: standing.held_at,
        }
    }
}

/// One page of those that `shown` leaves.
pub(super) async fn page(
    state: &State,
    asked: Asked,
    shown: impl Fn(&Standing) -> bool,
) -> Result<Budgets, Problem> {
    let most = asked.most.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(Problem::malformed(format!("`most` is at least 1 and at most {MOST}")));
    }
    if asked.principal.as_ref().is_some_and(|name| name.chars().count() > NAME) {
        return Err(Problem::malformed(format!("`principal` has {NAME} characters at most")));
    }
    let which = AccountFilter {
        tool: asked.tool.as_deref().map(|name| named(name, "tool")).transpose()?,
        principal: asked.principal,
        after: asked.after.as_deref().map(after).transpose()?,
        most: Some(most),
    };
    let at = SystemClock.now();
    let (standings, next) = state.standings_of(&which, at).await.map_err(|error| {
        tracing::error!(cause = %error.cause, "the budgets cannot be read");
        Problem::unavailable()
    })?;
    let budgets = standings.iter().filter(|one| shown(one)).map(Limit::from).collect();
    let next = next.map(|(principal, tool)| format!("{tool} {principal}"));
    Ok(Budgets { at, budgets, next })
}

/// No name of a tool has a space in it; one of a principal may.
fn after(text: &str) -> Result<(String, ToolName), Problem> {
    let (tool, principal) = text.split_once(' ').unwrap_or((text, ""));
    if principal.chars().count() > NAME {
        return Err(Problem::malformed("`after` is what `next` was on the page before"));
    }
    Ok((principal.to_owned(), named(tool, "after")?))
}

fn named(text: &str, parameter: &str) -> Result<ToolName, Problem> {
    text.parse().map_err(|_| Problem::malformed(format!("`{parameter}` is no name of a tool")))
}

/// Characters of a principal's name.
const NAME: usize = 256;
/// Pairs of a principal and a tool on one page.
const MOST: u32 = 100;
