//! What can be stopped, and where it is kept that it is.
use std::{fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CapabilityName, Denials, Digest, Unavailable};

/// What a kill switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SwitchTarget {
    Everything,
    Tool(String),
    Digest(String),
    Capability(String),
    /// What the tools of one component do under one capability.
    Use {
        digest: Digest,
        capability: CapabilityName,
    },
    /// The first word of a capability name, as in `github` of `github:issues:write`.
    Provider(String),
    Credential(String),
    Principal(String),
}

impl fmt::Display for SwitchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Tool(name) => write!(f, "tool {name}"),
            Self::Digest(name) => write!(f, "digest {name}"),
            Self::Capability(name) => write!(f, "capability {name}"),
            Self::Use { digest, capability } => write!(f, "use {digest} {capability}"),
            Self::Provider(name) => write!(f, "provider {name}"),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Principal(name) => write!(f, "principal {name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a kill switch: write `everything`, or one of `tool`, `digest`, `capability`, `provider`, `credential`, `principal` and a name, or `use` with a digest and a capability"
)]
pub struct SwitchTargetError(String);

impl FromStr for SwitchTarget {
    type Err = SwitchTargetError;
    fn from_str(text: &str) -> Result<Self, SwitchTargetError> {
        let (kind, name) = text.split_once(' ').unwrap_or((text, ""));
        if kind == "use" {
            return pair(name).ok_or_else(|| SwitchTargetError(text.to_owned()));
        }
        let owned = name.trim().to_owned();
        match (kind, owned.is_empty()) {
            ("everything", true) => Ok(Self::Everything),
            ("tool", false) => Ok(Self::Tool(owned)),
            ("digest", false) => Ok(Self::Digest(owned)),
            ("capability", false) => Ok(Self::Capability(owned)),
            ("provider", false) => Ok(Self::Provider(owned)),
            ("credential", false) => Ok(Self::Credential(owned)),
            ("principal", false) => Ok(Self::Principal(owned)),
            _ => Err(SwitchTargetError(text.to_owned())),
        }
    }
}

fn pair(text: &str) -> Option<SwitchTarget> {
    let (digest, capability) = text.trim().split_once(' ')?;
    let capability = capability.trim().parse().ok()?;
    Some(SwitchTarget::Use { digest: digest.parse().ok()?, capability })
}

impl TryFrom<String> for SwitchTarget {
    type Error = SwitchTargetError;
    fn try_from(text: String) -> Result<Self, SwitchTargetError> {
        text.parse()
    }
}

impl From<SwitchTarget> for String {
    fn from(target: SwitchTarget) -> Self {
        target.to_string()
    }
}

/// A thrown switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    pub target: SwitchTarget,
    pub reason: String,
    pub by: String,
    pub since: Timestamp,
    /// When it goes off by itself; never, where absent.
    pub expires_at: Option<Timestamp>,
}

/// Every switch that is thrown, and every denial: what ends calls, read at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchSet {
    pub thrown: Vec<Switch>,
    pub denials: Denials,
}

impl SwitchSet {
    /// What they stop.
    pub fn targets(&self) -> impl Iterator<Item = &SwitchTarget> {
        self.thrown.iter().map(|switch| &switch.target)
    }

    /// Whether one of them stops just this.
    pub fn names(&self, target: &SwitchTarget) -> bool {
        self.targets().any(|thrown| thrown == target)
    }
}

/// Where switches are kept, so that they hold across restarts and reach every host.
#[async_trait]
pub trait SwitchFeed: Send + Sync {
    async fn read(&self) -> Result<SwitchSet, Unavailable>;
    /// Throws a switch, and records it in the audit trail in the same transaction.
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable>;
    /// Counts one event, and throws the switch with the `most`th since it was last lifted; counting, throwing
    /// and its record are one transaction. Whether the switch is on then. A feed that does not count throws it with the first.
    async fn count_towards(&self, switch: Switch, _most: u32) -> Result<bool, Unavailable> {
        self.throw(switch).await.map(|()| true)
    }
    /// Lifts a switch, and records it in the same transaction; `false` when it was not thrown. What was counted
    /// towards it is forgotten.
    async fn lift(
        &self,
        target: &SwitchTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable>;
}
