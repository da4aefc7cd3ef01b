//! What does the audit entry say of a request that left?
use tokio::time::Instant;
use toolward_gate::{CapabilityName, Charge, CredentialName, HttpScope, Life, Note, Notes};

use super::{Egress, EgressError, NoAnswer, watch};
use crate::{
    fingerprint::{Fingerprint, FingerprintKey},
    lease::Signed,
    scan::Hit,
    shape::{Answer, Shaped},
};

/// Sees to it that a request that left is in the audit entry, even where nobody waits for its end: whoever
/// runs the tool may drop it in the middle of a request.
pub(super) struct Trace {
    notes: Notes,
    life: Life,
    line: Option<Line>,
    /// What the tool has of a response that is still coming in.
    streamed: Option<SoFar>,
}

struct SoFar {
    status: u16,
    received_bytes: u64,
}

/// What came of a request, besides what the tool is told.
pub(super) struct End {
    received_bytes: u64,
    charge: Option<Charge>,
    /// What came back that must not.
    found: Option<(Option<CredentialName>, Fingerprint)>,
}

impl End {
    pub(super) fn of(
        answer: &Result<Answer, NoAnswer>,
        charge: Option<Charge>,
        scope: &HttpScope,
        key: &FingerprintKey,
    ) -> Self {
        let received_bytes = answer.as_ref().map_or(0, Answer::received_bytes);
        let found = match answer {
            Err(NoAnswer::Hit(Hit { credential, value })) => {
                // A value that was made for one request was made from the credential that it was under.
                let credential = credential.clone().or_else(|| scope.credential.clone());
                Some((credential, key.of(value.as_bytes())))
            }
            _ => None,
        };
        Self { received_bytes, charge, found }
    }
}

impl Trace {
    pub(super) fn begin(egress: &Egress, signed: &Signed) -> Self {
        let (notes, life) = (egress.notes.clone(), egress.life.clone());
        Self { notes, life, line: Some(Line::of(signed)), streamed: None }
    }

    /// The tool has the head of a response, and its body is coming in.
    pub(super) fn answered(&mut self, status: u16) {
        self.streamed = Some(SoFar { status, received_bytes: 0 });
    }

    pub(super) fn received(&mut self, bytes: u64) {
        if let Some(so_far) = &mut self.streamed {
            so_far.received_bytes = bytes;
        }
    }

    /// All of the body was there.
    pub(super) fn whole(mut self) {
        if let (Some(line), Some(so_far)) = (self.line.take(), self.streamed.take()) {
            self.notes.add(line.streamed(&so_far));
        }
    }

    pub(super) fn end(mut self, answer: &Result<Shaped, EgressError>, end: End) {
        if let Some(line) = self.line.take() {
            self.notes.add(line.note(answer, end));
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        let note = match (self.life.check(), self.streamed.take()) {
            // The tool read as much as it wanted.
            (Ok(()), Some(so_far)) => line.streamed(&so_far),
            (ended, _) => {
                let code = ended.map_or_else(|cause| cause.code(), |()| ABANDONED);
                let charge = line.unread.clone();
                line.unanswered(code, charge)
            }
        };
        self.notes.add(note);
    }
}

struct Line {
    capability: CapabilityName,
    method: String,
    host: String,
    path_template: String,
    sent_bytes: u64,
    since: Instant,
    /// What is charged where nobody reads a response.
    unread: Option<Charge>,
}

impl Line {
    fn of(signed: &Signed) -> Self {
        let checked = &signed.checked;
        Self {
            capability: checked.capability.clone(),
            method: checked.method.to_string(),
            host: checked.destination.authority(),
            path_template: checked.template.clone(),
            sent_bytes: checked.body.len() as u64,
            since: Instant::now(),
            unread: checked.scope.meter.as_ref().map(toolward_gate::Meter::unread),
        }
    }

    fn note(self, answer: &Result<Shaped, EgressError>, end: End) -> Note {
        match answer {
            Ok(shaped) => {
                watch::answered(shaped.status());
                self.sent(shaped.status(), end)
            }
            Err(EgressError::Withheld) => self.withheld(end),
            Err(error) => self.unanswered(error.code(), end.charge),
        }
    }

    fn streamed(self, so_far: &SoFar) -> Note {
        let SoFar { status, received_bytes } = *so_far;
        self.sent(status, End { received_bytes, charge: None, found: None })
    }

    fn sent(self, status: u16, End { received_bytes, charge, .. }: End) -> Note {
        let millis = self.millis();
        let Self { capability, method, host, path_template, sent_bytes, .. } = self;
        Note::Sent {
            capability,
            method,
            host,
            path_template,
            status,
            sent_bytes,
            received_bytes,
            millis,
            charge,
        }
    }

    fn withheld(self, End { charge, found, .. }: End) -> Note {
        let (credential, fingerprint) = found.unzip();
        let fingerprint = fingerprint.map(|one| one.to_string()).unwrap_or_default();
        let credential = credential.flatten();
        let Self { capability, method, host, path_template, .. } = self;
        Note::Withheld { capability, method, host, path_template, credential, fingerprint, charge }
    }

    fn unanswered(self, code: &str, charge: Option<Charge>) -> Note {
        let (code, millis) = (code.to_owned(), self.millis());
        let Self { capability, method, host, path_template, .. } = self;
        Note::Unanswered { capability, method, host, path_template, code, millis, charge }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The code of a request that was dropped while the call lived.
const ABANDONED: &str = "abandoned";
