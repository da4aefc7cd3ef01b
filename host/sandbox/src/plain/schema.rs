//! How does a WIT type look in JSON? The schema of each (component-model/WIT.md, JSON Schema 2020-12).
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string`, `char` | boolean, text, text of one character |
//! | integers of 8 to 32 bits | whole number in the type's range |
//! | `u64`, `s64` | whole number up to 2^53 - 1, or its digits as text |
//! | `f32`, `f64` | number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `list<u8>` | text in base64 (RFC 4648 section 4) |
//! | `list`, `list<T, N>`, `tuple` | array |
//! | `map<string, T>`, other `map` | object, array of pairs |
//! | `record` | object; an `option` field may be absent |
//! | `enum`, `flags` | the case's name, array of names |
//! | `variant` | the name of a case, or `{ "name": value }` |
//! | `option` | `null` or the value; within another option `{ "some": value }` |
//! | `result` | `{ "ok": value }` or `{ "err": value }` |
use serde_json::{Map, Value, json};
use wit_parser::{Docs, Resolve, Type, TypeDefKind};

use super::{PlainError, kind};
use crate::text;

/// Writes the schemas of one function.
pub(super) struct Schemas<'a> {
    resolve: &'a Resolve,
    function: &'a str,
    /// Types that may still be written: small types can stand for enormous ones.
    left: usize,
}

impl<'a> Schemas<'a> {
    pub(super) fn new(resolve: &'a Resolve, function: &'a str) -> Self {
        Self { resolve, function, left: TYPES }
    }

    /// An object with these members; those of an `option` type may be absent.
    pub(super) fn object<'b>(
        &mut self,
        members: impl Iterator<Item = (&'b str, &'b Type, Option<&'b Docs>)>,
    ) -> Result<Value, PlainError> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, ty, docs) in members {
            let mut schema = self.of(ty)?;
            if let Some(said) = docs.and_then(|docs| docs.contents.as_deref())
                && let Some(schema) = schema.as_object_mut()
            {
                schema.insert(
                    "description".to_owned(),
                    text::visible(said.trim(), true, DESCRIPTION).into(),
                );
            }
            if !matches!(kind(self.resolve, ty), Some(TypeDefKind::Option(_))) {
                required.push(Value::from(name));
            }
            properties.insert(name.to_owned(), schema);
        }
        Ok(json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }))
    }

    pub(super) fn of(&mut self, ty: &Type) -> Result<Value, PlainError> {
        let too_large = || PlainError::TooLarge { function: self.function.to_owned() };
        self.left = self.left.checked_sub(1).ok_or_else(too_large)?;
        Ok(match ty {
            Type::Bool => json!({ "type": "boolean" }),
            Type::U8 => whole(u8::MIN, u8::MAX),
            Type::S8 => whole(i8::MIN, i8::MAX),
            Type::U16 => whole(u16::MIN, u16::MAX),
            Type::S16 => whole(i16::MIN, i16::MAX),
            Type::U32 => whole(u32::MIN, u32::MAX),
            Type::S32 => whole(i32::MIN, i32::MAX),
            Type::U64 => {
                json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,20}$" })
            }
            Type::S64 => json!({ "type": ["integer", "string"], "pattern": "^-?[0-9]{1,19}$" }),
            Type::F32 | Type::F64 => {
                json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
            }
            Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            Type::String => json!({ "type": "string" }),
            Type::ErrorContext => return Err(self.refused("an error context")),
            Type::Id(_) => match kind(self.resolve, ty) {
                Some(kind) => self.defined(kind)?,
                // A name for a simple type.
                None => return self.of(&self.behind(ty)),
            },
        })
    }

    fn defined(&mut self, kind: &TypeDefKind) -> Result<Value, PlainError> {
        Ok(match kind {
            TypeDefKind::Record(record) => {
                let fields = &record.fields;
                self.object(fields.iter().map(|one| (one.name.as_str(), &one.ty, Some(&one.docs))))?
            }
            TypeDefKind::Tuple(tuple) => {
                let items: Vec<Value> =
                    tuple.types.iter().map(|ty| self.of(ty)).collect::<Result<_, _>>()?;
                let length = items.len();
                json!({ "type": "array", "prefixItems": items, "minItems": length, "maxItems": length })
            }
            TypeDefKind::Enum(cases) => names("string", cases.cases.iter().map(|case| &case.name)),
            TypeDefKind::Flags(flags) => {
                let items = names("string", flags.flags.iter().map(|flag| &flag.name));
                json!({ "type": "array", "items": items, "uniqueItems": true })
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| (case.name.as_str(), case.ty.as_ref()));
                self.one_of(cases, true)?
            }
            TypeDefKind::Result(result) => self.one_of(
                [("ok", result.ok.as_ref()), ("err", result.err.as_ref())].into_iter(),
                false,
            )?,
            TypeDefKind::Option(ty) => self.option(ty)?,
            TypeDefKind::List(Type::U8) => json!({ "type": "string", "contentEncoding": "base64" }),
            TypeDefKind::List(ty) => json!({ "type": "array", "items": self.of(ty)? }),
            TypeDefKind::FixedLengthList(ty, length) => {
                json!({ "type": "array", "items": self.of(ty)?, "minItems": length, "maxItems": length })
            }
            TypeDefKind::Map(Type::String, value) => {
                json!({ "type": "object", "additionalProperties": self.of(value)? })
            }
            TypeDefKind::Map(key, value) => {
                let pair = [self.of(key)?, self.of(value)?];
                let pair =
                    json!({ "type": "array", "prefixItems": pair, "minItems": 2, "maxItems": 2 });
                json!({ "type": "array", "items": pair })
            }
            TypeDefKind::Type(ty) => self.of(ty)?,
            TypeDefKind::Resource | TypeDefKind::Handle(_) => {
                return Err(self.refused("a resource"));
            }
            TypeDefKind::Future(_) | TypeDefKind::Stream(_) => return Err(self.refused("a stream")),
            TypeDefKind::Unknown => return Err(self.refused("a type of unknown form")),
        })
    }

    fn option(&mut self, ty: &Type) -> Result<Value, PlainError> {
        let mut some = self.of(ty)?;
        if matches!(kind(self.resolve, ty), Some(TypeDefKind::Option(_))) {
            return Ok(json!({ "anyOf": [member("some", some), { "type": "null" }] }));
        }
        // Policies can speak of a type that stands alone, or beside `null`, and of no other.
        if let Some(Value::String(one)) = some.get("type").cloned()
            && some.get("enum").is_none()
            && let Some(schema) = some.as_object_mut()
        {
            schema.insert("type".to_owned(), json!([one, "null"]));
            return Ok(some);
        }
        Ok(json!({ "anyOf": [some, { "type": "null" }] }))
    }

    /// One member for the case; where `bare`, a case without a value is its name alone.
    fn one_of<'b>(
        &mut self,
        cases: impl Iterator<Item = (&'b str, Option<&'b Type>)>,
        bare: bool,
    ) -> Result<Value, PlainError> {
        let mut schemas = Vec::new();
        for (name, ty) in cases {
            schemas.push(match ty {
                Some(ty) => member(name, self.of(ty)?),
                None if bare => json!({ "const": name }),
                None => member(name, json!({ "type": "null" })),
            });
        }
        Ok(json!({ "oneOf": schemas }))
    }

    /// The simple type behind a name.
    fn behind(&self, ty: &Type) -> Type {
        let mut ty = *ty;
        while let Type::Id(id) = ty
            && let Some(TypeDefKind::Type(other)) =
                self.resolve.types.get(id).map(|named| &named.kind)
        {
            ty = *other;
        }
        ty
    }

    fn refused(&self, kind: &'static str) -> PlainError {
        PlainError::Kind { function: self.function.to_owned(), kind }
    }
}

fn whole(least: impl Into<i64>, most: impl Into<i64>) -> Value {
    json!({ "type": "integer", "minimum": least.into(), "maximum": most.into() })
}

fn names<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Value {
    json!({ "type": kind, "enum": names.collect::<Vec<_>>() })
}

fn member(name: &str, schema: Value) -> Value {
    let properties = Map::from_iter([(name.to_owned(), schema)]);
    json!({ "type": "object", "properties": properties, "required": [name], "additionalProperties": false })
}

/// In all schemas of one function.
const TYPES: usize = 4096;
const DESCRIPTION: usize = 1 << 10;
