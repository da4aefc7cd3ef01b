//! What is measured? How often each step is taken, how long it takes, and how it ends.
use std::{collections::HashMap, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter},
};

use super::vocabulary::Kind;

/// A step that is measured: the name of its span, and which of the span's fields are labels.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) span: &'static str,
    pub(super) metric: &'static str,
    pub(super) description: &'static str,
    pub(super) labels: &'static [Label],
}

/// A field of a span, as a label.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) field: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn label(field: &'static str, name: &'static str, kind: Kind) -> Label {
    Label { field, name, kind }
}

const OUTCOME: Label = label("outcome", "outcome", Kind::Word);

/// Every step. A histogram counts, too.
pub(super) const STEPS: &[Step] = &[
    Step {
        span: "request",
        metric: "toolward.request.duration",
        description: "Requests of clients at a door, from when they are read to when they are answered.",
        labels: &[label("door", "door", Kind::Word)],
    },
    Step {
        span: CALL,
        metric: "toolward.call.duration",
        description: "Calls, from the opening of their audit entry to its end.",
        labels: &[
            label("tool.name", "tool", Kind::Tool),
            label("door", "door", Kind::Word),
            OUTCOME,
        ],
    },
    Step {
        span: "settle",
        metric: "toolward.settle.duration",
        description: "Calls until the policies and, where they ask, a person have said yes or no.",
        labels: &[OUTCOME],
    },
    Step {
        span: "decide",
        metric: "toolward.decision.duration",
        description: "Decisions of the policies.",
        labels: &[label("outcome", "decision", Kind::Word)],
    },
    Step {
        span: "ask",
        metric: "toolward.approval.duration",
        description: "Questions to a person, as long as their caller waits.",
        labels: &[OUTCOME],
    },
    Step {
        span: "admit",
        metric: "toolward.admission.duration",
        description: "Admissions: switches read, budgets set aside, the approval spent.",
        labels: &[OUTCOME],
    },
    Step {
        span: "queue",
        metric: "toolward.queue.duration",
        description: "Calls that wait for their turn in the sandbox.",
        labels: &[OUTCOME],
    },
    Step {
        span: "run",
        metric: "toolward.run.duration",
        description: "Runs of tools in the sandbox.",
        labels: &[OUTCOME],
    },
    Step {
        span: "egress",
        metric: "toolward.egress.duration",
        description: "Requests of tools, from their check to the response; of streamed ones, to its head.",
        labels: &[
            label("capability", "capability", Kind::Capability),
            label("http.response.status_code", "status", Kind::Status),
            OUTCOME,
        ],
    },
    Step {
        span: "mint",
        metric: "toolward.mint.duration",
        description: "Credentials asked of a broker, kept or minted.",
        labels: &[label("credential", "credential", Kind::Credential), OUTCOME],
    },
    Step {
        span: "secret-store",
        metric: "toolward.secret_store.duration",
        description: "Secrets read from their store.",
        labels: &[OUTCOME],
    },
    Step {
        span: "store",
        metric: "toolward.store.duration",
        description: "Writes of the state that wait for the disk.",
        labels: &[OUTCOME],
    },
];

/// The step that is a whole call.
pub(super) const CALL: &str = "call";

/// What counts them.
pub(super) struct Instruments {
    durations: HashMap<&'static str, Histogram<f64>>,
    active: UpDownCounter<i64>,
    thrown: Gauge<u64>,
    readable: Gauge<u64>,
    changes: Counter<u64>,
    kills: Histogram<f64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        let duration = |metric, description| {
            meter
                .f64_histogram(metric)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(SECONDS.to_vec())
                .build()
        };
        let durations =
            STEPS.iter().map(|step| (step.span, duration(step.metric, step.description))).collect();
        let thrown = meter.u64_gauge("toolward.switches.thrown");
        let readable = meter.u64_gauge("toolward.switches.readable");
        let active = meter.i64_up_down_counter("toolward.calls.active");
        let changes = meter.u64_counter("toolward.switches.changes");
        Self {
            durations,
            active: active.with_description("Calls that are under way.").build(),
            thrown: thrown.with_description("Kill switches that are on.").build(),
            readable: readable
                .with_description("1 while the kill switches can be read; 0 stops every call.")
                .build(),
            changes: changes
                .with_description("How often this host found the kill switches changed.")
                .build(),
            kills: duration(
                "toolward.kill.duration",
                "Calls that a kill switch stopped, from when this host found it thrown to their end.",
            ),
        }
    }

    pub(super) fn begun(&self, step: &Step) {
        if step.span == CALL {
            self.active.add(1, &[]);
        }
    }

    pub(super) fn ended(&self, step: &Step, took: Duration, labels: &[KeyValue]) {
        if let Some(duration) = self.durations.get(step.span) {
            duration.record(took.as_secs_f64(), labels);
        }
        if step.span == CALL {
            self.active.add(-1, &[]);
        }
    }

    pub(super) fn switches(&self, thrown: u64, readable: bool) {
        self.thrown.record(thrown, &[]);
        self.readable.record(u64::from(readable), &[]);
        self.changes.add(1, &[]);
    }

    pub(super) fn killed(&self, after: Duration) {
        self.kills.record(after.as_secs_f64(), &[]);
    }
}

/// From a decision, which takes tens of microseconds, to a call that waits for a minute.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    5.0, 15.0, 60.0,
];
