//! How much of a call's arguments stands in the audit trail?
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Arguments;

/// From most to least: where policies disagree, the trail holds the least, since nothing is taken back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recording {
    /// All of them, as they were. Whatever secret a caller put into an argument stands there, too.
    Whole,
    /// Names, numbers and truths; of a text, how long it is.
    Redacted,
    /// Nothing but the digest, which every entry has.
    Digest,
}

impl Recording {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "whole" => Some(Self::Whole),
            "redacted" => Some(Self::Redacted),
            "digest" => Some(Self::Digest),
            _ => None,
        }
    }

    /// What the trail holds of these arguments besides their digest.
    pub(crate) fn of(self, arguments: &Arguments) -> Option<Value> {
        let length = arguments.canonical().len();
        match self {
            Self::Digest => None,
            Self::Whole | Self::Redacted if length > MAX_BYTES => Some(Value::String(format!(
                "[{length} bytes, of which at most {MAX_BYTES} are kept]"
            ))),
            Self::Whole => Some(arguments.value().clone()),
            Self::Redacted => Some(redacted(arguments.value())),
        }
    }
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("[text of {} bytes]", text.len())),
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        Value::Object(members) => {
            let redacted = |(name, value): (&String, &Value)| (name.clone(), redacted(value));
            Value::Object(members.iter().map(redacted).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Of the arguments of one call, in an entry. What is longer stands there by its digest.
const MAX_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(value: Value) -> Arguments {
        Arguments::from_value(value).unwrap()
    }

    #[test]
    fn a_redacted_recording_holds_no_text() {
        let (lines, deep) = (json!(["a secret", true]), json!({"more": "\u{e9}"}));
        let arguments = taken(json!({"to": "ana", "amount": 3, "lines": lines, "deep": deep}));
        let (lines, deep) =
            (json!(["[text of 8 bytes]", true]), json!({"more": "[text of 2 bytes]"}));
        let expected =
            json!({"to": "[text of 3 bytes]", "amount": 3, "lines": lines, "deep": deep});
        assert_eq!(Recording::Redacted.of(&arguments), Some(expected));
        assert_eq!(Recording::Digest.of(&arguments), None);
        assert_eq!(Recording::Whole.of(&arguments).as_ref(), Some(arguments.value()));
    }

    /// I-17.
    #[test]
    fn arguments_of_any_length_take_a_bounded_place() {
        let around = r#"{"text":""}"#.len();
        for (length, kept) in [(60_000, true), (MAX_BYTES, true), (MAX_BYTES + 1, false)] {
            let long = taken(json!({"text": "x".repeat(length - around)}));
            let recorded = Recording::Whole.of(&long).unwrap();
            assert_eq!(recorded.is_object(), kept);
            assert!(recorded.to_string().len() <= MAX_BYTES);
        }
    }
}
