//! An entry as an event of the Open Cybersecurity Schema Framework 1.5: class *API Activity* (6003), as
//! <https://schema.ocsf.io/1.5.0/classes/api_activity> defines it.
use serde_json::{Map, Value, json};

use super::entry::{Destination, Entry};

/// The event. What the class has no field for stands under `unmapped`, as the entry tells it.
pub(super) fn event(entry: &Entry) -> Value {
    let end = entry.end.as_deref();
    let (status_id, status) = match (entry.call.is_some(), end) {
        (_, None) => (0, "Unknown"),
        (true, Some("ok")) | (false, Some(_)) => (1, "Success"),
        (true, Some("interrupted")) => (0, "Unknown"),
        (true, Some(_)) => (2, "Failure"),
    };
    let operation = entry.tool.as_deref().or(end).unwrap_or("unknown");
    let message = entry.detail.as_deref().filter(|text| !text.is_empty());
    let mut event = json!({
        "class_uid": CLASS,
        "class_name": "API Activity",
        "category_uid": 6,
        "category_name": "Application Activity",
        // The tool's name says what it does; the class knows only create, read, update and delete.
        "activity_id": OTHER,
        "activity_name": if entry.call.is_some() { "Call" } else { "Change" },
        "type_uid": CLASS * 100 + OTHER,
        "severity_id": if status_id == 2 { 2 } else { 1 },
        "time": entry.at.as_millisecond(),
        "status_id": status_id,
        "status": status,
        "status_code": end,
        "metadata": {
            "version": "1.5.0",
            "uid": entry.call,
            "sequence": entry.records.first(),
            "product": { "name": "Toolward", "vendor_name": "Toolward", "version": env!("CARGO_PKG_VERSION") },
        },
        "actor": { "user": { "name": entry.principal, "uid": entry.principal } },
        "api": {
            "operation": operation,
            "service": { "name": entry.component.as_deref().unwrap_or("toolward") },
            "request": { "uid": entry.call.as_deref().unwrap_or_default() },
        },
        "src_endpoint": { "svc_name": entry.door.as_deref().unwrap_or("command-line") },
        "resources": entry.destinations.iter().map(resource).collect::<Vec<_>>(),
        "unmapped": entry,
    });
    if let Some(event) = event.as_object_mut() {
        optional(event, "message", message.map(Value::from));
        optional(event, "duration", entry.millis.map(Value::from));
        let first = entry.destinations.iter().find_map(|one| one.host.as_deref());
        optional(event, "dst_endpoint", first.map(|host| json!({ "hostname": host })));
        event.retain(|_, value| !value.is_null());
    }
    event
}

fn resource(one: &Destination) -> Value {
    let words = [one.method.as_deref(), one.host.as_deref(), one.path_template.as_deref()];
    let name: Vec<&str> = words.into_iter().flatten().collect();
    json!({ "name": name.join(" "), "type": "http", "data": one })
}

fn optional(event: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    event.extend(value.map(|value| (name.to_owned(), value)));
}

const CLASS: u32 = 6003;
const OTHER: u32 = 99;
