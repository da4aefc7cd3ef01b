//! The Cedar schema that tools and capabilities make: what a policy may speak of.
//!
//! Each action's `context.arguments` is a record typed after the JSON Schemas of the tools that ask for that
//! action. An argument that every one of them requires can be used as it is; any other only behind `has`.
//! Lists become sets. Left out, so that no policy can depend on them, and told by [`ActionTypes::unmapped`]:
//! fractions, arguments that two tools type differently, and schemas that combine others (`anyOf`, `$ref`).
use std::{collections::BTreeMap, fmt::Write as _};

use cedar_policy::RestrictedExpression;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{CALL, InstalledTool, USE};
use crate::{Capabilities, ToolName};

/// The type of an argument, as far as Cedar has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Whole,
    Truth,
    Set(Box<Self>),
    Record(Record),
    /// Two tools do not agree.
    Unclear,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: Type,
    /// It can be used without `has`.
    pub(super) required: bool,
}

pub(super) type Record = BTreeMap<String, Attribute>;

/// The argument types of every action.
#[derive(Clone, Debug)]
pub(super) struct ActionTypes(BTreeMap<String, Record>);

/// An argument that no policy can speak of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    pub tool: ToolName,
    /// With dots between the names; `[]` stands for the elements of a list.
    pub argument: String,
    pub why: &'static str,
}

impl ActionTypes {
    pub(super) fn of(tools: &[InstalledTool], capabilities: &Capabilities) -> Self {
        let actions = capabilities.0.keys().map(|name| name.to_string());
        let mut types: BTreeMap<String, Option<Record>> =
            actions.chain([CALL.to_owned()]).map(|action| (action, None)).collect();
        for tool in tools {
            let record = record(&tool.input_schema);
            let wanted = tool.wants.iter().map(|want| want.capability.as_str());
            for action in wanted.chain([CALL]) {
                if let Some(seen) = types.get_mut(action) {
                    *seen = Some(
                        seen.take().map_or_else(|| record.clone(), |seen| merge(seen, &record)),
                    );
                }
            }
        }
        Self(
            types
                .into_iter()
                .map(|(action, record)| (action, record.unwrap_or_default()))
                .collect(),
        )
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the context of an action has at a place: at its top, or within one of its records.
    pub(super) fn names(&self, action: &str, within: &[String]) -> Vec<String> {
        let Some((first, rest)) = within.split_first() else {
            let of_use: &[&str] = if action == CALL { &[] } else { &["capability", "credential"] };
            let names = KNOWN.iter().chain(of_use);
            return names.map(|name| (*name).to_owned()).collect();
        };
        match first.as_str() {
            "arguments" => self.0.get(action).map_or_else(Vec::new, |record| below(record, rest)),
            "approval" => vec!["by".to_owned()],
            "time" => TIME.map(str::to_owned).into(),
            "credential" => vec!["owners".to_owned()],
            "capability" => ["risk", "interface", "cost"].map(str::to_owned).into(),
            _ => Vec::new(),
        }
    }

    /// What is left out, and why.
    pub(super) fn unmapped(&self, tools: &[InstalledTool]) -> Vec<Unmapped> {
        let mut found = Vec::new();
        for tool in tools {
            let mut say = |argument: &str, why| {
                found.push(Unmapped {
                    tool: tool.name.clone(),
                    argument: argument.to_owned(),
                    why,
                });
            };
            unmapped_in(&tool.input_schema, "", &mut say);
            for (name, attribute) in self.0.get(CALL).into_iter().flatten() {
                let has = tool.input_schema.pointer("/properties").and_then(|all| all.get(name));
                if attribute.kind == Type::Unclear && has.is_some() {
                    say(name, "two tools type it differently, and `call` is asked for both");
                }
            }
        }
        found
    }

    /// The arguments as one action may see them; `None` where they do not fit their types.
    pub(super) fn arguments(
        &self,
        action: &str,
        arguments: &Value,
    ) -> Option<RestrictedExpression> {
        expression(&Type::Record(self.0.get(action)?.clone()), arguments)
    }

    /// The schema in Cedar's own form.
    pub(super) fn text(&self) -> String {
        let mut text = ENTITIES.to_owned();
        for (action, record) in &self.0 {
            let parent =
                if action == CALL { String::new() } else { format!(" in [Action::\"{USE}\"]") };
            let arguments = record_text(record);
            let capability = if action == CALL { "" } else { CAPABILITY };
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "action \"{action}\"{parent} appliesTo {{\n    principal: [Agent, User, Service],\n    resource: [Tool],\n    context: {{ \"arguments\": {arguments}, {FACTS}{capability} }},\n}};\n"
            );
        }
        text
    }
}

/// What policies can speak of in a schema's objects.
pub(super) fn record(schema: &Value) -> Record {
    let required = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let attribute = |(name, schema): (&String, &Value)| {
        let (kind, nullable) = kind(schema)?;
        Some((name.clone(), Attribute { kind, required: required(name) && !nullable }))
    };
    let named = |(name, _): &(&String, &Value)| plain(name);
    properties.into_iter().flatten().filter(named).filter_map(attribute).collect()
}

/// The type of a schema, and whether it allows `null` besides.
fn kind(schema: &Value) -> Option<(Type, bool)> {
    if let Some(schema) = optional(schema) {
        return kind(schema).map(|(kind, _)| (kind, true));
    }
    let schema = schema
        .as_object()
        .filter(|schema| !COMBINED.iter().any(|key| schema.contains_key(*key)))?;
    let Some(named) = schema.get("type") else { return listed(schema) };
    match named {
        Value::String(one) => Some((simple(one, schema)?, false)),
        Value::Array(several) => {
            let names: Vec<&str> =
                several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect();
            match names.as_slice() {
                [one] => Some((simple(one, schema)?, names.len() < several.len())),
                _ => None,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The other one of two schemas of which one is `null`, as an optional enumeration is written.
fn optional(schema: &Value) -> Option<&Value> {
    let schema = schema.as_object()?;
    let others = COMBINED.iter().filter(|key| schema.contains_key(**key)).count();
    let is_null = |one: &&Value| one.get("type").is_some_and(|kind| kind == "null");
    match schema.get("anyOf")?.as_array()?.as_slice() {
        [one, other] if others == 1 && is_null(&other) => Some(one),
        [one, other] if others == 1 && is_null(&one) => Some(other),
        _ => None,
    }
}

/// The type of values that are listed one by one.
fn listed(schema: &Map<String, Value>) -> Option<(Type, bool)> {
    let values = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.as_slice(),
        (None, Some(value)) => std::slice::from_ref(value),
        _ => return None,
    };
    let texts = !values.is_empty() && values.iter().all(Value::is_string);
    texts.then_some((Type::Text, false))
}

/// Says of every argument in a schema that has no type in Cedar why it has none.
fn unmapped_in(schema: &Value, at: &str, say: &mut impl FnMut(&str, &'static str)) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        if !plain(name) {
            say(&at, "its name needs letters, digits and `_-.$@` only");
        } else if kind(schema).is_none() {
            say(&at, why(schema));
        } else {
            unmapped_in(schema, &at, say);
            unmapped_in(schema.get("items").unwrap_or(&Value::Null), &format!("{at}[]"), say);
        }
    }
}

fn why(schema: &Value) -> &'static str {
    let Some(schema) = schema.as_object() else { return "its schema says nothing of it" };
    if COMBINED.iter().any(|key| schema.contains_key(*key)) {
        return "its schema combines others, as `anyOf` or `$ref` does";
    }
    match schema.get("type") {
        None => "its schema names no type",
        Some(Value::String(name)) if name == "number" => {
            "it may be a fraction, and Cedar counts in whole numbers"
        }
        Some(Value::String(name)) if name == "array" => {
            "its elements have no type that Cedar has, or may be null"
        }
        Some(Value::Array(_)) => "it may have one of several types",
        Some(_) => "Cedar has no such type",
    }
}

fn simple(name: &str, schema: &Map<String, Value>) -> Option<Type> {
    match name {
        "string" => Some(Type::Text),
        "integer" => Some(Type::Whole),
        "boolean" => Some(Type::Truth),
        "array" => match kind(schema.get("items")?)? {
            (kind, false) => Some(Type::Set(Box::new(kind))),
            (_, true) => None,
        },
        "object" => Some(Type::Record(record(&Value::Object(schema.clone())))),
        _ => None,
    }
}

/// What a policy can rely on for both.
fn merge(mut one: Record, other: &Record) -> Record {
    for (name, attribute) in &mut one {
        attribute.required &= other.get(name).is_some_and(|other| other.required);
    }
    for (name, attribute) in other {
        match one.get_mut(name) {
            None => {
                drop(one.insert(name.clone(), Attribute { required: false, ..attribute.clone() }));
            }
            Some(mine) => mine.kind = merge_types(mine.kind.clone(), &attribute.kind),
        }
    }
    one
}

fn merge_types(one: Type, other: &Type) -> Type {
    match (one, other) {
        (Type::Record(one), Type::Record(other)) => Type::Record(merge(one, other)),
        (Type::Set(one), Type::Set(other)) => match merge_types(*one, other) {
            Type::Unclear => Type::Unclear,
            kind @ (Type::Text | Type::Whole | Type::Truth | Type::Set(_) | Type::Record(_)) => {
                Type::Set(Box::new(kind))
            }
        },
        (one, other) if one == *other => one,
        _ => Type::Unclear,
    }
}

/// The names of a record within this one that policies can speak of.
fn below(record: &Record, within: &[String]) -> Vec<String> {
    let Some((first, rest)) = within.split_first() else {
        let clear = record.iter().filter(|(_, attribute)| attribute.kind != Type::Unclear);
        return clear.map(|(name, _)| name.clone()).collect();
    };
    match record.get(first).map(|attribute| &attribute.kind) {
        Some(Type::Record(record)) => below(record, rest),
        Some(Type::Text | Type::Whole | Type::Truth | Type::Set(_) | Type::Unclear) | None => {
            Vec::new()
        }
    }
}

fn record_text(record: &Record) -> String {
    let attribute = |(name, Attribute { kind, required }): (&String, &Attribute)| {
        let mark = if *required { "" } else { "?" };
        Some(format!("\"{name}\"{mark}: {}", type_text(kind)?))
    };
    format!("{{ {} }}", record.iter().filter_map(attribute).collect::<Vec<_>>().join(", "))
}

fn type_text(kind: &Type) -> Option<String> {
    match kind {
        Type::Text => Some("String".to_owned()),
        Type::Whole => Some("Long".to_owned()),
        Type::Truth => Some("Bool".to_owned()),
        Type::Set(kind) => Some(format!("Set<{}>", type_text(kind)?)),
        Type::Record(record) => Some(record_text(record)),
        Type::Unclear => None,
    }
}

fn expression(kind: &Type, value: &Value) -> Option<RestrictedExpression> {
    match (kind, value) {
        (Type::Text, Value::String(text)) => Some(RestrictedExpression::new_string(text.clone())),
        (Type::Whole, Value::Number(number)) => whole(number).map(RestrictedExpression::new_long),
        (Type::Truth, Value::Bool(truth)) => Some(RestrictedExpression::new_bool(*truth)),
        (Type::Set(kind), Value::Array(items)) => {
            let items =
                items.iter().map(|item| expression(kind, item)).collect::<Option<Vec<_>>>()?;
            Some(RestrictedExpression::new_set(items))
        }
        (Type::Record(record), Value::Object(members)) => {
            let mut fields = Vec::new();
            for (name, attribute) in record {
                match members.get(name).filter(|value| !value.is_null()) {
                    Some(_) if attribute.kind == Type::Unclear => {}
                    Some(value) => fields.push((name.clone(), expression(&attribute.kind, value)?)),
                    None if attribute.required => return None,
                    None => {}
                }
            }
            RestrictedExpression::new_record(fields).ok()
        }
        _ => None,
    }
}

/// JSON Schema counts `1.0` as an integer.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        format!("{:.0}", number.as_f64().filter(|double| double.fract() == 0.0)?).parse().ok()
    })
}

/// Names that need no escaping in a schema.
fn plain(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$@".contains(&byte))
}

/// Keywords after which `type` alone does not say what a value is.
const COMBINED: [&str; 7] = ["anyOf", "oneOf", "allOf", "not", "$ref", "if", "$dynamicRef"];

const ENTITIES: &str = "\
entity Role;
entity Group;
entity Component;
entity Provider;
entity Credential in [Provider] { \"owners\": Set<String> };
entity Capability in [Provider, Credential] { \"risk\": String, \"interface\": String, \"cost\": Long };
entity Agent in [Role, Group];
entity User in [Role, Group];
entity Service in [Role, Group];
entity Tool in [Component] { \"digest\": String };
action \"use\";
";

/// What every action knows besides the arguments. Times are UTC; `weekday` counts from 1, Monday; `remaining`
/// is in micro-dollars, of the tightest budget that could apply, and absent where none does.
const FACTS: &str = "\"time\": { \"hour\": Long, \"weekday\": Long, \"epoch_seconds\": Long, \"now\": datetime }, \
\"environment\": String, \"door\": String, \"acts_for\": Set<String>, \"approval\"?: { \"by\": Set<String> }, \
\"remaining\"?: Long";

/// The names of these facts, and of those about the time.
const KNOWN: [&str; 7] =
    ["arguments", "time", "environment", "door", "acts_for", "approval", "remaining"];
const TIME: [&str; 4] = ["hour", "weekday", "epoch_seconds", "now"];

/// What the actions of capabilities know besides. The owners of a credential are written as in the configuration;
/// there are none where it is open.
const CAPABILITY: &str = ", \"capability\": Capability, \"credential\"?: Credential";
