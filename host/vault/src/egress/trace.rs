//! What does the audit entry say of a request that left?
use tokio::time::Instant;
use toolward_gate::{CapabilityName, Charge, Note};

use super::{Egress, EgressError};
use crate::{fingerprint::Fingerprint, lease::Signed, shape::Shaped};

/// Sees to it that a request that left is in the audit entry, even where nobody waits for its end: whoever
/// runs the tool may drop it in the middle of a request.
pub(super) struct Trace<'a> {
    egress: &'a Egress,
    line: Option<Line>,
}

/// What came of a request, besides what the tool is told.
pub(super) struct End {
    pub(super) received_bytes: u64,
    pub(super) charge: Option<Charge>,
}

impl<'a> Trace<'a> {
    pub(super) fn begin(
        egress: &'a Egress,
        signed: &Signed,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        Self { egress, line: Some(Line::of(signed, fingerprint)) }
    }

    pub(super) fn end(mut self, answer: &Result<Shaped, EgressError>, end: End) {
        if let Some(line) = self.line.take() {
            self.egress.notes.add(line.note(answer, end));
        }
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            let code = self.egress.life.check().map_or_else(|cause| cause.code(), |()| ABANDONED);
            let charge = line.unread.clone();
            self.egress.notes.add(line.unanswered(code, charge));
        }
    }
}

struct Line {
    capability: CapabilityName,
    method: String,
    host: String,
    path_template: String,
    sent_bytes: u64,
    since: Instant,
    fingerprint: Option<Fingerprint>,
    /// What is charged where nobody reads a response.
    unread: Option<Charge>,
}

impl Line {
    fn of(signed: &Signed, fingerprint: Option<Fingerprint>) -> Self {
        let checked = &signed.checked;
        Self {
            capability: checked.capability.clone(),
            method: checked.method.to_string(),
            host: checked.destination.authority(),
            path_template: checked.template.clone(),
            sent_bytes: checked.body.len() as u64,
            since: Instant::now(),
            fingerprint,
            unread: checked.scope.meter.as_ref().map(toolward_gate::Meter::unread),
        }
    }

    fn note(self, answer: &Result<Shaped, EgressError>, end: End) -> Note {
        match answer {
            Ok(shaped) => self.sent(shaped, end),
            Err(EgressError::Withheld) => self.withheld(end.charge),
            Err(error) => self.unanswered(error.code(), end.charge),
        }
    }

    fn sent(self, shaped: &Shaped, End { received_bytes, charge }: End) -> Note {
        let (status, millis) = (shaped.status(), self.millis());
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

    fn withheld(self, charge: Option<Charge>) -> Note {
        let fingerprint = self.fingerprint.map(|one| one.to_string()).unwrap_or_default();
        let Self { capability, method, host, path_template, .. } = self;
        Note::Withheld { capability, method, host, path_template, fingerprint, charge }
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
