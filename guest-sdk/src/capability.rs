//! Handles for what a call was granted.
use std::{fmt, time::Duration};

use crate::{
    ToolError,
    bindings::toolward::tool::capabilities::{self, Limits as WireLimits, Refusal as WireRefusal},
    http::Request,
};

/// A capability of this call: usable, narrowable, never readable. It ends with the call.
///
/// The `#[capability("…")]` attribute on a parameter of a tool provides it.
pub struct Capability(pub(crate) capabilities::Capability);

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Capability").field(&self.name()).finish()
    }
}

/// How a handle is made smaller. What is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// HTTP methods, upper case: a subset of what the handle allows.
    pub methods: Option<Vec<String>>,
    /// Only paths that begin with this text.
    pub path_prefix: Option<String>,
    /// Names of tools that may be called: a subset of what the handle allows.
    pub tools: Option<Vec<String>>,
    /// No request body and no response of more than this many bytes.
    pub max_bytes: Option<u64>,
    /// At most this many uses.
    pub uses: Option<u32>,
    /// At most this long from now.
    pub time: Option<Duration>,
}

/// Why a handle is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This call was not granted the capability.
    NotGranted,
    /// What was asked for is not less than what the handle allows.
    NotNarrower,
    /// The handle's time or uses are over.
    Expired,
    /// The call holds as many handles as it may.
    TooMany,
}

impl Capability {
    /// The handle for a capability, by name. Prefer the attribute on a parameter: it also tells the manifest.
    pub fn obtain(name: &str) -> Result<Self, Refusal> {
        capabilities::obtain(name).map(Self).map_err(Refusal::from)
    }

    /// The capability's name, as in `github:issues:write`.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Until the handle ends, as far as is known now.
    pub fn expires_in(&self) -> Duration {
        Duration::from_millis(self.0.expires_in_ms())
    }

    /// A handle that can do less.
    pub fn narrow(&self, to: Limits) -> Result<Self, Refusal> {
        let time_ms = to.time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let limits = WireLimits {
            methods: to.methods,
            path_prefix: to.path_prefix,
            tools: to.tools,
            max_bytes: to.max_bytes,
            uses: to.uses,
            time_ms,
        };
        self.0.narrow(&limits).map(Self).map_err(Refusal::from)
    }

    /// A GET request to a path.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }
    /// A POST request to a path.
    pub fn post(&self, path: &str) -> Request<'_> {
        self.request("POST", path)
    }
    /// A PUT request to a path.
    pub fn put(&self, path: &str) -> Request<'_> {
        self.request("PUT", path)
    }
    /// A PATCH request to a path.
    pub fn patch(&self, path: &str) -> Request<'_> {
        self.request("PATCH", path)
    }
    /// A DELETE request to a path.
    pub fn delete(&self, path: &str) -> Request<'_> {
        self.request("DELETE", path)
    }
    /// A request with any method.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }
}

impl From<WireRefusal> for Refusal {
    fn from(refusal: WireRefusal) -> Self {
        match refusal {
            WireRefusal::NotGranted => Self::NotGranted,
            WireRefusal::NotNarrower => Self::NotNarrower,
            WireRefusal::Expired => Self::Expired,
            WireRefusal::TooMany => Self::TooMany,
        }
    }
}

impl From<Refusal> for ToolError {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::NotGranted => ("not-granted", "the capability is not granted to this call"),
            Refusal::NotNarrower => ("not-narrower", "a handle only ever gets narrower"),
            Refusal::Expired => ("expired", "the handle's time or uses are over"),
            Refusal::TooMany => ("too-many-handles", "the call holds as many handles as it may"),
        };
        Self::new(code, message)
    }
}
