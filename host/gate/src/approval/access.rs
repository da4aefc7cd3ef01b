//! A capability that somebody does not have, for a time, because two others agreed.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Agreed, ApprovalId, ApprovalState, Approvers, Filing, Request};
use crate::{
    Call, CallDigest, CapabilityName, Digest, Note, Principal, Risk, Terms, ToolName, ToolRef,
    Unavailable,
};

/// What is asked for beside the capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// From the last yes.
    pub seconds: u64,
    pub reason: String,
}

impl Access {
    pub(super) fn lasts(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// A request for a capability, for one tool as it is now.
#[derive(Clone, Debug)]
pub struct WantedAccess<'a> {
    pub principal: &'a Principal,
    pub tool: &'a ToolRef,
    pub capability: CapabilityName,
    pub access: Access,
    /// The roles of those who may agree; empty: anybody else.
    pub roles: BTreeSet<String>,
    pub policy_version: Digest,
    /// How long the question stays open.
    pub expires_in: Duration,
}

impl WantedAccess<'_> {
    /// The question, which two people have to answer. Fails when a time does not fit the calendar.
    pub fn file(self, now: Timestamp) -> Result<Filing, Unavailable> {
        let expires_at = now
            .checked_add(self.expires_in)
            .map_err(|error| Unavailable::new("the clock", error))?;
        Ok(Filing {
            digest: self.digest(),
            principal: self.principal.id().to_owned(),
            acts_for: self.principal.acts_for().to_vec(),
            tool: self.tool.name.clone(),
            tool_digest: self.tool.digest,
            caller: None,
            arguments: String::new(),
            capabilities: vec![self.capability],
            policy_version: self.policy_version,
            risk: Risk::High,
            approvers: Approvers { count: PEOPLE, roles: self.roles },
            turns: Vec::new(),
            access: Some(self.access),
            compared: None,
            filed_at: now,
            expires_at,
        })
    }

    fn digest(&self) -> CallDigest {
        let acts_for: Vec<&[u8]> = self.principal.acts_for().iter().map(String::as_bytes).collect();
        CallDigest::from_digest(Digest::of_parts(&[
            b"toolward-access-1",
            self.principal.id().as_bytes(),
            Digest::of_parts(&acts_for).as_bytes(),
            self.tool.name.as_str().as_bytes(),
            self.tool.digest.as_bytes(),
            self.capability.as_str().as_bytes(),
            &self.access.seconds.to_be_bytes(),
            self.access.reason.as_bytes(),
            self.policy_version.as_bytes(),
        ]))
    }
}

/// A capability that others allowed, until its end.
#[derive(Clone, Debug)]
pub struct Exception {
    id: ApprovalId,
    by: BTreeSet<String>,
    ends_at: Timestamp,
}

impl Exception {
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.ends_at.duration_since(now)).unwrap_or_default()
    }

    pub(crate) fn note(&self, call: &Call, capability: &CapabilityName) {
        tracing::warn!(call.id = %call.id, %capability, approval = %self.id, ends_at = %self.ends_at, "a capability is used that no policy permits: people allowed it for a time");
        call.notes.add(Note::Exceptional {
            approval: self.id,
            capability: capability.clone(),
            by: self.by.clone(),
            ends_at: self.ends_at,
        });
    }
}

/// What one call may use although no policy permits it.
#[derive(Clone, Debug, Default)]
pub struct Exceptions(BTreeMap<CapabilityName, Exception>);

impl Exceptions {
    /// Those that hold for this caller, this very tool and these policies, and that are not over.
    pub(crate) fn of(
        approved: &[Request],
        caller: &Principal,
        (tool, digest): (&ToolName, Digest),
        version: Digest,
        now: Timestamp,
    ) -> Self {
        let fits = |filing: &Filing| {
            filing.access.is_some()
                && filing.principal == caller.id()
                && filing.acts_for == caller.acts_for()
                && filing.tool == *tool
                && filing.tool_digest == digest
                && filing.policy_version == version
                && filing.expires_at > now
        };
        let mut exceptions = BTreeMap::new();
        for request in approved.iter().filter(|request| fits(&request.filing)) {
            let Ok(Agreed { by, enough: true, .. }) = Agreed::to(request, caller) else {
                continue;
            };
            if request.state != ApprovalState::Approved || by.len() < usize::from(PEOPLE) {
                continue;
            }
            let (id, ends_at) = (request.id, request.filing.expires_at);
            let exception = Exception { id, by, ends_at };
            exceptions.extend(
                request.filing.capabilities.iter().map(|one| (one.clone(), exception.clone())),
            );
        }
        Self(exceptions)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn allows(&self, capability: &CapabilityName) -> bool {
        self.0.contains_key(capability)
    }

    /// Those that the terms lend something by. What the policies permit by now anyway is among them: that it was
    /// asked for stays to be seen.
    pub(crate) fn used<'a>(
        &'a self,
        terms: &Terms,
    ) -> impl Iterator<Item = (&'a CapabilityName, &'a Exception)> + use<'a> {
        let granted: BTreeSet<CapabilityName> =
            terms.sandbox.grants.capabilities.keys().cloned().collect();
        self.0.iter().filter(move |(name, _)| granted.contains(*name))
    }
}

/// Who have to agree.
const PEOPLE: u8 = 2;
