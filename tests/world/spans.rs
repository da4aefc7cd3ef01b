//! Everything that spans say of themselves, apart from what is logged.
use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context};

/// Names and fields of all spans of all crates. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Spans(Arc<Mutex<String>>);

impl Spans {
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut said = Said(format!("{}:", attributes.metadata().name()));
        attributes.record(&mut said);
        self.0.lock().unwrap().push_str(&(said.0 + "\n"));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut said = Said(String::new());
        values.record(&mut said);
        self.0.lock().unwrap().push_str(&(said.0 + "\n"));
    }
}

struct Said(String);

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push_str(&format!(" {}={value}", field.name()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}
