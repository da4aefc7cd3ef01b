//! What may come back under a capability?
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
};

use serde_json::{Map, Value};

use super::pointer::{Pointer, Step};

/// What a response may be, and how much of it a tool sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseShape {
    /// Media types without parameters, lower case; empty allows any.
    pub content_types: BTreeSet<String>,
    /// Of the decoded body.
    pub max_bytes: usize,
    /// The header fields that a tool sees, lower case; absent, those that the host's list has for this body.
    pub headers: Option<BTreeSet<String>>,
    pub body: BodyShape,
}

impl Default for ResponseShape {
    fn default() -> Self {
        Self {
            content_types: BTreeSet::new(),
            max_bytes: DEFAULT_BYTES,
            headers: None,
            body: BodyShape::Whole,
        }
    }
}

/// How much of a body a tool sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyShape {
    Whole,
    /// All of it, as it comes in, where the tool can read it like that: what is scanned goes on while more comes.
    Streamed,
    /// The body is JSON, and these fields of it pass.
    Fields(DeclaredFields),
    /// Nothing of it.
    StatusOnly,
}

/// The fields of a JSON document that pass. Nothing else does: neither a value nor a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredFields(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Field(Field),
    Object(BTreeMap<String, Self>),
    /// Every item of a list.
    List(Box<Self>),
}

/// One declared field, or one of each item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) at: Pointer,
    pub(super) kind: FieldKind,
    /// Characters of a string (Unicode scalar values); of `any`, bytes of JSON.
    pub(super) max_length: Option<usize>,
}

/// What a field may hold, besides `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FieldKind {
    /// A string, a number or a boolean.
    Scalar,
    String,
    Integer,
    Number,
    Boolean,
    /// Whatever stands there, objects and lists included.
    Any,
}

/// Why a document is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error(
        "it is not acceptable JSON (a key may stand once in an object, whole numbers end at 2^53 - 1, and there is one value for eight bytes at most)"
    )]
    NotJson,
    /// As the operator wrote it; nothing of what the server wrote.
    #[error("the field `{at}` is not {what}")]
    Field { at: String, what: String },
    #[error("it is not {0} at its top")]
    Top(&'static str),
}

/// Why fields cannot be declared together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Twice,
    /// One is the whole of what the other one is a part of.
    Within,
    /// One takes for a list what the other one takes for an object.
    ListAndObject,
}

impl DeclaredFields {
    /// The first field is given by whoever has at least one.
    pub(super) fn of(first: Field) -> Self {
        let steps = first.at.steps().to_vec();
        Self(Node::leading(&steps, first))
    }

    pub(super) fn add(&mut self, field: Field) -> Result<(), Conflict> {
        let steps = field.at.steps().to_vec();
        self.0.add(&steps, field)
    }

    /// Each field with what it may hold.
    pub fn described(&self) -> Vec<String> {
        self.0.described()
    }

    /// The declared fields of a document, and nothing else. What is declared and not there is left out; in a
    /// list, `null` keeps its place.
    pub fn project(&self, document: Value) -> Result<Value, Misfit> {
        let top = match &self.0 {
            Node::Field(_) => "a value",
            Node::Object(_) => "an object",
            Node::List(_) => "a list",
        };
        self.0.pick(document)?.ok_or(Misfit::Top(top))
    }
}

impl Node {
    /// The way to a field that nothing else shares yet.
    fn leading(steps: &[Step], to: Field) -> Self {
        steps.iter().rev().fold(Self::Field(to), |below, step| match step {
            Step::Items => Self::List(Box::new(below)),
            Step::Member(name) => Self::Object([(name.clone(), below)].into()),
        })
    }

    fn add(&mut self, steps: &[Step], field: Field) -> Result<(), Conflict> {
        match (self, steps) {
            (Self::Field(_), []) => Err(Conflict::Twice),
            (Self::Field(_), _) | (_, []) => Err(Conflict::Within),
            (Self::List(items), [Step::Items, rest @ ..]) => items.add(rest, field),
            (Self::Object(members), [Step::Member(name), rest @ ..]) => {
                match members.entry(name.clone()) {
                    Entry::Occupied(mut member) => member.get_mut().add(rest, field),
                    Entry::Vacant(free) => {
                        free.insert(Self::leading(rest, field));
                        Ok(())
                    }
                }
            }
            (Self::List(_), _) | (Self::Object(_), _) => Err(Conflict::ListAndObject),
        }
    }

    fn described(&self) -> Vec<String> {
        match self {
            Self::Field(field) => vec![format!("{} ({field})", field.at)],
            Self::Object(members) => members.values().flat_map(Self::described).collect(),
            Self::List(items) => items.described(),
        }
    }

    fn pick(&self, value: Value) -> Result<Option<Value>, Misfit> {
        match (self, value) {
            (Self::Field(field), value) => field.check(value).map(Some),
            (Self::Object(members), Value::Object(mut found)) => {
                let mut picked = Map::new();
                for (name, node) in members {
                    if let Some(value) = found.remove(name)
                        && let Some(value) = node.pick(value)?
                    {
                        picked.insert(name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(picked)))
            }
            (Self::List(node), Value::Array(items)) => {
                let picked = items.into_iter().map(|item| Ok(node.pick(item)?.unwrap_or_default()));
                Ok(Some(Value::Array(picked.collect::<Result<_, Misfit>>()?)))
            }
            (Self::Object(_) | Self::List(_), _) => Ok(None),
        }
    }
}

impl Field {
    fn check(&self, value: Value) -> Result<Value, Misfit> {
        if self.fits(&value) {
            return Ok(value);
        }
        Err(Misfit::Field { at: self.at.to_string(), what: self.to_string() })
    }

    fn fits(&self, value: &Value) -> bool {
        let most = self.max_length.unwrap_or(usize::MAX);
        let short = |text: &str| text.chars().count() <= most;
        match (self.kind, value) {
            (_, Value::Null) => true,
            (FieldKind::Any, value) => self.max_length.is_none() || value.to_string().len() <= most,
            (FieldKind::Scalar | FieldKind::String, Value::String(text)) => short(text),
            (FieldKind::Scalar | FieldKind::Number, Value::Number(_))
            | (FieldKind::Scalar | FieldKind::Boolean, Value::Bool(_)) => true,
            (FieldKind::Integer, Value::Number(number)) => !number.is_f64(),
            (
                FieldKind::Scalar
                | FieldKind::String
                | FieldKind::Integer
                | FieldKind::Number
                | FieldKind::Boolean,
                _,
            ) => false,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, unit) = match self.kind {
            FieldKind::Scalar => ("a string, a number or a boolean", "characters"),
            FieldKind::String => ("a string", "characters"),
            FieldKind::Integer => ("a whole number", "characters"),
            FieldKind::Number => ("a number", "characters"),
            FieldKind::Boolean => ("a boolean", "characters"),
            FieldKind::Any => ("a value", "bytes"),
        };
        match self.max_length {
            None => f.write_str(kind),
            Some(most) => write!(f, "{kind} of at most {most} {unit}"),
        }
    }
}

/// Of a response body where the file says nothing.
pub(super) const DEFAULT_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
