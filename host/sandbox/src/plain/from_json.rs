//! JSON becomes the values of a component.
use std::cell::Cell;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use wasmtime::component::{Type, Val};

use super::Signature;

/// Why JSON does not become values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("`{path}` is not {wanted}")]
    Wrong {
        /// A JSON Pointer (RFC 6901).
        path: String,
        wanted: String,
    },
    /// A small text can stand for very many: `{}` for a record of a thousand options.
    #[error("they are more values than a call may have")]
    TooMany,
}

/// The parameters of a function, out of the arguments of a call: so many values at most.
pub(crate) fn arguments(
    signature: &Signature,
    arguments: &Value,
    most: usize,
) -> Result<Vec<Val>, ValueError> {
    let left = Cell::new(most);
    let at = Place::root(&left);
    let object = arguments.as_object().ok_or_else(|| at.wrong("an object"))?;
    let known = |name: &String| signature.parameters.iter().any(|(one, _)| one == name);
    match object.keys().find(|name| !known(name)) {
        Some(name) => Err(at.member(name).wrong("a parameter of the function")),
        None => {
            signature.parameters.iter().map(|(name, ty)| field(object, name, ty, &at)).collect()
        }
    }
}

/// One value of its type.
pub(crate) fn value(value: &Value, ty: &Type) -> Result<Val, ValueError> {
    value_of(value, ty, &Place::root(&Cell::new(usize::MAX)))
}

/// A place in the arguments, as the path to it, and how many values there may still be.
struct Place<'a> {
    path: String,
    left: &'a Cell<usize>,
}

impl<'a> Place<'a> {
    fn root(left: &'a Cell<usize>) -> Self {
        Self { path: String::new(), left }
    }
    fn member(&self, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self { path: format!("{}/{name}", self.path), left: self.left }
    }
    fn item(&self, index: usize) -> Self {
        Self { path: format!("{}/{index}", self.path), left: self.left }
    }
    fn wrong(&self, wanted: impl Into<String>) -> ValueError {
        ValueError::Wrong { path: self.path.clone(), wanted: wanted.into() }
    }
    /// Before they are made.
    fn more(&self, values: usize) -> Result<(), ValueError> {
        self.left.set(self.left.get().checked_sub(values).ok_or(ValueError::TooMany)?);
        Ok(())
    }
}

fn field(
    object: &Map<String, Value>,
    name: &str,
    ty: &Type,
    at: &Place<'_>,
) -> Result<Val, ValueError> {
    let at = at.member(name);
    match (object.get(name), ty) {
        (Some(value), _) => value_of(value, ty, &at),
        (None, Type::Option(_)) => at.more(1).map(|()| Val::Option(None)),
        (None, _) => Err(at.wrong("there")),
    }
}

fn value_of(value: &Value, ty: &Type, at: &Place<'_>) -> Result<Val, ValueError> {
    at.more(1)?;
    match ty {
        Type::Bool => value.as_bool().map(Val::Bool).ok_or_else(|| at.wrong("a boolean")),
        Type::S8 => whole(value, at).map(Val::S8),
        Type::U8 => whole(value, at).map(Val::U8),
        Type::S16 => whole(value, at).map(Val::S16),
        Type::U16 => whole(value, at).map(Val::U16),
        Type::S32 => whole(value, at).map(Val::S32),
        Type::U32 => whole(value, at).map(Val::U32),
        Type::S64 => whole(value, at).map(Val::S64),
        Type::U64 => whole(value, at).map(Val::U64),
        Type::Float32 => narrowed(number(value, at)?, at).map(Val::Float32),
        Type::Float64 => number(value, at).map(Val::Float64),
        Type::Char => one_character(value, at).map(Val::Char),
        Type::String => Ok(Val::String(string(value, at)?.to_owned())),
        Type::List(list) => list_of(value, &list.ty(), at).map(Val::List),
        Type::FixedLengthList(list) => {
            let length = usize::try_from(list.len()).unwrap_or(usize::MAX);
            items(value, length, at, |_| list.ty()).map(Val::FixedLengthList)
        }
        Type::Map(map) => pairs(value, &map.key(), &map.value(), at).map(Val::Map),
        Type::Record(record) => {
            let object = value.as_object().ok_or_else(|| at.wrong("an object"))?;
            // Each has its name with it.
            at.more(record.fields().len())?;
            let fields = record
                .fields()
                .map(|one| Ok((one.name.to_owned(), field(object, one.name, &one.ty, at)?)));
            fields.collect::<Result<_, _>>().map(Val::Record)
        }
        Type::Tuple(tuple) => {
            let types: Vec<Type> = tuple.types().collect();
            items(value, types.len(), at, |index| types.get(index).cloned().unwrap_or(Type::Bool))
                .map(Val::Tuple)
        }
        Type::Variant(variant) => {
            let (name, payload) = case(value, at)?;
            let found = variant.cases().find(|case| case.name == name);
            let found = found.ok_or_else(|| at.wrong("a case of the variant"))?;
            Ok(Val::Variant(
                name.to_owned(),
                payload_of(payload, found.ty.as_ref(), &at.member(name))?,
            ))
        }
        Type::Enum(cases) => named(string(value, at)?, cases.names(), at).map(Val::Enum),
        Type::Flags(flags) => {
            let each = array(value, at)?.iter().enumerate();
            let names = each.map(|(index, item)| {
                let at = at.item(index);
                named(string(item, &at)?, flags.names(), &at)
            });
            names.collect::<Result<_, _>>().map(Val::Flags)
        }
        Type::Option(option) => optional(value, &option.ty(), at),
        Type::Result(result) => {
            let (name, payload) = case(value, at)?;
            let at = at.member(name);
            match name {
                "ok" => Ok(Val::Result(Ok(payload_of(payload, result.ok().as_ref(), &at)?))),
                "err" => Ok(Val::Result(Err(payload_of(payload, result.err().as_ref(), &at)?))),
                _ => Err(at.wrong("`ok` or `err`")),
            }
        }
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            Err(at.wrong("something that JSON can hold"))
        }
    }
}

/// A whole number, or its digits as text.
fn whole<T: TryFrom<i128>>(value: &Value, at: &Place<'_>) -> Result<T, ValueError> {
    let number = match value {
        Value::Number(number) => number.as_i128(),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let fits = number.and_then(|number| T::try_from(number).ok());
    fits.ok_or_else(|| at.wrong("a whole number in the range of its type"))
}

fn number(value: &Value, at: &Place<'_>) -> Result<f64, ValueError> {
    let number = match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    };
    number.ok_or_else(|| at.wrong("a number"))
}

/// The nearest single-precision number; one that is too large is none.
#[expect(clippy::cast_possible_truncation, reason = "the precision of the parameter's type")]
fn narrowed(number: f64, at: &Place<'_>) -> Result<f32, ValueError> {
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(at.wrong("a number in the range of its type"));
    }
    Ok(narrow)
}

fn one_character(value: &Value, at: &Place<'_>) -> Result<char, ValueError> {
    let mut characters = string(value, at)?.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(at.wrong("one character")),
    }
}

fn string<'a>(value: &'a Value, at: &Place<'_>) -> Result<&'a str, ValueError> {
    value.as_str().ok_or_else(|| at.wrong("text"))
}

fn array<'a>(value: &'a Value, at: &Place<'_>) -> Result<&'a [Value], ValueError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| at.wrong("an array"))
}

fn named<'a>(
    name: &str,
    mut names: impl Iterator<Item = &'a str>,
    at: &Place<'_>,
) -> Result<String, ValueError> {
    let known = names.any(|one| one == name);
    if known { Ok(name.to_owned()) } else { Err(at.wrong("one of the names of its type")) }
}

/// Bytes are text in base64; any other list is an array.
fn list_of(value: &Value, ty: &Type, at: &Place<'_>) -> Result<Vec<Val>, ValueError> {
    if matches!(ty, Type::U8) {
        let bytes = STANDARD.decode(string(value, at)?);
        let bytes = bytes.map_err(|_| at.wrong("bytes in base64"))?;
        at.more(bytes.len())?;
        return Ok(bytes.into_iter().map(Val::U8).collect());
    }
    let each = array(value, at)?.iter().enumerate();
    each.map(|(index, item)| value_of(item, ty, &at.item(index))).collect()
}

fn items(
    value: &Value,
    length: usize,
    at: &Place<'_>,
    ty: impl Fn(usize) -> Type,
) -> Result<Vec<Val>, ValueError> {
    let array = array(value, at)?;
    if array.len() != length {
        return Err(at.wrong(format!("an array of {length}")));
    }
    let each = array.iter().enumerate();
    each.map(|(index, item)| value_of(item, &ty(index), &at.item(index))).collect()
}

fn pairs(
    value: &Value,
    key: &Type,
    ty: &Type,
    at: &Place<'_>,
) -> Result<Vec<(Val, Val)>, ValueError> {
    if matches!(key, Type::String) {
        let object = value.as_object().ok_or_else(|| at.wrong("an object"))?;
        let each = object.iter();
        return each
            .map(|(name, item)| {
                Ok((Val::String(name.clone()), value_of(item, ty, &at.member(name))?))
            })
            .collect();
    }
    let each = array(value, at)?.iter().enumerate();
    each.map(|(index, pair)| {
        let at = at.item(index);
        match array(pair, &at)? {
            [one, other] => {
                Ok((value_of(one, key, &at.item(0))?, value_of(other, ty, &at.item(1))?))
            }
            _ => Err(at.wrong("a pair")),
        }
    })
    .collect()
}

/// `"name"`, or an object with the one member `name`.
fn case<'a>(value: &'a Value, at: &Place<'_>) -> Result<(&'a str, Option<&'a Value>), ValueError> {
    match value {
        Value::String(name) => Ok((name, None)),
        Value::Object(object) if object.len() == 1 => {
            let one = object.iter().next().map(|(name, payload)| (name.as_str(), Some(payload)));
            one.ok_or_else(|| at.wrong("a case"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(at.wrong("the name of a case, or an object with it as its one member"))
        }
    }
}

fn payload_of(
    payload: Option<&Value>,
    ty: Option<&Type>,
    at: &Place<'_>,
) -> Result<Option<Box<Val>>, ValueError> {
    match (payload, ty) {
        (Some(payload), Some(ty)) => Ok(Some(Box::new(value_of(payload, ty, at)?))),
        (None | Some(Value::Null), None) => Ok(None),
        (None, Some(_)) => Err(at.wrong("a case with a value")),
        (Some(_), None) => Err(at.wrong("a case without a value")),
    }
}

fn optional(value: &Value, ty: &Type, at: &Place<'_>) -> Result<Val, ValueError> {
    if value.is_null() {
        return Ok(Val::Option(None));
    }
    // An option within an option says which of the two is absent.
    let some = match (ty, value) {
        (Type::Option(_), Value::Object(object)) if object.len() == 1 => {
            object.get("some").ok_or_else(|| at.wrong("`null` or an object with `some`"))?
        }
        (Type::Option(_), _) => return Err(at.wrong("`null` or an object with `some`")),
        _ => value,
    };
    Ok(Val::Option(Some(Box::new(value_of(some, ty, at)?))))
}
