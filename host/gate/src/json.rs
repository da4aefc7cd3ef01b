//! Strict reading and canonical writing of JSON.
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a JSON text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("{0}")]
    Syntax(String),
    #[error(
        "the number {0} is larger than 2^53 - 1, which JSON readers do not agree on; write it as a string"
    )]
    Number(String),
    #[error("it is nested more than {MAX_DEPTH} levels deep")]
    Depth,
}

/// Reads JSON and refuses what two readers could understand differently: duplicate keys, whole numbers
/// beyond 2^53 - 1 (RFC 8785 section 3.2.2.3), deep nesting.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    let Strict(value) =
        serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
    check(&value)?;
    Ok(value)
}

/// The canonical text of a value (RFC 8785).
pub(crate) fn canonical(value: &Value) -> Result<String, String> {
    serde_json_canonicalizer::to_string(value).map_err(|error| error.to_string())
}

/// Refuses numbers and nesting that do not survive canonical JSON.
pub(crate) fn check(value: &Value) -> Result<(), JsonError> {
    check_below(value, MAX_DEPTH)
}

fn check_below(value: &Value, levels: usize) -> Result<(), JsonError> {
    let levels = levels.checked_sub(1).ok_or(JsonError::Depth)?;
    match value {
        Value::Number(number) => check_number(number),
        Value::Array(items) => items.iter().try_for_each(|item| check_below(item, levels)),
        Value::Object(members) => {
            members.values().try_for_each(|member| check_below(member, levels))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn check_number(number: &Number) -> Result<(), JsonError> {
    let fits = match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) => whole <= MAX_WHOLE,
        (None, Some(whole)) => whole.unsigned_abs() <= MAX_WHOLE,
        // A fraction is a double in every reader; a double beyond 2^53 may have been a whole number.
        (None, None) => number.as_f64().is_some_and(|double| double.is_finite()),
    };
    if fits { Ok(()) } else { Err(JsonError::Number(number.to_string())) }
}

/// A value that was read without duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(member))) = members.next_entry::<String, Strict>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key `{key}` stands twice in one object"
                )));
            }
            object.insert(key, member);
        }
        Ok(Value::Object(object))
    }
}

/// The largest whole number that every JSON reader agrees on.
const MAX_WHOLE: u64 = (1 << 53) - 1;
/// Levels of nesting, as in serde_json's own limit.
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod independent;
