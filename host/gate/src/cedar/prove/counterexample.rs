//! A call that the solver thought of.
use std::collections::BTreeSet;

use cedar_policy::{EntityUid, EvalResult, Request};
use cedar_policy_symcc::Env;
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::InstalledTool;
use crate::{Kind, ToolName};

/// One call for which a claim does not hold. Names that the policies do not speak of are the solver's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    pub principal: String,
    pub kind: Kind,
    pub roles: BTreeSet<String>,
    pub groups: BTreeSet<String>,
    pub acts_for: Vec<String>,
    pub tool: ToolName,
    pub arguments: Value,
    pub door: String,
    /// From 0 to 23, UTC.
    pub hour: i64,
    /// From 1, Monday.
    pub weekday: i64,
    pub epoch_seconds: i64,
    /// Who would have said yes.
    pub approved_by: Option<BTreeSet<String>>,
    /// In micro-dollars.
    pub remaining: Option<i64>,
}

impl Counterexample {
    pub(super) fn of(tool: &InstalledTool, kind: Kind, found: &Env) -> Self {
        let Env { request, entities } = found;
        let parents = |wanted: &str| {
            let ancestors = request.principal().and_then(|principal| entities.ancestors(principal));
            let all = ancestors.into_iter().flatten();
            let named = all.filter(|one| one.type_name().to_string() == wanted);
            named.map(id).collect()
        };
        let time = fact(request, "time");
        let whole = |name: &str| time.get(name).and_then(Value::as_i64).unwrap_or_default();
        let approval = fact(request, "approval");
        let arguments = fact(request, "arguments");
        Self {
            principal: request.principal().map(id).unwrap_or_default(),
            kind,
            roles: parents("Role"),
            groups: parents("Group"),
            acts_for: texts(&fact(request, "acts_for")).collect(),
            tool: tool.name.clone(),
            arguments: if arguments.is_object() { arguments } else { Value::Object(Map::new()) },
            door: fact(request, "door").as_str().unwrap_or_default().to_owned(),
            hour: whole("hour"),
            weekday: whole("weekday"),
            epoch_seconds: whole("epoch_seconds"),
            approved_by: approval.get("by").map(|by| texts(by).collect()),
            remaining: fact(request, "remaining").as_i64(),
        }
    }
}

fn id(entity: &EntityUid) -> String {
    entity.id().unescaped().to_owned()
}

/// A fact of the context; `null` where it is absent.
fn fact(request: &Request, name: &str) -> Value {
    request.context().and_then(|context| context.get(name)).as_ref().map_or(Value::Null, value)
}

fn texts(value: &Value) -> impl Iterator<Item = String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>().into_iter()
}

fn value(result: &EvalResult) -> Value {
    match result {
        EvalResult::Bool(truth) => Value::Bool(*truth),
        EvalResult::Long(number) => Value::Number(Number::from(*number)),
        EvalResult::String(text) | EvalResult::ExtensionValue(text) => Value::String(text.clone()),
        EvalResult::EntityUid(entity) => Value::String(entity.to_string()),
        EvalResult::Set(set) => set.iter().map(value).collect(),
        EvalResult::Record(record) => {
            Value::Object(record.iter().map(|(name, one)| (name.clone(), value(one))).collect())
        }
    }
}
