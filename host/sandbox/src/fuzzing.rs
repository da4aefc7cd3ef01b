//! What must hold for any bytes and any WIT? Asked by the fuzzers, and built only for them.
//!
//! Each function panics where something does not hold.
use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};
use wasmtime::{
    Engine,
    component::{Component, Val},
};

use crate::{
    ComponentError, Inspection, PlainError, Schema, engine, inspect,
    installed::callables,
    plain::{
        self, Signature,
        any::{any_value, several},
    },
};

/// Any bytes are read without a panic, alike each time, and what is taken is whole.
pub fn loading(bytes: &[u8]) {
    match (inspect(bytes), inspect(bytes)) {
        (Ok(one), Ok(other)) => {
            assert_eq!((one.digest, one.imports), (other.digest, other.imports));
            assert_eq!(one.bytes, bytes.len());
            assert!(!one.manifest.tools.is_empty(), "a component without tools was taken");
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => assert_eq!(one.is_ok(), other.is_ok(), "read in two ways"),
    }
}

/// The functions of a component that a toolchain made have schemas that can be used, or it is refused for a reason that
/// its author can do something about. Gives the name of that.
pub fn schemas(component: &[u8]) -> std::result::Result<(), &'static str> {
    let inspection = match inspect(component) {
        Ok(inspection) => inspection,
        Err(error) => {
            let reason = reason(&error);
            assert!(reason.is_some(), "what a toolchain made is refused: {error}");
            return Err(reason.unwrap_or_default());
        }
    };
    for tool in &inspection.manifest.tools {
        for schema in [&tool.input_schema, &tool.output_schema] {
            assert!(
                Schema::compile(schema).is_ok(),
                "`{}` has no usable schema: {schema}",
                tool.name
            );
            assert_eq!(schema.get("type"), Some(&Value::from("object")), "{schema}");
        }
    }
    Ok(())
}

/// What its author can do something about.
fn reason(error: &ComponentError) -> Option<&'static str> {
    let ComponentError::Plain(error) = error else {
        // A proposal that is off. All the others are faults of a generated world.
        if matches!(error, ComponentError::NoTools) {
            return Some("no tools");
        }
        let is_off = |message: &str| message.contains("feature");
        let proposal = matches!(error, ComponentError::Invalid { message, .. } if is_off(message));
        return proposal.then_some("a feature");
    };
    match error {
        PlainError::Kind { kind, .. } => Some(kind),
        PlainError::TooLarge { .. } => Some("too large"),
        PlainError::Name(_) => Some("no name of a tool"),
        PlainError::Twice { .. } => Some("one name twice"),
        PlainError::Undescribed(_) => None,
    }
}

/// A value is the same after it was JSON, its JSON fits the schema, and no JSON breaks the reader. Says for how
/// many tools that was asked.
pub fn values(component: &[u8], data: &mut Unstructured<'_>) -> Result<usize> {
    static ENGINE: LazyLock<Option<Engine>> = LazyLock::new(|| engine::compiler().ok());
    let Some(engine) = ENGINE.as_ref() else { return Ok(0) };
    let (Ok(inspection), Ok(compiled)) =
        (inspect(component), Component::from_binary(engine, component))
    else {
        return Ok(0);
    };
    let signatures = signatures(&compiled, &inspection);
    for (signature, schema) in &signatures {
        for _ in 0..ROUNDS {
            round_trip(signature, schema, data)?;
            drop(plain::arguments(signature, &any_arguments(signature, data)?, usize::MAX));
        }
    }
    Ok(signatures.len())
}

/// The types of each tool beside the schema that describes them.
fn signatures(compiled: &Component, inspection: &Inspection) -> Vec<(Arc<Signature>, Schema)> {
    let Some(exports) = &inspection.exports else { return Vec::new() };
    let found = callables(compiled, exports);
    assert!(found.is_ok(), "what was read is not there: {:?}", found.err());
    let each = found.into_iter().flatten().filter_map(|(name, callable)| {
        let schema = Schema::compile(&inspection.manifest.tool(&name)?.input_schema).ok()?;
        Some((callable.signature, schema))
    });
    each.collect()
}

fn round_trip(signature: &Signature, schema: &Schema, data: &mut Unstructured<'_>) -> Result<()> {
    let parameters = &signature.parameters;
    let values: Vec<Val> =
        parameters.iter().map(|(_, ty)| any_value(ty, data)).collect::<Result<_>>()?;
    let written = parameters.iter().zip(&values);
    let json: Value =
        written.map(|((name, ty), value)| (name.clone(), plain::json(value, ty))).collect();
    assert_eq!(schema.check(&json), Ok(()), "{json}");
    let back = plain::arguments(signature, &json, usize::MAX);
    // By their words: NaN is the same as itself here.
    let same = back.as_ref().is_ok_and(|back| format!("{back:?}") == format!("{values:?}"));
    assert!(same, "{values:?} became {back:?} by {json}");
    Ok(())
}

/// JSON that knows the names of the parameters, and nothing of their types.
fn any_arguments(signature: &Signature, data: &mut Unstructured<'_>) -> Result<Value> {
    let mut object = Map::new();
    for (name, _) in &signature.parameters {
        object.insert(name.clone(), any_json(data, 4)?);
    }
    if data.ratio(1, 8)? { any_json(data, 4) } else { Ok(Value::Object(object)) }
}

fn any_json(data: &mut Unstructured<'_>, deep: u8) -> Result<Value> {
    let inner = deep.checked_sub(1);
    Ok(match (data.int_in_range(0..=7)?, inner) {
        (0, _) => Value::Null,
        (1, _) => data.arbitrary::<bool>()?.into(),
        (2, _) => data.arbitrary::<i64>()?.into(),
        (3, _) => data.arbitrary::<f64>()?.into(),
        (4, Some(deep)) => several(data, |data| any_json(data, deep))?.into(),
        (5, Some(deep)) => {
            let entries = several(data, |data| Ok((data.arbitrary()?, any_json(data, deep)?)))?;
            Value::Object(entries.into_iter().collect())
        }
        (6, Some(deep)) => {
            let name = *data.choose(&["ok", "err", "some", "value"])?;
            Value::Object(Map::from_iter([(name.to_owned(), any_json(data, deep)?)]))
        }
        _ => data.arbitrary::<String>()?.into(),
    })
}

/// Calls for each tool of one component: compiling it is what takes long.
const ROUNDS: usize = 4;
