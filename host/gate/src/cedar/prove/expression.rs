//! Cedar expressions in their JSON form, put together.
#![expect(clippy::needless_pass_by_value, reason = "each expression becomes a part of another one")]
use cedar_policy::{Policy, PolicyId};
use serde_json::{Value, json};

pub(super) fn truth(truth: bool) -> Value {
    json!({ "Value": truth })
}

pub(super) fn whole(number: i64) -> Value {
    json!({ "Value": number })
}

pub(super) fn text(text: &str) -> Value {
    json!({ "Value": text })
}

pub(super) fn entity(kind: &str, id: &str) -> Value {
    json!({ "Value": { "__entity": { "type": kind, "id": id } } })
}

pub(super) fn variable(name: &str) -> Value {
    json!({ "Var": name })
}

/// `context.arguments.city`, from its names.
pub(super) fn context(names: &[&str]) -> Value {
    names.iter().fold(variable("context"), |left, name| attribute(left, name))
}

pub(super) fn attribute(left: Value, name: &str) -> Value {
    json!({ ".": { "left": left, "attr": name } })
}

pub(super) fn has(left: Value, name: &str) -> Value {
    json!({ "has": { "left": left, "attr": name } })
}

pub(super) fn equal(left: Value, right: Value) -> Value {
    json!({ "==": { "left": left, "right": right } })
}

pub(super) fn at_most(left: Value, right: Value) -> Value {
    json!({ "<=": { "left": left, "right": right } })
}

pub(super) fn within(left: Value, right: Value) -> Value {
    json!({ "in": { "left": left, "right": right } })
}

pub(super) fn not(argument: Value) -> Value {
    json!({ "!": { "arg": argument } })
}

pub(super) fn all(expressions: impl IntoIterator<Item = Value>) -> Value {
    balanced("&&", expressions.into_iter().collect()).unwrap_or_else(|| truth(true))
}

pub(super) fn any(expressions: impl IntoIterator<Item = Value>) -> Value {
    balanced("||", expressions.into_iter().collect()).unwrap_or_else(|| truth(false))
}

/// In the order that they have, and no deeper than need be. `None` where there are none.
fn balanced(operator: &str, mut expressions: Vec<Value>) -> Option<Value> {
    if expressions.len() < 2 {
        return expressions.pop();
    }
    let rest = expressions.split_off(expressions.len() / 2);
    let (left, right) = (balanced(operator, expressions)?, balanced(operator, rest)?);
    Some(json!({ operator: { "left": left, "right": right } }))
}

/// When a policy is satisfied, its head being about this action: `None` where it cannot be read.
pub(super) fn satisfied(policy: &Policy) -> Option<Value> {
    let policy = policy.to_json().ok()?;
    let mut parts = vec![head(&policy, "principal")?, head(&policy, "resource")?];
    for condition in policy.get("conditions")?.as_array()? {
        let body = condition.get("body")?.clone();
        let when = condition.get("kind")? == "when";
        parts.push(if when { body } else { not(body) });
    }
    Some(all(parts))
}

fn head(policy: &Value, name: &str) -> Option<Value> {
    let head = policy.get(name)?;
    let of = |head: &Value| {
        let entity = head.get("entity")?;
        Some(json!({ "Value": { "__entity": entity } }))
    };
    match head.get("op")?.as_str()? {
        "All" => Some(truth(true)),
        "==" => Some(equal(variable(name), of(head)?)),
        "in" => Some(within(variable(name), of(head)?)),
        "is" => {
            let is = json!({ "is": { "left": variable(name), "entity_type": head.get("entity_type")? } });
            match head.get("in") {
                Some(group) => Some(all([is, within(variable(name), of(group)?)])),
                None => Some(is),
            }
        }
        _ => None,
    }
}

/// Whether a set has these elements and no others. Cedar types no set that is written empty.
pub(super) fn consists(set: Value, elements: Vec<Value>) -> Value {
    if elements.is_empty() {
        return json!({ "isEmpty": { "arg": set } });
    }
    equal(set, json!({ "Set": elements }))
}

/// The same expression where `action`, `context.capability` and `context.credential` are what they are for one
/// action.
pub(super) fn about(
    expression: Value,
    action: &str,
    is_capability: bool,
    credential: Option<&str>,
) -> Value {
    let capability = context(&["capability"]);
    if expression == variable("action") {
        return entity("Action", action);
    }
    if expression == has(variable("context"), "capability") {
        return truth(is_capability);
    }
    if expression == has(variable("context"), "credential") {
        return truth(credential.is_some());
    }
    if is_capability && expression == capability {
        return entity("Capability", action);
    }
    if let Some(name) = credential.filter(|_| expression == context(&["credential"])) {
        return entity("Credential", name);
    }
    match expression {
        Value::Array(items) => {
            items.into_iter().map(|item| about(item, action, is_capability, credential)).collect()
        }
        Value::Object(members) => {
            let inner = |(name, value)| (name, about(value, action, is_capability, credential));
            Value::Object(members.into_iter().map(inner).collect())
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// The ids of a kind of entity that an expression names.
pub(super) fn named(expression: &Value, kind: &str, found: &mut Vec<String>) {
    if let Some(entity) = expression.get("__entity") {
        let id = entity.get("id").and_then(Value::as_str).unwrap_or_default();
        if entity.get("type").is_some_and(|one| one == kind) && !found.iter().any(|one| one == id) {
            found.push(id.to_owned());
        }
    }
    match expression {
        Value::Array(items) => items.iter().for_each(|item| named(item, kind, found)),
        Value::Object(members) => members.values().for_each(|member| named(member, kind, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A policy that permits exactly where the expression is true.
pub(super) fn permit_when(expression: &Value) -> Result<Policy, String> {
    let policy = json!({
        "effect": "permit",
        "principal": { "op": "All" },
        "action": { "op": "All" },
        "resource": { "op": "All" },
        "conditions": [{ "kind": "when", "body": expression }],
    });
    Policy::from_json(Some(PolicyId::new("unwanted")), policy).map_err(|error| error.to_string())
}
