//! Does a value fit a JSON Schema?
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// A compiled JSON Schema. It reads nothing but itself: a reference to another document does not compile.
pub struct Schema(Validator);

/// Why a value is not a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON Schema that can be used here{place}: {message}")]
pub struct SchemaError {
    place: String,
    message: String,
}

/// One place where a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// A JSON Pointer (RFC 6901); empty for the whole value.
    pub path: String,
    /// Without the value itself, which may be long or private.
    pub message: String,
}

impl Schema {
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let options = jsonschema::options()
            // Linear in the text, whatever the pattern: schemas come from tools and texts from callers.
            .with_pattern_options(PatternOptions::regex());
        options.build(schema).map(Self).map_err(|error| SchemaError {
            place: match error.instance_path().as_str() {
                "" => String::new(),
                path => format!(" at `{path}`"),
            },
            message: error.to_string(),
        })
    }

    /// Fails with at most [`MISMATCHES`] places.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Mismatch>> {
        let mismatch = |error: jsonschema::ValidationError<'_>| Mismatch {
            path: error.instance_path().as_str().to_owned(),
            message: error.masked().to_string(),
        };
        let found: Vec<_> = self.0.iter_errors(value).take(MISMATCHES).map(mismatch).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "`{path}`: {}", self.message),
        }
    }
}

const MISMATCHES: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Schema;

    #[test]
    fn a_mismatch_names_the_place_and_not_the_value() {
        let schema = Schema::compile(&json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "additionalProperties": false,
        }))
        .unwrap();
        assert_eq!(schema.check(&json!({ "city": "Berlin" })), Ok(()));
        let mismatches = schema.check(&json!({ "city": 4711 })).unwrap_err();
        assert_eq!(mismatches.len(), 1);
        assert_eq!(mismatches[0].path, "/city");
        assert!(!mismatches[0].message.contains("4711"));
    }

    #[test]
    fn a_schema_that_refers_to_another_document_does_not_compile() {
        for reference in ["http://example.com/schema.json", "file:///etc/passwd"] {
            Schema::compile(&json!({ "$ref": reference })).unwrap_err();
        }
        let own = json!({ "$ref": "#/$defs/city", "$defs": { "city": { "type": "string" } } });
        Schema::compile(&own).unwrap();
    }

    #[test]
    fn a_schema_of_an_unknown_type_does_not_compile() {
        Schema::compile(&json!({ "type": "strin" })).unwrap_err();
        Schema::compile(&json!(7)).unwrap_err();
    }
}
