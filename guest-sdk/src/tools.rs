//! Calls of other tools, under a capability that names them.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use toolward_sdk::{Capability, ToolError, ToolType, tool};
//!
//! #[derive(Serialize)]
//! struct Place {
//!     place: String,
//! }
//! #[derive(Deserialize, Serialize, ToolType)]
//! struct Forecast {
//!     summary: String,
//! }
//!
//! /// Say what to wear.
//! #[tool]
//! fn dress(
//!     #[capability("weather:tools:call")] weather: Capability,
//! ) -> Result<Forecast, ToolError> {
//!     toolward_sdk::tools::call("get_forecast", &Place { place: "Berlin".to_owned() }, &weather)
//! }
//! # fn main() {}
//! ```
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Capability, ToolError,
    bindings::toolward::tool::tools::{self as wire, ToolError as WireError},
};

/// Calls a tool and waits for its result. The called tool runs for the same caller, and can use no more than
/// this one or the capability lends.
///
/// An error of the called tool has its own code; one of the host has the host's, as in `not-granted`.
pub fn call<A: Serialize + ?Sized, R: DeserializeOwned>(
    tool: &str,
    arguments: &A,
    under: &Capability,
) -> Result<R, ToolError> {
    let answer = wire::call(tool, &serde_json::to_string(arguments)?, &under.0).map_err(refused)?;
    serde_json::from_str(&answer).map_err(|error| {
        let message = format!("the answer of `{tool}` cannot be read: {error}");
        ToolError::new("unexpected-answer", message)
    })
}

fn refused(error: WireError) -> ToolError {
    match error {
        WireError::Refused(why) => ToolError::new("refused", why),
        WireError::NotCallable => {
            ToolError::new("not-callable", "the capability does not name this tool")
        }
        WireError::TooDeep => {
            ToolError::new("too-deep", "the tool is running already, or too many wait")
        }
        WireError::Arguments(why) => ToolError::new("arguments", why),
        WireError::Failed(failure) | WireError::Stopped(failure) => {
            ToolError::new(failure.code, failure.message)
        }
    }
}
