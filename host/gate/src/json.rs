//! Strict reading and canonical writing of JSON.
use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
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
    #[error("it has more than {most} values and names")]
    Values { most: usize },
}

/// Reads JSON and refuses what two readers could understand differently: duplicate keys, whole numbers
/// beyond 2^53 - 1 (RFC 8785 section 3.2.2.3), deep nesting. Of values it takes [`MAX_VALUES`].
pub fn parse(text: &str) -> Result<Value, JsonError> {
    parse_within(text, MAX_VALUES)
}

/// As [`parse`], with so many values at most: each value is one, and each name of a member. A number of two bytes of
/// text takes 72 of memory, so that a text alone is no bound.
pub fn parse_within(text: &str, most: usize) -> Result<Value, JsonError> {
    let left = Cell::new(Some(most));
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Strict(&left).deserialize(&mut reader);
    let read = read.and_then(|value| reader.end().map(|()| value));
    let value = read.map_err(|error| match left.get() {
        Some(_) => JsonError::Syntax(error.to_string()),
        None => JsonError::Values { most },
    })?;
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

/// Reads a value without duplicate keys, and counts down what may still come; nothing is left of that where it was
/// too much.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<Option<usize>>);

impl Strict<'_> {
    fn one_more<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(1)));
        self.0.get().map(drop).ok_or_else(|| E::custom("too many values"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.one_more()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
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
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.one_more()?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key `{key}` stands twice in one object"
                )));
            }
            object.insert(key, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

/// The largest whole number that every JSON reader agrees on.
const MAX_WHOLE: u64 = (1 << 53) - 1;
/// Levels of nesting, as in serde_json's own limit.
const MAX_DEPTH: usize = 64;
/// Values of a text for which nobody says how many: one for each eight bytes of a MiB, so that it takes ten times its
/// own size at most.
pub const MAX_VALUES: usize = 1 << 17;

#[cfg(test)]
mod independent;
#[cfg(test)]
mod tests {
    use super::{JsonError, MAX_VALUES, parse, parse_within};

    #[test]
    fn each_value_and_each_name_is_counted() {
        for (text, values) in
            [("7", 1), ("[]", 1), ("[0,0,0]", 4), (r#"{"a":1,"b":[null]}"#, 6), (r#""text""#, 1)]
        {
            parse_within(text, values).unwrap();
            let most = usize::saturating_sub(values, 1);
            assert_eq!(parse_within(text, most), Err(JsonError::Values { most }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_until_it_has_too_many_values() {
        assert!(matches!(parse_within("[0,", 9), Err(JsonError::Syntax(_))));
        assert!(matches!(parse_within("[0] 1", 9), Err(JsonError::Syntax(_))));
        assert!(matches!(parse_within("[0,0,0,", 2), Err(JsonError::Values { .. })));
    }

    #[test]
    fn a_text_of_very_many_small_values_is_refused() {
        // The list itself is one of them.
        let (fits, over) = (serde_json::json!(vec![0; (1 << 17) - 1]), vec![0; 1 << 17]);
        parse(&fits.to_string()).unwrap();
        let over = serde_json::json!(over).to_string();
        assert_eq!(parse(&over), Err(JsonError::Values { most: MAX_VALUES }));
    }
}
