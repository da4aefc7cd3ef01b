//! Takes out of a record what differs from run to run and from machine to machine.
use serde_json::Value;

/// The value with ids, digests, times and addresses replaced by their kind.
pub(crate) fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), field(key, value))).collect()
        }
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::String(text) => Value::String(without_ids(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn field(key: &str, value: &Value) -> Value {
    match key {
        "call" | "approval" => "[id]".into(),
        "tool-digest" | "arguments-digest" | "policy-version" => "[digest]".into(),
        "millis" => "[millis]".into(),
        "host" => "[host]".into(),
        "fingerprint" => "[fingerprint]".into(),
        _ => redacted(value),
    }
}

/// Ids stand in backticks in what people read, too.
fn without_ids(text: &str) -> String {
    let part = |part: &str| {
        let id = part.len() == 36 && part.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        if id { "[id]".to_owned() } else { part.to_owned() }
    };
    text.split('`').map(part).collect::<Vec<_>>().join("`")
}

#[test]
fn ids_and_digests_are_taken_out_and_words_stay() {
    let id = "0190b3f2-7a1c-7c3e-9d5e-0123456789ab";
    let record = serde_json::json!({
        "call": id, "detail": format!("held for `{id}`: `pay`"), "notes": [{ "millis": 12, "status": 200 }],
    });
    let expected = serde_json::json!({
        "call": "[id]", "detail": "held for `[id]`: `pay`", "notes": [{ "millis": "[millis]", "status": 200 }],
    });
    assert_eq!(redacted(&record), expected);
}
