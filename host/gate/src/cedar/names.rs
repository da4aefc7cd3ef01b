//! Does a policy ask for facts that there are?
//!
//! Cedar refuses `context.arguments.ownr`. It accepts `context.arguments has ownr`, which is never true, and so
//! a `forbid` behind it would load and forbid nothing.
use cedar_policy::{ActionConstraint, Policy};
use serde_json::Value;

use super::{CALL, USE, request::action_uid, schema::ActionTypes};

/// A name after `has` that no action of the policy knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) name: String,
    /// What could have been meant.
    pub(super) known: Vec<String>,
}

/// Every `has` of the policy that can be true for none of the actions that its head names.
pub(super) fn unknown(policy: &Policy, types: &ActionTypes) -> Vec<Unknown> {
    // What cannot be read as JSON was not read as a policy either.
    let conditions = policy.to_json().unwrap_or_default();
    let mut asked = Vec::new();
    collect(conditions.get("conditions").unwrap_or(&Value::Null), &mut asked);
    let actions: Vec<&str> = types.actions().filter(|action| covers(policy, action)).collect();
    let unknown = |path: Vec<String>| {
        let (name, within) = path.split_last()?;
        let known = actions.iter().flat_map(|action| types.names(action, within));
        let mut known: Vec<String> = known.collect();
        known.sort();
        known.dedup();
        (!known.contains(name)).then(|| Unknown { name: name.clone(), known })
    };
    asked.into_iter().filter_map(unknown).collect()
}

fn covers(policy: &Policy, action: &str) -> bool {
    let (this, any_use) = (action_uid(action), action_uid(USE));
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == this,
        ActionConstraint::In(several) => {
            several.iter().any(|one| *one == this || (action != CALL && *one == any_use))
        }
    }
}

/// The paths from `context` that are asked for with `has`.
fn collect(expression: &Value, asked: &mut Vec<Vec<String>>) {
    let asks = attribute(expression, "has").and_then(|(left, name)| Some((path(left)?, name)));
    if let Some((mut path, name)) = asks {
        path.push(name.to_owned());
        asked.push(path);
    }
    match expression {
        Value::Array(items) => items.iter().for_each(|item| collect(item, asked)),
        Value::Object(members) => members.values().for_each(|member| collect(member, asked)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The names that lead from `context` to an expression; `None` where it begins elsewhere.
fn path(expression: &Value) -> Option<Vec<String>> {
    if expression.get("Var").is_some_and(|name| name == "context") {
        return Some(Vec::new());
    }
    let (left, name) = attribute(expression, ".")?;
    let mut path = path(left)?;
    path.push(name.to_owned());
    Some(path)
}

/// The two sides of `.` or `has`.
fn attribute<'a>(expression: &'a Value, operator: &str) -> Option<(&'a Value, &'a str)> {
    let sides = expression.get(operator)?;
    Some((sides.get("left")?, sides.get("attr")?.as_str()?))
}
