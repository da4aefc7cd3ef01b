//! How much of its role may a session do that is minted for a capability?
use std::collections::BTreeSet;

use serde_json::json;

/// What a session is narrowed to: it can do what its role can, of these actions, on these resources.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionPolicy {
    /// As in `s3:GetObject`. No action of every service.
    pub actions: BTreeSet<String>,
    /// Amazon resource names, or `*`.
    pub resources: BTreeSet<String>,
}

impl SessionPolicy {
    /// As AWS reads it (IAM JSON policy elements, version 2012-10-17).
    pub fn document(&self) -> String {
        let statement =
            json!({ "Effect": "Allow", "Action": self.actions, "Resource": self.resources });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    }
}
