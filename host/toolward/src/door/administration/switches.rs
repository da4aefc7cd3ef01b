//! The switches that stop what runs and keep it stopped.
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toolward_gate::{Clock as _, Principal, Switch, SwitchFeed as _, SwitchTarget, SystemClock};
use utoipa::ToSchema;

use super::{super::problem::Problem, Administration, REASON, unavailable};

/// The switches that are thrown. Each as `toolward kill list --json` prints it.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switches {
    #[schema(value_type = Vec<Object>)]
    pub switches: Vec<Value>,
}

/// What to stop.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Throwing {
    /// `everything`, or what it is and its name, as in `tool open_issue`.
    #[schema(max_length = 512, example = "tool open_issue")]
    pub target: String,
    #[schema(max_length = 4096)]
    pub reason: String,
    /// When it goes off by itself; never, where absent.
    #[schema(minimum = 1, maximum = 31_622_400)]
    pub seconds: Option<u32>,
}

/// What to let go on.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lifting {
    #[schema(max_length = 512, example = "tool open_issue")]
    pub target: String,
    #[schema(max_length = 4096)]
    pub reason: String,
}

/// List the switches that are thrown.
#[utoipa::path(get, path = "/v1/switches", tag = "switches", security(("token" = [])), responses(
    (status = 200, description = "The switches.", body = Switches),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<Switches>, Problem> {
    administration.operates(&principal)?;
    let thrown = administration.state.read().await.map_err(|error| unavailable(&error))?.thrown;
    let switches = thrown.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    Ok(Json(Switches { switches: switches.map_err(|_| Problem::unavailable())? }))
}

/// Throw a switch.
#[utoipa::path(post, path = "/v1/switches", tag = "switches", security(("token" = [])), request_body = Throwing, responses(
    (status = 200, description = "It is on.", body = Object),
    (status = 400, description = "Not a switch.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not with these roles.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn throw(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    administration.operates(&principal)?;
    let Throwing { target, reason, seconds } = administration.read(request, NO_SWITCH).await?;
    let (target, since) = (self::target(&target)?, SystemClock.now());
    let length = seconds.map(|seconds| {
        let length = SignedDuration::from_secs(i64::from(seconds));
        let wrong = || Problem::malformed("`seconds` is at least 1 and at most a year");
        if seconds == 0 || length > YEAR {
            return Err(wrong());
        }
        since.checked_add(length).map_err(|_| wrong())
    });
    let expires_at = length.transpose()?;
    let by = principal.id().to_owned();
    let switch = Switch { target, reason: said(reason)?, by, since, expires_at };
    let told = serde_json::to_value(&switch).map_err(|_| Problem::unavailable())?;
    administration.state.throw(switch).await.map_err(|error| unavailable(&error))?;
    Ok(Json(told))
}

/// Lift a switch.
#[utoipa::path(post, path = "/v1/switches/lift", tag = "switches", security(("token" = [])), request_body = Lifting, responses(
    (status = 200, description = "It is off.", body = Object),
    (status = 400, description = "Not a switch.", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not with these roles.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "It is not on.", body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Why not.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn lift(
    State(administration): State<Administration>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    administration.operates(&principal)?;
    let Lifting { target, reason } = administration.read(request, NO_SWITCH).await?;
    let (target, reason) = (self::target(&target)?, said(reason)?);
    let lifted = administration.state.lift(&target, principal.id(), &reason).await;
    if !lifted.map_err(|error| unavailable(&error))? {
        let detail =
            format!("the switch `{target}` is not on; `/v1/switches` lists those that are");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail));
    }
    Ok(Json(json!({ "off": target })))
}

fn target(text: &str) -> Result<SwitchTarget, Problem> {
    text.parse()
        .map_err(|error: toolward_gate::SwitchTargetError| Problem::malformed(error.to_string()))
}

/// Whoever looks later wants to know why.
fn said(reason: String) -> Result<String, Problem> {
    if reason.trim().is_empty() || reason.chars().count() > REASON {
        return Err(Problem::malformed(format!("`reason` has 1 to {REASON} characters")));
    }
    Ok(reason)
}

const NO_SWITCH: &str = "the body names no switch";
const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);
