//! The way of one outbound request.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use toolward_gate::{
    Account, Aside, CapabilityName, Cause, Charge, Clock, CredentialName, Custody, CustodyError,
    EgressTerms, HttpScope, Life, Note, Notes, ReserveError, STEP, SystemClock, Tripwire, Usage,
    step,
};
use tracing::{Instrument as _, debug_span, field::Empty};

use crate::{
    address::Own,
    broker::{Credentials, House, MintError, Minted, Purpose, Serial},
    check::{Checked, Outbound},
    fingerprint::FingerprintKey,
    lease::{Lease, Signed},
    scan::{Hit, Scanned, Scanner},
    shape::{Answer, Shaped},
    sign::SignError,
    transport::{Transport, TransportError},
};
pub use streaming::Streamed;
use trace::{End, Trace};

mod streaming;
mod trace;
mod watch;

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
    /// Which credential came back is told under this key; absent, under one that is gone with the process.
    pub fingerprints: Option<Arc<FingerprintKey>>,
    /// What capabilities with `trace_context` send on; absent, nothing.
    pub trace_context: Option<Arc<dyn TraceContext>>,
}

/// Knows which trace the work at hand belongs to.
pub trait TraceContext: Send + Sync {
    /// As it stands in a `traceparent` header (W3C Trace Context section 3.2).
    fn traceparent(&self) -> Option<HeaderValue>;
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
            fingerprints: None,
            trace_context: None,
        }
    }
}

/// Why a tool gets no response. The texts are for the tool; nothing in them comes from a server or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("the capability does not allow the request: {0}")]
    NotAllowed(String),
    #[error(
        "the destination's address may not be dialled; where it is in a private network, the operator names that in `allow_private` of the capability"
    )]
    AddressDenied,
    #[error("there is no connection, or it broke off")]
    ConnectionFailed,
    #[error("the response is not one that the capability allows: {0}")]
    ResponseRefused(String),
    #[error(
        "the response is longer than {0} bytes; ask for less, or the operator raises `max_bytes` in `response` of the capability"
    )]
    ResponseTooLarge(u64),
    #[error(
        "the response held a credential and was kept back; ask the server for something that does not repeat the request"
    )]
    Withheld,
    #[error("the request held a credential, which only the host writes; leave it out")]
    CredentialInRequest,
    #[error("the credential cannot be had; the operator's log says why")]
    CredentialUnavailable,
    #[error("the credential is neither the caller's nor granted to it any longer")]
    NotYours,
    #[error(
        "what the request may cost does not fit into the budget; try again once its window has moved on"
    )]
    OverBudget,
    #[error("what the request may cost cannot be set aside; the operator's log says why")]
    NotSetAside,
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
            Self::NotYours => "not-yours",
            Self::OverBudget => "over-budget",
            Self::NotSetAside => "unavailable",
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
    pub(crate) fingerprints: Arc<FingerprintKey>,
    pub(crate) trace_context: Option<Arc<dyn TraceContext>>,
}

/// The way out for one call, on its terms and while it lives.
pub struct Egress {
    pub(crate) shared: Arc<Shared>,
    pub(crate) terms: EgressTerms,
    /// Who calls.
    pub(crate) principal: String,
    pub(crate) life: Life,
    pub(crate) notes: Notes,
    pub(crate) account: Account,
    pub(crate) custody: Custody,
    pub(crate) tripwire: Tripwire,
}

/// A request that is about to leave.
struct Ready {
    signed: Signed,
    /// What must not come back.
    scanner: Scanner,
    /// Which value of its broker it carries.
    serial: Option<Serial>,
    /// What it may use up.
    aside: Aside,
    /// That of the call, or of the value that it carries.
    life: Life,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").finish_non_exhaustive()
    }
}

impl Egress {
    /// Carries one request of a running tool.
    pub async fn send(&self, outbound: Outbound) -> Result<Shaped, EgressError> {
        let span = watch::span(&outbound.capability);
        step(span, Box::pin(self.carry(outbound)), EgressError::code).await
    }

    async fn carry(&self, outbound: Outbound) -> Result<Shaped, EgressError> {
        let capability = outbound.capability.to_string();
        match self.prepare(outbound).await {
            Ok(ready) => self.exchange(ready).await,
            Err(error) => {
                self.notes.add(Note::NotSent { capability, code: error.code().to_owned() });
                Err(error)
            }
        }
    }

    /// Where the capability says so, the server learns which trace the request belongs to.
    fn with_trace_context(&self, mut checked: Checked) -> Checked {
        let context = self.shared.trace_context.as_ref().filter(|_| checked.scope.trace_context);
        if let Some(value) = context.and_then(|context| context.traceparent()) {
            checked.headers.push((TRACEPARENT, value));
        }
        checked
    }

    /// Everything that happens before a byte leaves.
    async fn prepare(&self, outbound: Outbound) -> Result<Ready, EgressError> {
        let checking = Checked::check(outbound, &self.terms, &self.shared.own);
        let checked = self.life.bound(checking).await.map_err(EgressError::Over)??;
        if !self.account.take_request() {
            return Err(EgressError::NotAllowed(MOST_REQUESTS.to_owned()));
        }
        // Named before anybody asks for its trace: from then on a span keeps its name.
        watch::leaves(&checked);
        let checked = self.with_trace_context(checked);
        let (signed, scanner, serial, life) = match self.lease(&checked).await? {
            Some((lease, serial)) => {
                // Once more: making it may have taken long.
                self.ask_custody(&lease.name).await?;
                let life = lease.life.clone();
                let (signed, scanner) = lease.sign(checked).map_err(|error| not_signed(&error))?;
                (signed, scanner, serial, life)
            }
            None => {
                let scanner = self.shared.house.registry.scanner();
                if checked.texts().any(|text| scanner.finds(text)) {
                    return Err(EgressError::CredentialInRequest);
                }
                (Signed::plain(checked), scanner, None, self.life.clone())
            }
        };
        let setting_aside = self.set_aside(&signed.checked);
        let aside = self.life.bound(setting_aside).await.map_err(EgressError::Over)??;
        Ok(Ready { signed, scanner, serial, aside, life })
    }

    async fn exchange(&self, ready: Ready) -> Result<Shaped, EgressError> {
        let Ready { signed, scanner, serial, aside, life } = ready;
        let (scope, from) = (signed.checked.scope.clone(), signed.checked.destination.clone());
        let capability = signed.checked.capability.clone();
        let sent_bytes = signed.checked.body.len() as u64;
        let trace = Trace::begin(self, &signed);
        let received = self.receive(signed, &scanner, serial, &life).await;
        let answer = received.map(|scanned| Answer::read(scanned, &scope));
        let charge = charge(&scope, &answer);
        let used = used(&scope, &answer, charge.as_ref(), sent_bytes);
        let end = End::of(&answer, charge, &scope, &self.shared.fingerprints);
        let answer = answer.map_err(|error| EgressError::from(&error));
        let answer = answer
            .and_then(|answer| answer.shape(&scope, &from).map_err(EgressError::ResponseRefused));
        trace.end(&answer, end);
        // Before anything is waited for: who hangs up now is counted, too.
        let counted =
            matches!(answer, Err(EgressError::Withheld)).then(|| self.count_hit(capability));
        aside.settle(used).await;
        match counted {
            Some(counted) => Err(counted.await),
            None => answer,
        }
    }

    async fn receive(
        &self,
        signed: Signed,
        scanner: &Scanner,
        serial: Option<Serial>,
        life: &Life,
    ) -> Result<Scanned, NoAnswer> {
        let credential = signed.checked.scope.credential.clone();
        let sending = self.shared.transport.send(signed, scanner);
        let raw = life.bound(sending).await.map_err(NoAnswer::Over)?;
        let raw = raw.map_err(NoAnswer::Transport)?;
        if let (Some(name), Some(serial)) = (credential, serial) {
            self.shared.credentials.answered(&name, serial, raw.status);
        }
        scanner.scan(raw).map_err(NoAnswer::Hit)
    }

    /// Writes down why there is no response, or no more of it, counts what was found, and says what the tool is
    /// told.
    fn unanswered(
        &self,
        trace: Trace,
        error: NoAnswer,
        scope: &HttpScope,
        capability: CapabilityName,
    ) -> impl Future<Output = EgressError> + use<> {
        let told = EgressError::from(&error);
        let answer = Err(error);
        let end = End::of(&answer, charge(scope, &answer), scope, &self.shared.fingerprints);
        trace.end(&Err(told.clone()), end);
        let counted = matches!(told, EgressError::Withheld).then(|| self.count_hit(capability));
        async move {
            match counted {
                Some(counted) => counted.await,
                None => told,
            }
        }
    }

    /// Sets aside what the request may use at most.
    async fn set_aside(&self, checked: &Checked) -> Result<Aside, EgressError> {
        let most = most(&checked.scope, checked.body.len() as u64);
        let aside = self.account.set_aside(&checked.capability, most).await;
        aside.map_err(|error| match error {
            ReserveError::Refused(_) => EgressError::OverBudget,
            ReserveError::Unavailable(error) => {
                tracing::error!(cause = %error.cause, "the cost of a request cannot be set aside");
                EgressError::NotSetAside
            }
        })
    }

    /// Counts a response that held a credential, whoever still waits for it; and says what the tool is told.
    fn count_hit(&self, capability: CapabilityName) -> impl Future<Output = EgressError> + use<> {
        let (tripwire, life) = (self.tripwire.clone(), self.life.clone());
        let counting = async move { tripwire.hit(&capability).await };
        let counting = tokio::spawn(counting.in_current_span());
        async move {
            let failed = match counting.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.cause.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(cause) = failed {
                tracing::error!(%cause, "a response that held a credential cannot be counted");
                return EgressError::Over(Cause::SwitchesUnreadable);
            }
            life.check().map_or_else(EgressError::Over, |()| EgressError::Withheld)
        }
    }

    /// Fails where the caller may not use the credential at this moment.
    async fn ask_custody(&self, credential: &CredentialName) -> Result<(), EgressError> {
        let asked = self.life.bound(self.custody.check(credential)).await;
        asked.map_err(EgressError::Over)?.map_err(|error| match error {
            CustodyError::NotYours => EgressError::NotYours,
            CustodyError::Unavailable(error) => {
                tracing::error!(cause = %error.cause, "whose a credential is cannot be read");
                EgressError::CredentialUnavailable
            }
        })
    }

    async fn lease(
        &self,
        checked: &Checked,
    ) -> Result<Option<(Lease, Option<Serial>)>, EgressError> {
        let (Some(name), Some(slot)) = (&checked.scope.credential, &checked.scope.slot) else {
            return Ok(None);
        };
        self.ask_custody(name).await?;
        let (scope, house) = (&*checked.scope, &self.shared.house);
        let (capability, principal) = (&checked.capability, self.principal.as_str());
        let purpose = Purpose { credential: name, capability, scope, principal, house };
        let span = debug_span!(target: STEP, "mint", credential = %name, outcome = Empty);
        let minting = step(span, self.shared.credentials.mint(&purpose), MintError::code);
        let minted = self.life.bound(minting).await.map_err(EgressError::Over)?;
        let Minted { credential, serial, ends } = minted.map_err(|error| {
            tracing::warn!(credential.name = %name, %error, "a credential cannot be had");
            EgressError::CredentialUnavailable
        })?;
        let life = ends.map_or(self.life.clone(), |end| self.life.while_good(name, end));
        let (slot, now) = (slot.clone(), self.shared.clock.now());
        let (name, registry) = (name.clone(), house.registry.clone());
        Ok(Some((Lease { name, credential, registry, slot, life, now }, serial)))
    }
}

const MOST_REQUESTS: &str =
    "as many requests have left as the person who approved the call allowed";

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

/// Why there is no response to shape.
enum NoAnswer {
    Over(Cause),
    Transport(TransportError),
    Hit(Hit),
    /// The capability does not allow it.
    Misfit(String),
}

impl From<&NoAnswer> for EgressError {
    fn from(error: &NoAnswer) -> Self {
        match error {
            NoAnswer::Over(cause) => Self::Over(cause.clone()),
            NoAnswer::Misfit(why) => Self::ResponseRefused(why.clone()),
            NoAnswer::Hit(_) => Self::Withheld,
            NoAnswer::Transport(TransportError::Unreached | TransportError::Failed) => {
                Self::ConnectionFailed
            }
            NoAnswer::Transport(TransportError::TooLarge(limit)) => {
                Self::ResponseTooLarge(*limit as u64)
            }
            NoAnswer::Transport(TransportError::Encoded) => Self::ResponseRefused(
                "its content coding is unknown, stacked or not whole; `identity` was asked for, and one of gzip, deflate, br and zstd is read"
                    .to_owned(),
            ),
        }
    }
}

/// What a request may use up at most.
fn most(scope: &HttpScope, sent_bytes: u64) -> Usage {
    let metered = scope.meter.as_ref().map(|meter| meter.most).unwrap_or_default();
    Usage { requests: 1, bytes: sent_bytes.saturating_add(longest(scope)), ..metered }
}

/// The longest response, in bytes.
fn longest(scope: &HttpScope) -> u64 {
    scope.response.max_bytes as u64
}

/// What a request used up: nothing where nobody was reached, and all that may have come where that is not known.
fn used(
    scope: &HttpScope,
    answer: &Result<Answer, NoAnswer>,
    charge: Option<&Charge>,
    sent_bytes: u64,
) -> Usage {
    let received = match answer {
        Ok(answer) => answer.received_bytes(),
        Err(NoAnswer::Transport(TransportError::Unreached)) => return Usage::default(),
        Err(_) => longest(scope),
    };
    let metered = charge.map(|charge| charge.usage).unwrap_or_default();
    Usage { requests: 1, bytes: sent_bytes.saturating_add(received), ..metered }
}

/// What a request is charged: what its response says, nothing where nobody was reached, and else the most.
fn charge(scope: &HttpScope, answer: &Result<Answer, NoAnswer>) -> Option<Charge> {
    let meter = scope.meter.as_ref()?;
    let read = match answer {
        Ok(answer) => answer.charge(scope),
        Err(NoAnswer::Transport(TransportError::Unreached)) => Some(Charge::default()),
        Err(_) => None,
    };
    Some(read.unwrap_or_else(|| meter.unread()))
}

/// W3C Trace Context section 3.2.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests;
