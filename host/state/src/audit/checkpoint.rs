//! A signed word about the chain, for places that this host cannot take it back from.
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toolward_gate::{Digest, Link};

use super::key::{AuditKey, PublicKey};

/// That the chain had this hash at this place. One line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Checkpoint {
    pub kind: CheckpointKind,
    /// The last link that it stands for, and all before it; 0 for none.
    pub sequence: u64,
    pub head: Digest,
    pub at: Timestamp,
    pub key: PublicKey,
    /// Ed25519 over [`Checkpoint::message`], in hexadecimal digits.
    pub signature: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointKind {
    /// The chain went on after this.
    Running,
    /// A host ended in order.
    Stopped,
    /// Links up to here were removed after their time; they ended with this hash.
    Removed,
    /// An operator went on with a chain that was shorter than an earlier checkpoint says. What lay between is
    /// lost, and was said to be.
    Resumed,
}

impl CheckpointKind {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
            Self::Resumed => "resumed",
        }
    }
}

impl Checkpoint {
    pub(crate) fn of(
        kind: CheckpointKind,
        last: Option<&Link>,
        at: Timestamp,
        key: &AuditKey,
    ) -> Self {
        let (sequence, head) = last.map_or((0, Digest::ZERO), |link| (link.sequence, link.hash));
        let message = message(kind, sequence, head, at);
        Self { kind, sequence, head, at, key: key.public(), signature: key.sign(&message) }
    }

    /// Reads one line, and checks that it was signed with this key.
    pub fn read(line: &str, key: PublicKey) -> Result<Self, &'static str> {
        let read: Self = serde_json::from_str(line).map_err(|_| "it is not a checkpoint")?;
        if read.key != key {
            return Err("it was signed with another key");
        }
        let message = message(read.kind, read.sequence, read.head, read.at);
        if !key.signed(&message, &read.signature) {
            return Err("its signature does not fit");
        }
        Ok(read)
    }

    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is signed: each part after its length in 8 bytes, big endian.
fn message(kind: CheckpointKind, sequence: u64, head: Digest, at: Timestamp) -> Vec<u8> {
    let (sequence, at) = (sequence.to_be_bytes(), at.to_string());
    let parts: [&[u8]; 5] = [
        b"toolward-checkpoint-1",
        kind.name().as_bytes(),
        &sequence,
        head.as_bytes(),
        at.as_bytes(),
    ];
    let mut message = Vec::new();
    for part in parts {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}
