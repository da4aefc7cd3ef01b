//! Which fields of a result may be handed out?
use std::collections::BTreeMap;

use serde_json::Value;

use crate::capability::unescaped;

/// The fields that stay, and everything in them. What it does not name is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection(Fields);

/// What is kept below one place: all of it, or some fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Fields {
    #[default]
    All,
    Some(BTreeMap<String, Self>),
}

impl Projection {
    /// Reads JSON Pointers (RFC 6901) with spaces between them, as in `/id /items/*/title`; `*` stands for every
    /// element of an array and every member of an object. `None` where one does not begin with `/`.
    pub fn parse(written: &str) -> Option<Self> {
        let mut root = BTreeMap::new();
        let mut pointers = written.split_ascii_whitespace().peekable();
        pointers.peek()?;
        for pointer in pointers {
            let tokens: Vec<String> =
                pointer.strip_prefix('/')?.split('/').map(unescaped).collect::<Option<_>>()?;
            add(&mut root, &tokens);
        }
        Some(Self(Fields::Some(root)))
    }

    /// The value with nothing but the declared fields. A field that is not there stays away; where something
    /// else stands than the declaration goes through, it is left out.
    pub fn of(&self, value: &Value) -> Value {
        keep(&self.0, value).unwrap_or(Value::Null)
    }
}

fn add(fields: &mut BTreeMap<String, Fields>, tokens: &[String]) {
    let Some((first, rest)) = tokens.split_first() else { return };
    if rest.is_empty() {
        fields.insert(first.clone(), Fields::All);
        return;
    }
    let below = fields.entry(first.clone()).or_insert_with(|| Fields::Some(BTreeMap::new()));
    if let Fields::Some(below) = below {
        add(below, rest);
    }
}

fn keep(fields: &Fields, value: &Value) -> Option<Value> {
    let Fields::Some(fields) = fields else { return Some(value.clone()) };
    let every = fields.get(EVERY);
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let below = merged(fields.get(name), every)?;
                Some((name.clone(), keep(&below, value)?))
            });
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => {
            let below = every?;
            Some(Value::Array(items.iter().filter_map(|item| keep(below, item)).collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// What a member keeps that is both named and one of every.
fn merged(one: Option<&Fields>, every: Option<&Fields>) -> Option<Fields> {
    match (one, every) {
        (None, None) => None,
        (Some(fields), None) | (None, Some(fields)) => Some(fields.clone()),
        (Some(Fields::All), _) | (_, Some(Fields::All)) => Some(Fields::All),
        (Some(Fields::Some(one)), Some(Fields::Some(every))) => {
            let mut both = one.clone();
            for (name, below) in every {
                let with = merged(both.get(name), Some(below)).unwrap_or_default();
                both.insert(name.clone(), with);
            }
            Some(Fields::Some(both))
        }
    }
}

const EVERY: &str = "*";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn kept(written: &str, value: &Value) -> Value {
        Projection::parse(written).unwrap().of(value)
    }

    #[test]
    fn only_the_declared_fields_stay() {
        let value = json!({"id": 7, "secret": "x", "user": {"name": "ana", "mail": "a@b"}, "items": [{"title": "t", "body": "b"}, 3]});
        assert_eq!(kept("/id /user/name", &value), json!({"id": 7, "user": {"name": "ana"}}));
        assert_eq!(kept("/items/*/title", &value), json!({"items": [{"title": "t"}]}));
        assert_eq!(kept("/user", &value), json!({"user": {"name": "ana", "mail": "a@b"}}));
        assert_eq!(kept("/nowhere", &value), json!({}));
        assert_eq!(kept("/id/deeper", &value), json!({}));
        assert_eq!(kept("/id", &json!("a text")), Value::Null);
        assert_eq!(
            kept("/a~1b /m~0n", &json!({"a/b": 1, "m~n": 2, "a": 3})),
            json!({"a/b": 1, "m~n": 2})
        );
        assert_eq!(
            kept("/*/name /user/mail", &value),
            json!({"user": {"name": "ana", "mail": "a@b"}})
        );
    }

    #[test]
    fn what_is_no_pointer_is_no_projection() {
        for wrong in ["", "  ", "id", "/a id", "/a~2", "/a~"] {
            assert!(Projection::parse(wrong).is_none(), "{wrong:?}");
        }
        assert!(Projection::parse("/a").is_some());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<i8>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Every scalar with the names that lead to it, elements of arrays as `*`.
    fn leaves(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                at.push(name.clone());
                leaves(value, at, found);
                at.pop();
            }),
            Value::Array(items) => items.iter().for_each(|value| {
                at.push(EVERY.to_owned());
                leaves(value, at, found);
                at.pop();
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                found.push(at.clone());
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_stays_that_was_not_declared(value in values(), pointers in prop::collection::vec("(/[a-c*]){1,3}", 1..4)) {
            let kept = kept(&pointers.join(" "), &value);
            let declared = |leaf: &[String]| pointers.iter().any(|pointer| {
                let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
                tokens.len() <= leaf.len() && tokens.iter().zip(leaf).all(|(token, name)| token == name || *token == EVERY)
            });
            let count = |value: &Value| { let mut found = Vec::new(); leaves(value, &mut Vec::new(), &mut found); found };
            let (before, after) = (count(&value), count(&kept));
            if kept != Value::Null {
                prop_assert!(after.iter().all(|leaf| declared(leaf)), "{kept}");
                prop_assert_eq!(before.iter().filter(|leaf| declared(leaf)).count(), after.len());
            }
        }
    }
}
