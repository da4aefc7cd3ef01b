//! The values of a component become JSON.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use toolward_gate::Stop;
use wasmtime::component::{Type, Val};

use super::wrapped;
use crate::stop;

/// What a function answered: a record as it is, anything else under `result`. An error is what the tool says
/// of its failure.
pub(crate) fn answer(result: Option<(&Val, &Type)>) -> Result<Value, Stop> {
    let Some((value, ty)) = result else { return Ok(Value::Object(Map::new())) };
    let (answer, ty) = match (value, ty) {
        (Val::Result(Err(error)), Type::Result(types)) => {
            return Err(failure(error.as_deref().zip(types.err().as_ref())));
        }
        (Val::Result(Ok(answer)), Type::Result(types)) => match (answer, types.ok()) {
            (Some(answer), Some(ty)) => (answer.as_ref(), ty),
            _ => return Ok(Value::Object(Map::new())),
        },
        (value, ty) => (value, ty.clone()),
    };
    let json = json(answer, &ty);
    Ok(if matches!(ty, Type::Record(_)) { json } else { wrapped(json) })
}

/// An error of a component in the form of a tool's failure: a case is a code, a text is a message.
fn failure(error: Option<(&Val, &Type)>) -> Stop {
    let Some((error, ty)) = error else {
        return stop::of_failure(FAILED, "the tool says that it failed, and not why");
    };
    if let Val::Enum(case) | Val::Variant(case, None) = error {
        return stop::of_failure(case, case);
    }
    let told_of = json(error, ty);
    if let Val::Variant(case, Some(_)) = error {
        let payload = told_of.as_object().and_then(|one| one.get(case).cloned());
        return stop::of_failure(case, &told(payload.unwrap_or_default()));
    }
    stop::of_failure(FAILED, &told(told_of))
}

fn told(value: Value) -> String {
    if let Value::String(text) = value { text } else { value.to_string() }
}

/// How many values a value is in JSON at most: each is one, and each name of a member. Bytes are one text.
pub(crate) fn count(value: &Val) -> usize {
    let all = |values: &[Val]| values.iter().map(count).fold(1, usize::saturating_add);
    let named = |value: &Val| count(value).saturating_add(2);
    match value {
        Val::List(items) if matches!(items.first(), Some(Val::U8(_))) => 1,
        Val::List(items) | Val::FixedLengthList(items) | Val::Tuple(items) => all(items),
        Val::Map(pairs) => {
            let pair = |(key, value): &(Val, Val)| count(key).saturating_add(named(value));
            pairs.iter().map(pair).fold(1, usize::saturating_add)
        }
        Val::Record(fields) => {
            let field = |(_, value): &(String, Val)| count(value).saturating_add(1);
            fields.iter().map(field).fold(1, usize::saturating_add)
        }
        Val::Variant(_, payload) | Val::Option(payload) => payload.as_deref().map_or(1, named),
        Val::Result(Ok(payload) | Err(payload)) => payload.as_deref().map_or(3, named),
        Val::Flags(names) => names.len().saturating_add(1),
        Val::Bool(_)
        | Val::S8(_)
        | Val::U8(_)
        | Val::S16(_)
        | Val::U16(_)
        | Val::S32(_)
        | Val::U32(_)
        | Val::S64(_)
        | Val::U64(_)
        | Val::Float32(_)
        | Val::Float64(_)
        | Val::Char(_)
        | Val::String(_)
        | Val::Enum(_)
        | Val::Resource(_)
        | Val::Future(_)
        | Val::Stream(_)
        | Val::ErrorContext(_) => 1,
    }
}

/// A value in the form that [`super::schema`] describes.
pub(crate) fn json(value: &Val, ty: &Type) -> Value {
    match (value, ty) {
        (Val::Bool(truth), _) => Value::Bool(*truth),
        (Val::S8(number), _) => (*number).into(),
        (Val::U8(number), _) => (*number).into(),
        (Val::S16(number), _) => (*number).into(),
        (Val::U16(number), _) => (*number).into(),
        (Val::S32(number), _) => (*number).into(),
        (Val::U32(number), _) => (*number).into(),
        (Val::S64(number), _) if number.unsigned_abs() <= MAX_WHOLE => (*number).into(),
        (Val::U64(number), _) if *number <= MAX_WHOLE => (*number).into(),
        (Val::S64(number), _) => number.to_string().into(),
        (Val::U64(number), _) => number.to_string().into(),
        (Val::Float32(number), _) => fraction(f64::from(*number)),
        (Val::Float64(number), _) => fraction(*number),
        (Val::Char(one), _) => one.to_string().into(),
        (Val::String(text) | Val::Enum(text) | Val::Variant(text, None), _) => text.clone().into(),
        (Val::List(items), Type::List(list)) if list.ty() == Type::U8 => bytes(items),
        (Val::List(items), Type::List(list)) => each(items, &list.ty()),
        (Val::FixedLengthList(items), Type::FixedLengthList(list)) => each(items, &list.ty()),
        (Val::Tuple(items), Type::Tuple(tuple)) => {
            items.iter().zip(tuple.types()).map(|(item, ty)| json(item, &ty)).collect()
        }
        (Val::Map(pairs), Type::Map(map)) => entries(pairs, &map.key(), &map.value()),
        (Val::Record(fields), Type::Record(record)) => {
            let each = fields.iter().zip(record.fields());
            each.map(|((name, value), field)| (name.clone(), json(value, &field.ty))).collect()
        }
        (Val::Variant(case, Some(payload)), Type::Variant(variant)) => {
            let ty = variant.cases().find(|one| one.name == case.as_str()).and_then(|one| one.ty);
            member(case, ty.map_or(Value::Null, |ty| json(payload, &ty)))
        }
        (Val::Option(Some(some)), Type::Option(option)) => {
            let (inner, json) = (option.ty(), json(some, &option.ty()));
            if matches!(inner, Type::Option(_)) { member("some", json) } else { json }
        }
        (Val::Result(Ok(payload)), Type::Result(types)) => member("ok", maybe(payload, types.ok())),
        (Val::Result(Err(payload)), Type::Result(types)) => {
            member("err", maybe(payload, types.err()))
        }
        (Val::Flags(names), _) => names.iter().cloned().map(Value::from).collect(),
        // An absent option; and what no tool has, as a function with a handle in it is none.
        _ => Value::Null,
    }
}

fn each(items: &[Val], ty: &Type) -> Value {
    items.iter().map(|item| json(item, ty)).collect()
}

fn bytes(items: &[Val]) -> Value {
    let byte = |item: &Val| if let Val::U8(byte) = item { Some(*byte) } else { None };
    STANDARD.encode(items.iter().filter_map(byte).collect::<Vec<u8>>()).into()
}

fn entries(pairs: &[(Val, Val)], key: &Type, ty: &Type) -> Value {
    if *key == Type::String {
        let named = |(key, value): &(Val, Val)| (told(json(key, &Type::String)), json(value, ty));
        return pairs.iter().map(named).collect::<Map<_, _>>().into();
    }
    let pair = |(one, other): &(Val, Val)| Value::Array(vec![json(one, key), json(other, ty)]);
    pairs.iter().map(pair).collect()
}

fn maybe(payload: &Option<Box<Val>>, ty: Option<Type>) -> Value {
    payload.as_deref().zip(ty).map_or(Value::Null, |(payload, ty)| json(payload, &ty))
}

/// JSON has no such numbers; their names are those of ECMAScript.
fn fraction(number: f64) -> Value {
    match number {
        _ if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        finite => finite.into(),
    }
}

fn member(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Where a tool gives no code of its own.
const FAILED: &str = "error";
/// The largest whole number that every JSON reader agrees on (RFC 8785 section 3.2.2.3).
const MAX_WHOLE: u64 = (1 << 53) - 1;
