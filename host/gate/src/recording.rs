//! How much of a call's arguments stands in the audit trail?
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    pub(crate) fn of(self, arguments: &Value) -> Option<Value> {
        match self {
            Self::Whole => Some(arguments.clone()),
            Self::Redacted => Some(redacted(arguments)),
            Self::Digest => None,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_redacted_recording_holds_no_text() {
        let arguments =
            json!({"to": "ana", "amount": 3, "lines": ["a secret", true], "deep": {"more": "é"}});
        let expected = json!({"to": "[text of 3 bytes]", "amount": 3, "lines": ["[text of 8 bytes]", true], "deep": {"more": "[text of 2 bytes]"}});
        assert_eq!(Recording::Redacted.of(&arguments), Some(expected));
        assert_eq!(Recording::Digest.of(&arguments), None);
        assert_eq!(Recording::Whole.of(&arguments), Some(arguments));
    }
}
