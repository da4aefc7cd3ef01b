//! What is other than in the last question of the same tool and principal?
//!
//! Of fifty questions that look alike, the one that differs in a character is the one to read.
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ApprovalId, Filing, visible};

/// The question before, and where the arguments of this one differ from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub with: ApprovalId,
    /// Empty: the arguments are the same.
    pub differences: Vec<Difference>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One place of the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON Pointer (RFC 6901).
    pub at: String,
    /// Canonical JSON, or its beginning; absent: there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Canonical JSON, or its beginning: the arguments hold all of it. Absent: there is nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// Of two texts: how many characters are the same before and after what is told of them.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub same: (usize, usize),
}

fn is_nothing(same: &(usize, usize)) -> bool {
    *same == (0, 0)
}

impl Filing {
    /// The same question, held against the last one. What one of them does not have in JSON is not compared.
    #[must_use]
    pub fn compared_with(mut self, id: ApprovalId, last: &Self) -> Self {
        let read = |filing: &Self| serde_json::from_str::<Value>(&filing.arguments);
        if let (Ok(before), Ok(now)) = (read(last), read(&self)) {
            let mut differences = Vec::new();
            compare(&mut String::new(), Some(&before), Some(&now), &mut differences);
            let more = differences.len().saturating_sub(MOST);
            differences.truncate(MOST);
            self.compared = Some(Compared { with: id, differences, more });
        }
        self
    }
}

fn compare(
    at: &mut String,
    before: Option<&Value>,
    now: Option<&Value>,
    into: &mut Vec<Difference>,
) {
    match (before, now) {
        (before, now) if before == now => {}
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            for name in names(before, now) {
                let step = name.replace('~', "~0").replace('/', "~1");
                below(at, &step, before.get(name), now.get(name), into);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now))) => {
            let (first, last) = common(before, now);
            let end = before.len().max(now.len()).saturating_sub(last);
            for place in first..end {
                // What is the same at the end is not told, in the longer of both neither.
                let of = |all: &[Value]| place < all.len().saturating_sub(last);
                let one = before.get(place).filter(|_| of(before));
                let other = now.get(place).filter(|_| of(now));
                below(at, &place.to_string(), one, other, into);
            }
        }
        (Some(Value::String(before)), Some(Value::String(now))) => {
            into.push(texts(at, before, now));
        }
        (before, now) => {
            let (before, now) = (before.map(canonical), now.map(canonical));
            into.push(Difference { at: at.clone(), before, now, same: (0, 0) });
        }
    }
}

fn below(
    at: &mut String,
    step: &str,
    before: Option<&Value>,
    now: Option<&Value>,
    into: &mut Vec<Difference>,
) {
    let length = at.len();
    at.extend(["/", step]);
    compare(at, before, now, into);
    at.truncate(length);
}

/// Each name once, in the order of both.
fn names<'a>(before: &'a Map<String, Value>, now: &'a Map<String, Value>) -> Vec<&'a String> {
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    now.keys().chain(gone).collect()
}

/// How many are the same at the beginning, and how many of the others at the end.
fn common<T: PartialEq>(before: &[T], now: &[T]) -> (usize, usize) {
    let first = before.iter().zip(now).take_while(|(one, two)| one == two).count();
    let rest = before.len().min(now.len()).saturating_sub(first);
    let ends = before.iter().rev().zip(now.iter().rev()).take(rest);
    (first, ends.take_while(|(one, two)| one == two).count())
}

/// Two texts without what they have in common at both ends, which takes one look at each.
fn texts(at: &str, before: &str, now: &str) -> Difference {
    let (before, now): (Vec<char>, Vec<char>) = (before.chars().collect(), now.chars().collect());
    let (first, last) = common(&before, &now);
    let part = |all: &[char]| {
        let length = all.len().saturating_sub(first).saturating_sub(last);
        let text: String = all.iter().skip(first).take(length).collect();
        Some(canonical(&Value::String(text)))
    };
    Difference { at: at.to_owned(), before: part(&before), now: part(&now), same: (first, last) }
}

fn canonical(value: &Value) -> String {
    // It was canonical JSON before, and is so again.
    let text = serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string());
    let more = text.chars().count().saturating_sub(LONGEST);
    if more == 0 {
        return text;
    }
    let beginning: String = text.chars().take(LONGEST).collect();
    format!("{beginning}… ({more} more characters)")
}

/// As a person reads it.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: &Option<String>| part.as_deref().map_or("nothing".to_owned(), visible);
        let at = if self.at.is_empty() { "the whole" } else { &self.at };
        write!(f, "{}: {} -> {}", visible(at), text(&self.before), text(&self.now))?;
        match self.same {
            (0, 0) => Ok(()),
            (first, last) => {
                write!(f, " (after {first} and before {last} characters that are the same)")
            }
        }
    }
}

/// Differences that are told one by one.
const MOST: usize = 100;
/// Characters of what is told of one: what it is about stands in the arguments, whole.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn differences(before: &Value, now: &Value) -> Vec<Difference> {
        let mut all = Vec::new();
        compare(&mut String::new(), Some(before), Some(now), &mut all);
        all
    }

    fn told(before: &Value, now: &Value) -> Vec<String> {
        differences(before, now).iter().map(ToString::to_string).collect()
    }

    /// G-10.
    #[test]
    fn what_differs_is_told_with_its_place_and_what_is_the_same_is_not() {
        let before = json!({ "amount": 1000, "to": { "iban": "DE89 3704 0044 0532 0130 00", "name": "Rent" }, "tags": ["a", "b", "c"] });
        assert!(told(&before, &before).is_empty());
        let mut now = before.clone();
        now["to"]["iban"] = json!("DE89 3704 0044 0532 0131 00");
        assert_eq!(
            told(&before, &now),
            [r#"/to/iban: "0" -> "1" (after 23 and before 3 characters that are the same)"#]
        );
        let now = json!({ "amount": 1000.5, "to": null, "tags": ["a", "c"], "a/b~": 1 });
        assert_eq!(
            told(&before, &now),
            [
                "/amount: 1000 -> 1000.5",
                r#"/to: {"iban":"DE89 3704 0044 0532 0130 00","name":"Rent"} -> null"#,
                r#"/tags/1: "b" -> nothing"#,
                "/a~1b~0: nothing -> 1",
            ]
        );
        assert_eq!(told(&json!([]), &json!({})), ["the whole: [] -> {}"]);
        // Neither a long text nor many places keep the rest from being shown.
        let long = told(&json!({ "a": "x".repeat(9000) }), &json!({ "a": "Rent" }));
        assert!(long[0].ends_with("… (8802 more characters) -> \"Rent\""), "{long:?}");
        assert_eq!(
            told(&json!({ "a": "x\u{202e}y" }), &json!({ "a": "xy" })),
            [r#"/a: "\u{202e}" -> "" (after 1 and before 1 characters that are the same)"#]
        );
    }

    #[test]
    fn a_program_reads_what_there_is_to_tell_and_nothing_besides() {
        let with = ApprovalId::generate();
        let number = |same| Difference {
            at: "/amount".to_owned(),
            before: Some("1".to_owned()),
            now: Some("2".to_owned()),
            same,
        };
        let plain = json!({ "at": "/amount", "before": "1", "now": "2" });
        let within = json!({ "at": "/amount", "before": "1", "now": "2", "same": [0, 3] });
        for (same, more, written) in [
            ((0, 0), 0, json!({ "with": with, "differences": [plain] })),
            ((0, 3), 7, json!({ "with": with, "differences": [within], "more": 7 })),
        ] {
            let compared = Compared { with, differences: vec![number(same)], more };
            assert_eq!(json!(compared), written);
            assert_eq!(serde_json::from_value::<Compared>(written).unwrap(), compared);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..5_i64).prop_map(Value::from),
            "[ab]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ab/~]{0,2}", inner, 0..4)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// G-10: every place that differs is told, and no other.
        #[test]
        fn nothing_is_told_of_the_same_and_each_difference_is_true(before in value(), now in value()) {
            let all = differences(&before, &now);
            prop_assert_eq!(all.is_empty(), before == now);
            for Difference { at, before: was, now: is, same: (first, last) } in all {
                let whole = |value: &Value, part: Option<String>| match (value.pointer(&at), part) {
                    (found, None) => found.is_none() || at.contains(char::is_numeric),
                    (Some(Value::String(text)), Some(part)) if (first, last) != (0, 0) => {
                        let part: String = serde_json::from_str(&part).unwrap();
                        text.chars().count() == [first, part.chars().count(), last].iter().sum::<usize>() && text.contains(&part)
                    }
                    (found, Some(part)) => found == Some(&serde_json::from_str(&part).unwrap()),
                };
                prop_assert!(was != is);
                prop_assert!(whole(&before, was) && whole(&now, is), "{}", at);
            }
        }
    }
}
