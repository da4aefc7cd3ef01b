//! Spans of steps become measures. What stands in a span besides its labels is not looked at.
use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use opentelemetry::KeyValue;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{
    instruments::{CALL, Instruments, Label, STEPS, Step},
    vocabulary::{self, Kind, NONE, Vocabulary},
};

pub(super) struct Steps {
    vocabulary: Arc<Vocabulary>,
    instruments: Arc<Instruments>,
    /// When the kill switches were last found changed.
    changed: Mutex<Option<Instant>>,
}

/// A step that is under way.
struct Measured {
    step: &'static Step,
    since: Instant,
    labels: Vec<(&'static Label, Arc<str>)>,
}

impl Steps {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, instruments: Arc<Instruments>) -> Self {
        Self { vocabulary, instruments, changed: Mutex::default() }
    }

    fn end(&self, Measured { step, since, labels }: Measured) {
        let found = |label: &&'static Label| {
            let read = labels.iter().rfind(|(one, _)| one.field == label.field);
            read.map_or_else(|| NONE.clone(), |(_, word)| word.clone())
        };
        let labels: Vec<KeyValue> =
            step.labels.iter().map(|label| KeyValue::new(label.name, found(&label))).collect();
        self.instruments.ended(step, since.elapsed(), &labels);
        let halted = labels.iter().any(|label| label.value.as_str() == HALTED);
        if step.span == CALL
            && halted
            && let Some(changed) = *self.changed.lock().unwrap_or_else(PoisonError::into_inner)
        {
            self.instruments.killed(changed.elapsed());
        }
    }
}

impl<S> Layer<S> for Steps
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, fields: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let step = STEPS.iter().find(|step| step.span == fields.metadata().name());
        let (Some(step), Some(span)) = (step, context.span(id)) else { return };
        let mut measured = Measured { step, since: Instant::now(), labels: Vec::new() };
        fields.record(&mut Reading { vocabulary: &self.vocabulary, measured: &mut measured });
        self.instruments.begun(step);
        span.extensions_mut().insert(measured);
    }

    fn on_record(&self, id: &Id, fields: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(measured) = span.extensions_mut().get_mut::<Measured>() {
            fields.record(&mut Reading { vocabulary: &self.vocabulary, measured });
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut switches = Switches::default();
        event.record(&mut switches);
        if let Switches { thrown: Some(thrown), readable: Some(readable) } = switches {
            self.instruments.switches(thrown, readable);
            *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let measured = span.extensions_mut().remove::<Measured>();
        if let Some(measured) = measured {
            self.end(measured);
        }
    }
}

/// Takes what is a label, and leaves the rest.
struct Reading<'a> {
    vocabulary: &'a Vocabulary,
    measured: &'a mut Measured,
}

impl Reading<'_> {
    fn take(&mut self, field: &Field, word: impl FnOnce(&Vocabulary, Kind) -> Arc<str>) {
        let label = self.measured.step.labels.iter().find(|label| label.field == field.name());
        if let Some(label) = label {
            self.measured.labels.push((label, word(self.vocabulary, label.kind)));
        }
    }
}

impl Visit for Reading<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, |vocabulary, kind| vocabulary.label(kind, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, |vocabulary, kind| match kind {
            Kind::Status => vocabulary::status(value),
            Kind::Tool | Kind::Capability | Kind::Credential | Kind::Word => {
                vocabulary.label(kind, "")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, |vocabulary, kind| vocabulary.label(kind, &format!("{value:?}")));
    }
}

/// What an event says of the kill switches.
#[derive(Default)]
struct Switches {
    thrown: Option<u64>,
    readable: Option<bool>,
}

impl Visit for Switches {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "thrown" {
            self.thrown = Some(value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "readable" {
            self.readable = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The code of a call that a kill switch stopped.
const HALTED: &str = "halted";
