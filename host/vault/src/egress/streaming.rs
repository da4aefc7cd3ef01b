//! The way of one request whose response a tool reads while it comes in.
//!
//! Until the head is there it is the way of every request. Then each part of the body goes on once it is part of
//! nothing that is still to be found; what was let go before a hit holds nothing of the value.
use std::sync::Arc;

use toolward_gate::{Aside, CapabilityName, HttpScope, Life, Note, Usage, step};

use super::{Egress, EgressError, NoAnswer, Ready, trace::Trace, watch};
use crate::{
    broker::Serial,
    check::Outbound,
    lease::Signed,
    scan::{Held, Scanned, Scanner},
    shape::{self, Shaped},
    transport::{Incoming, TransportError},
};

/// A response whose body is still coming in. Dropped, it closes its connection.
pub struct Streamed {
    head: Shaped,
    body: Body,
}

enum Body {
    Coming(Box<Coming>),
    Whole,
    Broken(EgressError),
}

struct Coming {
    egress: Arc<Egress>,
    capability: CapabilityName,
    scope: Arc<HttpScope>,
    incoming: Incoming,
    held: Held,
    trace: Trace,
    /// Counts what has come, wherever the body ends.
    aside: Aside,
    sent_bytes: u64,
    life: Life,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Streamed {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// Only fields of the capability's list or the host's, in the order they came.
    pub fn headers(&self) -> &[(String, String)] {
        self.head.headers()
    }

    /// The next part of the body, which is never empty; `None` when all of it was there. While more may come, the
    /// last bytes that came are held: about 150, and more where they are escapes. An error ends the body and the
    /// connection, and is told as often as somebody asks. Nothing is lost where the caller stops waiting.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, EgressError> {
        loop {
            let step = match &mut self.body {
                Body::Coming(coming) => coming.step().await,
                Body::Whole => return Ok(None),
                Body::Broken(error) => return Err(error.clone()),
            };
            match step {
                Ok(Step { piece, is_last }) => {
                    if is_last {
                        self.finish();
                    }
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                Err(error) => return Err(self.end(error).await),
            }
        }
    }

    fn finish(&mut self) {
        if let Body::Coming(coming) = std::mem::replace(&mut self.body, Body::Whole) {
            coming.trace.whole();
        }
    }

    async fn end(&mut self, error: NoAnswer) -> EgressError {
        let told = EgressError::from(&error);
        if let Body::Coming(coming) = std::mem::replace(&mut self.body, Body::Broken(told.clone()))
        {
            let Coming { egress, capability, scope, incoming, held, trace, aside, .. } = *coming;
            drop((incoming, held, aside));
            let told = egress.unanswered(trace, error, &scope, capability).await;
            self.body = Body::Broken(told.clone());
            return told;
        }
        told
    }
}

/// What one wait for the server brought.
struct Step {
    piece: Vec<u8>,
    is_last: bool,
}

impl Coming {
    async fn step(&mut self) -> Result<Step, NoAnswer> {
        let coming = self.life.bound(self.incoming.next()).await.map_err(NoAnswer::Over)?;
        let came = coming.map_err(NoAnswer::Transport)?;
        self.trace.received(self.incoming.received());
        let bytes = self.sent_bytes.saturating_add(self.incoming.received());
        self.aside.counts(Usage { requests: 1, bytes, ..Usage::default() });
        let is_last = came.is_none();
        let piece = match came {
            Some(came) => self.held.push(came.as_ref()),
            None => self.held.finish(),
        };
        Ok(Step { piece: piece.map_err(NoAnswer::Hit)?, is_last })
    }
}

impl Egress {
    /// Carries one request of a running tool under a capability whose responses are streamed. What the call's
    /// notes say of it is written when the body ends, or is dropped.
    pub async fn send_streaming(
        self: &Arc<Self>,
        outbound: Outbound,
    ) -> Result<Streamed, EgressError> {
        let span = watch::span(&outbound.capability);
        step(span, Box::pin(self.carry_streaming(outbound)), EgressError::code).await
    }

    async fn carry_streaming(
        self: &Arc<Self>,
        outbound: Outbound,
    ) -> Result<Streamed, EgressError> {
        let capability = outbound.capability.to_string();
        match self.prepare_streaming(outbound).await {
            Ok(ready) => self.begin(ready).await,
            Err(error) => {
                self.notes.add(Note::NotSent { capability, code: error.code().to_owned() });
                Err(error)
            }
        }
    }

    /// What is metered or shown in part is read whole before anything of it goes on.
    async fn prepare_streaming(&self, outbound: Outbound) -> Result<Ready, EgressError> {
        let scope = self.terms.http.get(&outbound.capability);
        if scope.is_some_and(|scope| !scope.is_streamed()) {
            let why = "its responses are not streamed".to_owned();
            return Err(EgressError::NotAllowed(why));
        }
        self.prepare(outbound).await
    }

    async fn begin(self: &Arc<Self>, ready: Ready) -> Result<Streamed, EgressError> {
        let Ready { signed, scanner, serial, mut aside, life } = ready;
        let sent_bytes = signed.checked.body.len() as u64;
        let (scope, from) = (signed.checked.scope.clone(), signed.checked.destination.clone());
        let capability = signed.checked.capability.clone();
        let mut trace = Trace::begin(self, &signed);
        let opened = self.open(signed, &scanner, serial, &life).await;
        let begun = opened.and_then(|(scanned, incoming)| {
            let head = shape::head(scanned, incoming.is_empty(), &scope, &from);
            Ok((head.map_err(NoAnswer::Misfit)?, incoming))
        });
        let (head, incoming) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                if matches!(error, NoAnswer::Transport(TransportError::Unreached)) {
                    aside.counts(Usage::default());
                }
                return Err(self.unanswered(trace, error, &scope, capability).await);
            }
        };
        trace.answered(head.status());
        watch::answered(head.status());
        let (egress, held) = (self.clone(), Held::of(&scanner));
        let coming =
            Coming { egress, capability, scope, incoming, held, trace, aside, sent_bytes, life };
        Ok(Streamed { head, body: Body::Coming(Box::new(coming)) })
    }

    /// The head, which holds no credential, and the body, of which nobody knows.
    async fn open(
        &self,
        signed: Signed,
        scanner: &Scanner,
        serial: Option<Serial>,
        life: &Life,
    ) -> Result<(Scanned, Incoming), NoAnswer> {
        let credential = signed.checked.scope.credential.clone();
        let opening = self.shared.transport.open(signed);
        let opened = life.bound(opening).await.map_err(NoAnswer::Over)?;
        let (raw, incoming) = opened.map_err(NoAnswer::Transport)?;
        if let (Some(name), Some(serial)) = (credential, serial) {
            self.shared.credentials.answered(&name, serial, raw.status);
        }
        Ok((scanner.scan(raw).map_err(NoAnswer::Hit)?, incoming))
    }
}
