//! The way of one outbound request.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;
use toolward_gate::{CapabilityName, Cause, Clock, EgressTerms, Life, Note, Notes, SystemClock};

use crate::{
    address::Own,
    broker::{Credentials, House, Minted, Purpose, Serial},
    check::{Checked, Outbound},
    lease::{Lease, Signed},
    scan::{ScanError, Scanned, Scanner},
    sign::SignError,
    transport::{Transport, TransportError},
};

/// How requests leave this host.
#[derive(Clone)]
pub struct EgressSettings {
    /// Certificates that are trusted besides those of the machine, in PEM form.
    pub extra_roots_pem: Option<Vec<u8>>,
    pub connect_timeout: Duration,
    /// The host's own listeners, which no tool reaches.
    pub denied: Vec<SocketAddr>,
    /// Signatures hold the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for EgressSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connect_timeout, denied, .. } = self;
        f.debug_struct("EgressSettings")
            .field("connect_timeout", connect_timeout)
            .field("denied", denied)
            .finish_non_exhaustive()
    }
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            extra_roots_pem: None,
            connect_timeout: Duration::from_secs(10),
            denied: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why a tool gets no response. The texts are for the tool; nothing in them comes from a server or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("the capability does not allow the request: {0}")]
    NotAllowed(String),
    #[error("the destination's address may not be dialled")]
    AddressDenied,
    #[error("there is no connection, or it broke off")]
    ConnectionFailed,
    #[error("the response is not one that the capability allows: {0}")]
    ResponseRefused(String),
    #[error("the response is longer than {0} bytes")]
    ResponseTooLarge(u64),
    #[error("the response held a credential and was kept back")]
    Withheld,
    #[error("the request held a credential, which only the host writes")]
    CredentialInRequest,
    #[error("the credential cannot be had; the operator's log says why")]
    CredentialUnavailable,
    /// The call is over: the tool does not go on.
    #[error("{0}")]
    Over(Cause),
}

impl EgressError {
    /// Stable: programs match on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed(_) => "not-allowed",
            Self::AddressDenied => "address-denied",
            Self::ConnectionFailed => "connection-failed",
            Self::ResponseRefused(_) => "response-refused",
            Self::ResponseTooLarge(_) => "response-too-large",
            Self::Withheld => "withheld",
            Self::CredentialInRequest => "credential-in-request",
            Self::CredentialUnavailable => "credential-unavailable",
            Self::Over(cause) => cause.code(),
        }
    }
}

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) credentials: Credentials,
    pub(crate) transport: Transport,
    pub(crate) own: Arc<Own>,
    pub(crate) house: Arc<House>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The way out for one call, on its terms and while it lives.
pub struct Egress {
    pub(crate) shared: Arc<Shared>,
    pub(crate) terms: EgressTerms,
    /// Who calls.
    pub(crate) principal: String,
    pub(crate) life: Life,
    pub(crate) notes: Notes,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

impl Egress {
    /// Carries one request of a running tool.
    pub async fn send(&self, outbound: Outbound) -> Result<Scanned, EgressError> {
        let capability = outbound.capability.to_string();
        let (signed, scanner, serial) = match self.prepare(outbound).await {
            Ok(ready) => ready,
            Err(error) => {
                self.notes.add(Note::NotSent { capability, code: error.code().to_owned() });
                return Err(error);
            }
        };
        let trace = Trace::begin(self, &signed);
        let answer = self.exchange(signed, &scanner, serial).await;
        trace.end(&answer);
        answer
    }

    /// Everything that happens before a byte leaves.
    async fn prepare(&self, outbound: Outbound) -> Result<Ready, EgressError> {
        let checking = Checked::check(outbound, &self.terms, &self.shared.own);
        let checked = self.life.bound(checking).await.map_err(EgressError::Over)??;
        match self.lease(&checked).await? {
            Some((lease, serial)) => {
                let (signed, scanner) = lease.sign(checked).map_err(|error| not_signed(&error))?;
                Ok((signed, scanner, serial))
            }
            None => {
                let scanner = self.shared.house.registry.scanner();
                if checked.texts().any(|text| scanner.finds(text)) {
                    return Err(EgressError::CredentialInRequest);
                }
                Ok((Signed::plain(checked), scanner, None))
            }
        }
    }

    async fn exchange(
        &self,
        signed: Signed,
        scanner: &Scanner,
        serial: Option<Serial>,
    ) -> Result<Scanned, EgressError> {
        let scope = signed.checked.scope.clone();
        let destination = signed.checked.destination.clone();
        let sent = self
            .life
            .bound(self.shared.transport.send(signed, scanner))
            .await
            .map_err(EgressError::Over)?;
        let raw = sent.map_err(|error| match error {
            TransportError::Failed => EgressError::ConnectionFailed,
            TransportError::TooLarge(limit) => EgressError::ResponseTooLarge(limit as u64),
            TransportError::Encoded => EgressError::ResponseRefused(
                "its content coding is unknown, stacked or not whole, and `identity` was asked for"
                    .to_owned(),
            ),
        })?;
        if let (Some(name), Some(serial)) = (&scope.credential, serial) {
            self.shared.credentials.answered(name, serial, raw.status);
        }
        scanner.scan(raw, &scope, &destination).map_err(|error| match error {
            ScanError::Hit(_) => EgressError::Withheld,
            ScanError::Shape(why) => EgressError::ResponseRefused(why),
        })
    }

    async fn lease(
        &self,
        checked: &Checked,
    ) -> Result<Option<(Lease, Option<Serial>)>, EgressError> {
        let (Some(name), Some(slot)) = (&checked.scope.credential, &checked.scope.slot) else {
            return Ok(None);
        };
        let (scope, house) = (&*checked.scope, &self.shared.house);
        let purpose = Purpose { credential: name, scope, principal: &self.principal, house };
        let minting = self.shared.credentials.mint(&purpose);
        let minted = self.life.bound(minting).await.map_err(EgressError::Over)?;
        let Minted { credential, serial } = minted.map_err(|error| {
            tracing::warn!(credential.name = %name, %error, "a credential cannot be had");
            EgressError::CredentialUnavailable
        })?;
        let (slot, life, now) = (slot.clone(), self.life.clone(), self.shared.clock.now());
        let (name, registry) = (name.clone(), house.registry.clone());
        Ok(Some((Lease { name, credential, registry, slot, life, now }, serial)))
    }
}

/// A request that may leave, what must not come back, and which value of its broker it carries.
type Ready = (Signed, Scanner, Option<Serial>);

fn not_signed(error: &SignError) -> EgressError {
    match error {
        SignError::Over(cause) => EgressError::Over(cause.clone()),
        SignError::Carried => EgressError::CredentialInRequest,
        SignError::Unfit(why) => {
            tracing::warn!(%why, "a credential does not fit its slot");
            EgressError::CredentialUnavailable
        }
    }
}

/// Sees to it that a request that left is in the audit entry, even where nobody waits for its end: whoever
/// runs the tool may drop it in the middle of a request.
struct Trace<'a> {
    egress: &'a Egress,
    line: Option<Line>,
}

impl<'a> Trace<'a> {
    fn begin(egress: &'a Egress, signed: &Signed) -> Self {
        Self { egress, line: Some(Line::of(signed)) }
    }

    fn end(mut self, answer: &Result<Scanned, EgressError>) {
        if let Some(line) = self.line.take() {
            self.egress.notes.add(line.note(answer));
        }
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            let code = self.egress.life.check().map_or_else(|cause| cause.code(), |()| ABANDONED);
            self.egress.notes.add(line.unanswered(code));
        }
    }
}

/// What the audit entry says of a request that left.
struct Line {
    capability: CapabilityName,
    method: String,
    host: String,
    path_template: String,
    sent_bytes: u64,
    since: Instant,
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
        }
    }

    fn note(self, answer: &Result<Scanned, EgressError>) -> Note {
        match answer {
            Ok(scanned) => self.sent(scanned),
            Err(EgressError::Withheld) => self.withheld(),
            Err(error) => self.unanswered(error.code()),
        }
    }

    fn sent(self, scanned: &Scanned) -> Note {
        let (status, received_bytes) = (scanned.status(), scanned.body().len() as u64);
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
        }
    }

    fn withheld(self) -> Note {
        let Self { capability, method, host, path_template, .. } = self;
        Note::Withheld { capability, method, host, path_template }
    }

    fn unanswered(self, code: &str) -> Note {
        let (code, millis) = (code.to_owned(), self.millis());
        let Self { capability, method, host, path_template, .. } = self;
        Note::Unanswered { capability, method, host, path_template, code, millis }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The code of a request that was dropped while the call lived.
const ABANDONED: &str = "abandoned";

#[cfg(test)]
mod tests;
