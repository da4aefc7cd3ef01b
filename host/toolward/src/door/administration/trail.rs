//! What is on record?
#![expect(unused_qualifications, reason = "the macro of a route writes them")]

use axum::{
    Extension, Json,
    extract::{Query, RawQuery, State, rejection::QueryRejection},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toolward_gate::{CallId, Change, Link, Principal};
use toolward_state::{Decided, Search};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{super::problem::Problem, Administration, unavailable};

/// Records in the order of the chain, as `toolward audit export` writes them.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Records {
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<Value>,
    /// To be sent as `after` for those that follow; absent where these are all.
    pub next: Option<u64>,
}

/// What to look for; everything that is given must fit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Looking {
    call: Option<Uuid>,
    /// Who called, or for whom; of a change, who made it.
    principal: Option<String>,
    tool: Option<String>,
    /// A capability that the tool tried.
    capability: Option<String>,
    #[param(inline)]
    decision: Option<DecisionName>,
    /// What a call ended with, as in `ok`; of a change, as in `kill-on`.
    code: Option<String>,
    /// From this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only records with a higher sequence.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<u64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    most: Option<u32>,
}

/// How it was decided about a call.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum DecisionName {
    Allow,
    Ask,
    Refuse,
}

/// Find records. That somebody looked, and for what, is one: `audit-read`.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Looking), security(("token" = [])), responses(
    (status = 200, description = "What fits.", body = Records),
    (status = 400, description = "A parameter that is none.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not with these roles.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn search(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    RawQuery(asked): RawQuery,
    looking: Result<Query<Looking>, QueryRejection>,
) -> Result<Json<Records>, Problem> {
    administration.operates(&principal)?;
    let Query(looking) = looking?;
    let most = looking.most.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(Problem::malformed(format!("`most` is at least 1 and at most {MOST}")));
    }
    if looking.after.is_some_and(|after| after > HIGHEST) {
        return Err(Problem::malformed(format!("`after` is at most {HIGHEST}")));
    }
    let links = administration.state.search(&looking.search(most)).await.map_err(|error| {
        tracing::error!(%error, "the trail cannot be read");
        Problem::unavailable()
    })?;
    // Who cannot be put on record sees nothing.
    let look = look(&principal, asked.as_deref());
    administration.state.record_change(look).await.map_err(|error| unavailable(&error))?;
    let full = usize::try_from(most).is_ok_and(|most| links.len() >= most);
    let next = links.last().map(|link| link.sequence).filter(|_| full);
    Ok(Json(Records { records: links.iter().map(whole).collect(), next }))
}

impl Looking {
    fn search(self, most: u32) -> Search {
        let decision = |decision| match decision {
            DecisionName::Allow => Decided::Allow,
            DecisionName::Ask => Decided::Ask,
            DecisionName::Refuse => Decided::Refuse,
        };
        Search {
            call: self.call.map(CallId::from_uuid),
            principal: self.principal,
            tool: self.tool,
            capability: self.capability,
            decision: self.decision.map(decision),
            code: self.code,
            since: self.since,
            until: self.until,
            after: self.after,
            most: Some(most),
        }
    }
}

fn look(principal: &Principal, asked: Option<&str>) -> Change {
    let asked = asked.filter(|asked| !asked.is_empty()).unwrap_or("everything");
    Change {
        by: principal.id().to_owned(),
        action: "audit-read".to_owned(),
        subject: asked.chars().take(ASKED).collect(),
        reason: String::new(),
    }
}

fn whole(link: &Link) -> Value {
    let record: Value =
        serde_json::from_str(&link.record).unwrap_or_else(|_| Value::String(link.record.clone()));
    json!({ "sequence": link.sequence, "at": link.at, "record": record, "previous": link.previous, "hash": link.hash })
}

/// Of a query, characters on record.
const ASKED: usize = 1024;
/// Records at once.
const MOST: u32 = 500;
/// Of a sequence, as every reader of JSON knows it (RFC 8259 section 6).
const HIGHEST: u64 = (1 << 53) - 1;
