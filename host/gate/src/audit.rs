//! The entry that is opened before anything happens and closed after, and the hash chain over all records.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Approval, ApprovalId, Basis, Call, CallId, CapabilityName, ComponentName, Cost, CredentialName,
    Digest, Kind, Parent, Recording, Reservation, Stop, Tally, ToolName, Unavailable, Usage,
};

/// Field names that the log and the audit share.
pub mod fields {
    pub const CALL_ID: &str = "call.id";
    pub const PRINCIPAL_ID: &str = "principal.id";
    pub const TOOL_NAME: &str = "tool.name";
    pub const TOOL_DIGEST: &str = "tool.digest";
    pub const OUTCOME: &str = "outcome";
}

/// One thing that happened on the way of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "note", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Note {
    Allowed(Basis),
    Asked {
        approval: ApprovalId,
        policy_version: Digest,
    },
    /// What the policies refused.
    Refused {
        /// The policies that forbade it; empty where none permits it.
        policies: Vec<String>,
        policy_version: Digest,
    },
    /// The arguments, as far as the policies have them recorded.
    Arguments {
        recording: Recording,
        arguments: serde_json::Value,
    },
    Approved {
        approval: ApprovalId,
        by: BTreeSet<String>,
    },
    /// A request that left. Never its query, headers or body.
    Sent {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        status: u16,
        sent_bytes: u64,
        received_bytes: u64,
        millis: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A request that left, and has no response that counts.
    Unanswered {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        code: String,
        millis: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A request that did not leave.
    NotSent {
        capability: String,
        code: String,
    },
    /// A response that was kept from the tool because it held a credential.
    Withheld {
        capability: CapabilityName,
        method: String,
        host: String,
        path_template: String,
        /// Whose value it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        credential: Option<CredentialName>,
        /// Which value it was: an HMAC of it under a key of this host.
        fingerprint: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
    },
    /// A line that the tool logged.
    Logged {
        level: String,
        message: String,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, String>,
    },
    /// A tool that this one called. The called tool has an entry of its own, which names this call.
    Called {
        capability: CapabilityName,
        tool: ToolName,
        call: CallId,
        outcome: String,
        millis: u64,
    },
    /// A tool that was not called.
    NotCalled {
        capability: String,
        code: String,
    },
    /// Log lines over the limit.
    LogDropped {
        lines: u64,
    },
}

/// What a metered request was charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Charge {
    #[serde(flatten)]
    pub usage: Usage,
    /// What the response said; empty where it did not say, and the most was charged.
    pub quantities: BTreeMap<String, u64>,
}

/// What happens on the way of one call. Clones write on the same page; the audit entry ends with it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<Note>>>);

impl Notes {
    pub fn add(&self, note: Note) {
        self.page().push(note);
    }
    pub fn read(&self) -> Vec<Note> {
        self.page().clone()
    }
    fn page(&self) -> MutexGuard<'_, Vec<Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Written before anything happens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opened {
    pub call: CallId,
    pub principal: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    pub acts_for: Vec<String>,
    pub door: &'static str,
    pub component: ComponentName,
    pub tool: ToolName,
    pub tool_digest: Digest,
    /// The arguments themselves stay out of the trail.
    pub arguments_digest: Digest,
    /// The call of the tool that calls this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// The process that carries the call, as the log knows it: it fills this in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Written together with what is set aside and spent for a call, before anything of it leaves the host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Admitted {
    pub call: CallId,
    /// Why the policy said yes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The yes that is spent on this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    pub reserved: Cost,
}

impl Admitted {
    pub fn of(reservation: &Reservation<'_>) -> Self {
        let allowed = |note| if let Note::Allowed(basis) = note { Some(basis) } else { None };
        Self {
            call: reservation.call.id,
            basis: reservation.call.notes.read().into_iter().rev().find_map(allowed),
            approval: reservation.approval.as_ref().map(Approval::id),
            reserved: reservation.usage.total().cost,
        }
    }
}

/// Written after a call, in whatever way it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Closed {
    pub call: CallId,
    #[serde(flatten)]
    pub ending: Ending,
    pub cost: Cost,
    #[serde(skip_serializing_if = "is_none_used")]
    pub tokens: u64,
    /// The same by provider, and what else was used.
    #[serde(skip_serializing_if = "Tally::names_nobody")]
    pub used: Tally,
    pub millis: u64,
    pub notes: Vec<Note>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_used(tokens: &u64) -> bool {
    *tokens == 0
}

/// How a call ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ending {
    /// `ok`, or the code of the stop.
    pub outcome: String,
    /// The stop in words; absent for `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Ending {
    pub fn of<T>(outcome: &Result<T, Stop>) -> Self {
        match outcome {
            Ok(_) => Self { outcome: "ok".to_owned(), detail: None },
            Err(stop) => Self { outcome: stop.code().to_owned(), detail: Some(stop.to_string()) },
        }
    }
}

/// What an operator changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    pub by: String,
    /// As in `kill-on`, `kill-off`, `approval-approve`, `approval-deny`, `tool-add`, `secret-set`.
    pub action: String,
    pub subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One record of the trail.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    Opened(Opened),
    Admitted(Admitted),
    Closed(Closed),
    Changed(Change),
}

impl Record {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Admitted(_) => "admitted",
            Self::Closed(_) => "closed",
            Self::Changed(_) => "changed",
        }
    }
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Opened(opened) => Some(opened.call),
            Self::Admitted(admitted) => Some(admitted.call),
            Self::Closed(closed) => Some(closed.call),
            Self::Changed(_) => None,
        }
    }
}

/// A record as it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From 1, without gaps.
    pub sequence: u64,
    pub at: Timestamp,
    /// Canonical JSON (RFC 8785).
    pub record: String,
    /// The hash of the link before; [`Digest::ZERO`] before the first.
    pub previous: Digest,
    pub hash: Digest,
}

impl Link {
    /// The link that follows `previous`.
    pub fn after(
        previous: Option<&Self>,
        at: Timestamp,
        record: &Record,
    ) -> Result<Self, Unavailable> {
        let value = serde_json::to_value(record)
            .map_err(|error| Unavailable::new("the audit trail", error))?;
        let record = crate::json::canonical(&value)
            .map_err(|error| Unavailable::new("the audit trail", error))?;
        let (last, previous) =
            previous.map_or((0, Digest::ZERO), |link| (link.sequence, link.hash));
        let sequence =
            last.checked_add(1).ok_or_else(|| Unavailable::new("the audit trail", "it is full"))?;
        let hash = Self::digest(sequence, at, &record, previous);
        Ok(Self { sequence, at, record, previous, hash })
    }

    /// What the hash of these contents must be.
    pub fn expected_hash(&self) -> Digest {
        Self::digest(self.sequence, self.at, &self.record, self.previous)
    }

    fn digest(sequence: u64, at: Timestamp, record: &str, previous: Digest) -> Digest {
        Digest::of_parts(&[
            b"toolward-audit-1",
            &sequence.to_be_bytes(),
            at.to_string().as_bytes(),
            record.as_bytes(),
            previous.as_bytes(),
        ])
    }
}

/// Follows a chain link by link, and says where it is broken.
///
/// A bare chain shows rewriting, reordering, insertion and gaps. It cannot show that its tail was cut off:
/// for that, a later hash must be known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    last: Option<(u64, Digest)>,
}

impl Chain {
    /// A chain whose links up to this one were removed.
    pub fn following(sequence: u64, hash: Digest) -> Self {
        Self { last: Some((sequence, hash)) }
    }

    /// Fails with what is wrong about the next link.
    pub fn check(&mut self, link: &Link) -> Result<(), &'static str> {
        let (last, previous) = self.last.unwrap_or((0, Digest::ZERO));
        self.last = Some((link.sequence, link.hash));
        if Some(link.sequence) != last.checked_add(1) {
            return Err("a record before it is missing, or stands elsewhere");
        }
        if link.previous != previous {
            return Err("it does not follow the record before it");
        }
        if link.hash != link.expected_hash() {
            return Err("it was changed after it was written");
        }
        Ok(())
    }

    /// The last hash, which a later check can be anchored to.
    pub fn head(&self) -> Digest {
        self.last.map_or(Digest::ZERO, |(_, hash)| hash)
    }
}

/// Where the trail is kept. Every write is durable when it returns.
#[async_trait]
pub trait AuditLog: Send + Sync {
    async fn append(&self, record: &Record) -> Result<(), Unavailable>;
    /// Appends the closing record and settles what was reserved under the call's id, in one transaction.
    async fn close(&self, closed: Closed) -> Result<(), Unavailable>;
    /// Says for the last time, elsewhere, how far the trail goes. After a crash that is not said.
    async fn stop(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// The trail, as `perform` uses it.
#[derive(Clone)]
pub struct Audit(Arc<dyn AuditLog>);

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self(log)
    }

    /// The host ends in order.
    pub async fn stop(&self) -> Result<(), Unavailable> {
        self.0.stop().await
    }

    /// Records what was changed about this host. Fails when it cannot be recorded: then it is not to be changed.
    pub async fn change(&self, change: Change) -> Result<(), Unavailable> {
        self.0.append(&Record::Changed(change)).await
    }

    /// Opens the entry of a call. Fails when it cannot be recorded: then nothing happens.
    pub async fn open(&self, call: &Call) -> Result<Entry, Unavailable> {
        let opened = Opened {
            call: call.id,
            principal: call.principal.id().to_owned(),
            kind: call.principal.kind(),
            roles: call.principal.roles().clone(),
            groups: call.principal.groups().clone(),
            acts_for: call.principal.acts_for().to_vec(),
            door: call.door,
            component: call.tool.component.clone(),
            tool: call.tool.name.clone(),
            tool_digest: call.tool.digest,
            arguments_digest: call.arguments.digest(),
            parent: call.parent.as_ref().map(Parent::call),
            host: None,
        };
        self.0.append(&Record::Opened(opened)).await?;
        Ok(Entry {
            log: self.0.clone(),
            call: call.id,
            notes: call.notes.clone(),
            since: tokio::time::Instant::now(),
        })
    }
}

/// An open entry. One `close` ends it, for every way a call can end.
#[must_use = "an entry that is not closed is found open at the next start, and closed as interrupted"]
pub struct Entry {
    log: Arc<dyn AuditLog>,
    call: CallId,
    notes: Notes,
    since: tokio::time::Instant,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("call", &self.call).finish_non_exhaustive()
    }
}

impl Entry {
    pub async fn close(self, ending: Ending, used: Tally) -> Result<(), Unavailable> {
        let Usage { cost, tokens, .. } = used.total();
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log
            .close(Closed {
                call: self.call,
                ending,
                cost,
                tokens,
                used,
                millis,
                notes: self.notes.read(),
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(count: usize) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for number in 0..count {
            let change = Change {
                by: "ana".to_owned(),
                action: "kill-on".to_owned(),
                subject: number.to_string(),
                reason: String::new(),
            };
            let next = Link::after(links.last(), Timestamp::UNIX_EPOCH, &Record::Changed(change));
            links.push(next.unwrap());
        }
        links
    }

    fn fault(links: &[Link]) -> Option<u64> {
        let mut chain = Chain::default();
        links.iter().find(|link| chain.check(link).is_err()).map(|link| link.sequence)
    }

    #[test]
    fn the_hash_of_a_known_link_stays_what_it_is() {
        // Computed apart: SHA-256 over five parts, each after its length in eight bytes.
        let link = links(1).remove(0);
        assert_eq!(
            link.hash.to_string(),
            "sha256:409c69cd22b2c11dae96af7a30975e24a5ac46955347545a80876ab379fea845",
            "the published form of the chain changed"
        );
    }

    #[test]
    fn a_link_that_is_left_out_or_moved_breaks_the_chain() {
        let whole = links(5);
        assert_eq!(fault(&whole), None);
        let mut gap = whole.clone();
        gap.remove(2);
        assert_eq!(fault(&gap), Some(4));
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(fault(&swapped), Some(3));
        let mut twice = whole;
        let copy = twice[2].clone();
        twice.insert(3, copy);
        assert_eq!(fault(&twice), Some(3));
    }

    proptest! {
        #[test]
        fn a_changed_record_breaks_the_chain_where_it_stands(place in 0_usize..6, text in "[a-z{}\":]{1,40}") {
            let mut links = links(6);
            prop_assume!(links[place].record != text);
            links[place].record = text;
            prop_assert_eq!(fault(&links), Some(links[place].sequence));
        }
    }
}
