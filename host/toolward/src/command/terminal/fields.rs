//! Which fields of spans and events does a person read in the log?
use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput as _},
    fmt::{
        FormatFields,
        format::{DefaultVisitor, Writer},
    },
};

/// All but what only a collector reads: names that say once more, in the words of OpenTelemetry, what stands beside.
#[derive(Debug)]
pub(super) struct ForPeople;

impl<'writer> FormatFields<'writer> for ForPeople {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Without(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}

struct Without<'writer>(DefaultVisitor<'writer>);

impl Without<'_> {
    fn shown(field: &Field) -> bool {
        !FOR_COLLECTORS.contains(&field.name())
    }
}

impl Visit for Without<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if Self::shown(field) {
            self.0.record_debug(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::shown(field) {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        if Self::shown(field) {
            self.0.record_error(field, value);
        }
    }
}

const FOR_COLLECTORS: [&str; 2] = ["otel.name", "gen_ai.operation.name"];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing_subscriber::{Layer, fmt::layer, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn written<L>(layer: impl FnOnce(Self) -> L) -> String
        where
            L: Layer<tracing_subscriber::Registry> + Send + Sync + 'static,
        {
            let page = Self::default();
            let subscriber = tracing_subscriber::registry().with(layer(page.clone()));
            tracing::subscriber::with_default(subscriber, || {
                let span = tracing::error_span!(
                    "call",
                    otel.name = "execute_tool say",
                    gen_ai.operation.name = "execute_tool",
                    tool.name = "say",
                    outcome = tracing::field::Empty,
                );
                span.record("outcome", "ok");
                span.in_scope(|| tracing::error!(cause = "none", "it is over"));
            });
            let bytes = page.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            String::from_utf8(bytes).unwrap()
        }
    }

    #[test]
    fn what_only_a_collector_reads_is_not_in_the_text() {
        let text = Page::written(|page| {
            layer().with_ansi(false).with_writer(move || page.clone()).fmt_fields(ForPeople)
        });
        assert!(text.contains("call{tool.name=\"say\" outcome=\"ok\"}: "), "{text}");
        assert!(text.contains("it is over cause=\"none\""), "{text}");
        let usual =
            Page::written(|page| layer().with_ansi(false).with_writer(move || page.clone()));
        assert!(usual.contains("otel.name") && usual.contains("gen_ai.operation.name"), "{usual}");
    }
}
