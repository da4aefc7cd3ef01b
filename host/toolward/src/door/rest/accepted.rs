//! Does a caller want its answer in parts? (RFC 9110 section 12.5.1)

/// Whether `Accept` names a stream of events, and does not like a document better. A range such as `*/*` names nothing.
pub(super) fn wants_events(accept: &str) -> bool {
    let events = weight(accept, "text/event-stream").unwrap_or_default();
    events > 0 && events >= weight(accept, "application/json").unwrap_or_default()
}

/// In thousandths; `None` where it is not named. What is no weight is none.
fn weight(accept: &str, kind: &str) -> Option<u32> {
    let mut named = accept.split(',').map(|one| one.split(';').map(str::trim));
    let mut parameters =
        named.find_map(|mut one| one.next()?.eq_ignore_ascii_case(kind).then_some(one))?;
    let weight = parameters.find_map(|one| one.strip_prefix("q=").or(one.strip_prefix("Q=")));
    Some(weight.map_or(1_000, thousandths))
}

/// One digit, and three at most after its point.
fn thousandths(weight: &str) -> u32 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let part = format!("{part:0<3}");
    match (whole, part.parse()) {
        ("0", Ok(part)) if part < 1_000 => part,
        ("1", Ok(0)) => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_to_whom_they_are_no_worse_than_a_document() {
        let wanted = [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "application/json, text/event-stream",
            "application/json;q=0.5, text/event-stream;q=0.50",
            "*/*, text/event-stream;q=0.001",
            "text/event-stream;Q=1.000",
        ];
        let not = [
            "",
            "*/*",
            "application/json",
            "text/event-stream;q=0",
            "text/event-stream; q=0.000",
            "application/json, text/event-stream;q=0.9",
            "text/event-streams",
            "text/event-stream;q=2",
            "text/event-stream;q=0.12345",
            "text/event-stream;q=x",
        ];
        for accept in wanted {
            assert!(wants_events(accept), "{accept}");
        }
        for accept in not {
            assert!(!wants_events(accept), "{accept}");
        }
    }
}
