//! JSON Schemas: compiled once, checked often.
use serde_json::Value;

/// A compiled JSON Schema (draft 2020-12 unless it names another). It loads nothing from elsewhere.
#[derive(Debug)]
pub struct Schema(jsonschema::Validator);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SchemaError(String);

/// One place where a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// A JSON Pointer (RFC 6901); empty for the whole value.
    pub path: String,
    pub message: String,
}

impl Schema {
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| SchemaError(error.to_string()))
    }

    /// Fails with the first places where the value does not fit.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Mismatch>> {
        if self.0.is_valid(value) {
            return Ok(());
        }
        let mismatch = |error: jsonschema::ValidationError<'_>| Mismatch {
            path: error.instance_path().to_string(),
            message: shortened(&error.to_string()),
        };
        Err(self.0.iter_errors(value).take(MAX_MISMATCHES).map(mismatch).collect())
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_MESSAGE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

const MAX_MISMATCHES: usize = 8;
/// Characters: a message repeats the value that does not fit.
const MAX_MESSAGE: usize = 200;
