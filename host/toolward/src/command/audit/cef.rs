//! An entry as a line of the Common Event Format, version 0 (ArcSight, *Implementing CEF*, revision 25).
use super::entry::Entry;

/// One line. Times are milliseconds since 1970; fields that the format has no name for are labelled.
pub(super) fn line(entry: &Entry) -> String {
    let end = entry.end.as_deref().unwrap_or("open");
    let is_call = entry.call.is_some();
    let name = match (is_call, entry.tool.as_deref()) {
        (true, Some(tool)) => format!("call of {tool}: {end}"),
        _ => end.to_owned(),
    };
    let kind = if is_call { "call" } else { "change" };
    let head = ["Toolward", "Toolward", env!("CARGO_PKG_VERSION"), kind, &name];
    let head: Vec<String> = head.into_iter().map(header).collect();
    format!("CEF:0|{}|{}|{}", head.join("|"), severity(entry), extension(entry))
}

/// From 0 to 10: a call that ended well, one that did not, a change.
fn severity(entry: &Entry) -> u8 {
    match (entry.call.is_some(), entry.end.as_deref()) {
        (true, Some("ok")) => 1,
        (true, _) => 5,
        (false, _) => 3,
    }
}

fn extension(entry: &Entry) -> String {
    let first = entry.destinations.first();
    let numbers = |value: Option<u64>| value.map(|value| value.to_string());
    let policies = entry.policies.join(",");
    let fields: [(&str, Option<String>); 18] = [
        ("rt", Some(entry.at.as_millisecond().to_string())),
        ("externalId", entry.call.clone()),
        ("suser", Some(entry.principal.clone())),
        ("act", entry.decision.map(str::to_owned)),
        ("outcome", entry.end.clone()),
        ("reason", entry.detail.clone()),
        ("app", entry.door.clone()),
        ("fname", entry.tool.clone()),
        ("fileHash", entry.tool_digest.clone()),
        ("dhost", first.and_then(|one| one.host.clone())),
        ("requestMethod", first.and_then(|one| one.method.clone())),
        ("request", first.and_then(|one| one.path_template.clone())),
        ("out", Some(entry.bytes_sent.to_string())),
        ("in", Some(entry.bytes_received.to_string())),
        ("cn1", numbers(entry.millis)),
        ("cs1", (!policies.is_empty()).then_some(policies)),
        ("cs2", entry.subject.clone()),
        ("cs3", entry.records.first().map(u64::to_string)),
    ];
    let labels = [
        ("cn1", "cn1Label=millis"),
        ("cs1", "cs1Label=policies"),
        ("cs2", "cs2Label=subject"),
        ("cs3", "cs3Label=record"),
    ];
    let mut parts = Vec::new();
    for (name, value) in fields {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        parts.push(format!("{name}={}", extended(&value)));
        let label = labels.iter().find(|(of, _)| *of == name);
        parts.extend(label.map(|(_, label)| (*label).to_owned()));
    }
    parts.join(" ")
}

/// A part of the head, in which `|` would end it.
fn header(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// A value, in which `=` would begin another.
fn extended(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('=', "\\=");
    one_line(&text.replace("\r\n", "\\n").replace(['\n', '\r'], "\\n"))
}

/// Without anything that ends a line or speaks to a terminal.
fn one_line(text: &str) -> String {
    let shown = |letter: char| {
        let breaks = letter.is_control() || ['\u{2028}', '\u{2029}'].contains(&letter);
        if breaks { ' ' } else { letter }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(principal: &str, detail: &str) -> Entry {
        Entry {
            call: Some("c-1".to_owned()),
            principal: principal.to_owned(),
            tool: Some("pay|now".to_owned()),
            end: Some("halted".to_owned()),
            detail: Some(detail.to_owned()),
            millis: Some(12),
            records: vec![3, 4],
            ..Entry::default()
        }
    }

    #[test]
    fn an_entry_is_one_line_with_its_fields_in_the_places_of_the_format() {
        let line = line(&call("agent-7", "the switch is on"));
        let head = format!(
            "CEF:0|Toolward|Toolward|{}|call|call of pay\\|now: halted|5|",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(
            line.strip_prefix(&head),
            Some(
                "rt=0 externalId=c-1 suser=agent-7 outcome=halted reason=the switch is on fname=pay|now out=0 in=0 cn1=12 cn1Label=millis cs3=3 cs3Label=record"
            )
        );
        let change = Entry {
            principal: "ana".to_owned(),
            end: Some("kill-on".to_owned()),
            ..Entry::default()
        };
        assert!(super::line(&change).contains("|change|kill-on|3|rt=0 suser=ana"));
    }

    /// I-15 and I-16.
    #[test]
    fn no_value_begins_another_field_or_another_line() {
        let line = line(&call("eve suser=ana", "a\nCEF:0|x|y\r\n=\\ \u{1b}[2J\u{2028}|"));
        assert_eq!(line.lines().count(), 1);
        assert!(!line.chars().any(|letter| letter.is_control() || letter == '\u{2028}'));
        assert!(
            line.contains("suser=eve suser\\=ana ") && line.contains("a\\nCEF:0|x|y\\n\\=\\\\ "),
            "{line}"
        );
    }
}
