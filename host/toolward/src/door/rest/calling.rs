//! How is a call made, and how does its caller hear of it?
use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use toolward_gate::{Call, Digest, Principal, ProgressSink, Said, Stop, Unavailable};
use toolward_sandbox::Output;
use tracing::Instrument as _;

use super::{
    super::{agents::Agents, place::only, problem::Problem},
    CallRequest,
    accepted::wants_events,
    once::{Mine, Name},
    told,
};
use crate::{host::Host, telemetry, tools::ReadError};

/// A request for a call.
pub(super) struct Asked {
    principal: Principal,
    tool: String,
    arguments: String,
    name: Option<Name>,
    streamed: bool,
    traceparent: Option<String>,
}

impl Asked {
    pub(super) fn read(
        principal: Principal,
        headers: &HeaderMap,
        request: CallRequest,
    ) -> Result<Self, Problem> {
        let CallRequest { tool, arguments } = request;
        let arguments = match arguments {
            Value::Null => "{}".to_owned(),
            given @ (Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => given.to_string(),
        };
        let digest = Digest::of_parts(&[tool.as_bytes(), arguments.as_bytes()]);
        let name = Name::read(headers, digest)?;
        let accepts = only(headers, &header::ACCEPT).unwrap_or_default();
        let streamed = wants_events(accepts);
        if streamed && name.is_some() {
            return Err(Problem::malformed(
                "an answer that comes in parts is not kept: leave out `Idempotency-Key`, or `text/event-stream`",
            ));
        }
        let traceparent = only(headers, &TRACEPARENT).map(str::to_owned);
        Ok(Self { principal, tool, arguments, name, streamed, traceparent })
    }

    pub(super) async fn answer(self, agents: &Agents) -> Response {
        let span = telemetry::request(DOOR, REQUEST, self.traceparent.as_deref());
        let wider = agents.missing_scope(&self.principal, &self.tool);
        let response = self.carried(agents).instrument(span).await;
        match wider.filter(|_| response.extensions().get::<told::NotGranted>().is_some()) {
            Some(scope) => agents.guard.wider(response, &scope),
            None => response,
        }
    }

    async fn carried(self, agents: &Agents) -> Response {
        if self.streamed {
            return self.stream(agents);
        }
        let call = match self.call(agents, ProgressSink::default()) {
            Ok(call) => call,
            Err(problem) => return problem.into_response(),
        };
        match &self.name {
            None => waited(&agents.host, call).await,
            Some(name) => match name.claim(agents, &self.principal, call.id).await {
                Ok(mine) => once(agents.host.clone(), call, mine).await,
                Err(response) => response,
            },
        }
    }

    fn call(&self, agents: &Agents, progress: ProgressSink) -> Result<Call, Problem> {
        let read =
            agents.host.tools.read(&self.principal, DOOR, &self.tool, &self.arguments, progress);
        read.map_err(|error| match error {
            ReadError::NoSuchTool { .. } => {
                Problem::not_found("there is no such tool; `/v1/tools` lists those that there are")
            }
            ReadError::KeptBack { .. } => {
                Problem::new(StatusCode::CONFLICT, "kept-back", error.to_string())
            }
            ReadError::Arguments(_) | ReadError::Mismatch { .. } => {
                Problem::new(StatusCode::BAD_REQUEST, "arguments", error.to_string())
            }
        })
    }

    fn stream(self, agents: &Agents) -> Response {
        let (sender, said) = mpsc::channel(WAITING);
        let call = match self.call(agents, ProgressSink::to(sender)) {
            Ok(call) => call,
            Err(problem) => return problem.into_response(),
        };
        let (events, heard) = mpsc::channel(WAITING);
        tokio::spawn(tell(agents.host.clone(), call, said, events).in_current_span());
        let heard = stream::unfold(heard, async |mut heard| {
            heard.recv().await.map(|event| (Ok::<_, Infallible>(event), heard))
        });
        let alive = KeepAlive::new().interval(ALIVE);
        ([("x-accel-buffering", "no")], Sse::new(heard).keep_alive(alive)).into_response()
    }
}

/// Answers when the call has ended. A caller who hangs up cancels it.
async fn waited(host: &Arc<Host>, call: Call) -> Response {
    let (id, tool) = (call.id, call.tool.name.to_string());
    let (_waiting, gone) = oneshot::channel::<()>();
    let outcome = host.perform_unless(call, async { drop(gone.await) }).await;
    told::answer(id, &tool, outcome)
}

/// The same for a request with a name: it is done to its end, since its caller may come back for the answer.
async fn once(host: Arc<Host>, call: Call, mine: Mine) -> Response {
    let (id, tool) = (call.id, call.tool.name.to_string());
    let work = async move {
        let outcome = host.perform(call).await;
        let stop = outcome.as_ref().err().cloned();
        mine.settle(stop.as_ref(), told::answer(id, &tool, outcome)).await
    };
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|error| {
        Problem::of(&Unavailable::new("the host", error).into()).into_response()
    })
}

/// Passes on what a tool says, as fast as the client reads, and then how the call ended.
async fn tell(
    host: Arc<Host>,
    call: Call,
    mut said: mpsc::Receiver<Said>,
    events: mpsc::Sender<Event>,
) {
    let (id, tool) = (call.id, call.tool.name.to_string());
    let left = events.clone();
    let mut performing =
        std::pin::pin!(host.perform_unless(call, async move { left.closed().await }));
    let outcome: Result<Output, Stop> = loop {
        tokio::select! {
            biased;
            Some(said) = said.recv() => drop(events.send(progress(said)).await),
            outcome = &mut performing => break outcome,
        }
    };
    let last = match outcome {
        Ok(Output { value }) => event("done", &json!({ "call": id.as_uuid(), "result": value })),
        Err(stop) => {
            let problem = Problem::of(&stop).with("call", id.to_string()).with("tool", tool);
            event("problem", &serde_json::to_value(problem).unwrap_or_default())
        }
    };
    // A client that left hears nothing; the call's end is on record.
    drop(events.send(last).await);
}

fn progress(said: Said) -> Event {
    match said {
        Said::Progress(progress) => {
            event("progress", &serde_json::to_value(progress).unwrap_or_default())
        }
        Said::Part(text) => event("part", &json!({ "text": text })),
    }
}

/// JSON has no line breaks outside of its texts, where they are written as `\n`.
fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// How a call comes in by REST; policies see it.
const DOOR: &str = "rest";
/// Events that wait for the client; then the tool waits.
const WAITING: usize = 16;
/// Something in between, so that nobody takes a silent connection for a dead one.
const ALIVE: Duration = Duration::from_secs(15);
/// How such a request is called in traces (OpenTelemetry's conventions for HTTP servers).
const REQUEST: &str = "POST /v1/calls";
/// W3C Trace Context section 3.2.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
